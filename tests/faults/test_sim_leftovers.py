"""What a simulation leaves behind when it has ended: nothing."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from agentlab_faults.sim import Simulation, TimeCapReached


def test_cleanup_that_stops_its_loop_is_awaited_all_the_same() -> None:
    cleaned = []

    async def beside() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            asyncio.get_running_loop().stop()
            await asyncio.sleep(1)
            cleaned.append("beside")

    async def agent() -> None:
        asyncio.create_task(beside())  # noqa: RUF006 - left behind on purpose
        await asyncio.sleep(1)

    with Simulation(seed=1, cap=10) as simulation:
        simulation.settle(agent())
    assert cleaned == ["beside"]


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Any:
    with caplog.at_level(logging.DEBUG):
        yield
        gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.usefixtures("quiet")
def test_what_still_runs_is_cancelled_and_may_clean_up() -> None:
    cleaned: list[str] = []

    async def background() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(1)
            cleaned.append("background")

    async def generator() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(1)
            cleaned.append("generator")

    kept: list[Any] = []

    async def agent() -> None:
        kept.append(asyncio.create_task(background()))
        kept.append(generator())
        await anext(kept[1])
        kept.append(asyncio.ensure_future(asyncio.to_thread(time.sleep, 500)))
        await asyncio.sleep(1)

    with Simulation(seed=1, cap=2000) as simulation:
        simulation.settle(agent())
    assert sorted(cleaned) == ["background", "generator"]
    assert simulation.leftovers == ()
    assert simulation.now == 1


@pytest.mark.usefixtures("quiet")
def test_what_fails_in_its_cleanup_makes_no_noise() -> None:
    async def background() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            raise ValueError("while cleaning up")

    async def agent() -> None:
        tasks.append(asyncio.create_task(background()))
        await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    with Simulation(seed=1, cap=10) as simulation:
        simulation.settle(agent())
    tasks.clear()


@pytest.mark.usefixtures("quiet")
def test_tasks_and_workers_that_resist_are_named_and_left_alone() -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                continue

    def stubborn_worker() -> None:
        while True:
            try:
                time.sleep(1000)
            except BaseException:  # noqa: BLE001, S112 - it is the case
                continue

    async def agent() -> None:
        tasks.append(asyncio.create_task(stubborn(), name="stubborn"))
        tasks.append(asyncio.ensure_future(asyncio.to_thread(stubborn_worker)))
        await asyncio.sleep(1)

    tasks: list[Any] = []
    with Simulation(seed=1, cap=10) as simulation:
        simulation.settle(agent())
    tasks.clear()
    assert sorted(simulation.leftovers) == ["task stubborn", "worker asyncio_0"]


@pytest.mark.usefixtures("quiet")
def test_a_nested_loop_that_still_runs_is_ended_with_its_tasks() -> None:
    cleaned: list[str] = []

    async def nested() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            cleaned.append("nested")

    async def agent() -> None:
        kept.append(asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(nested()))))
        await asyncio.sleep(1)

    kept: list[Any] = []
    with Simulation(seed=1, cap=2000) as simulation:
        simulation.settle(agent())
    assert cleaned == ["nested"]
    assert simulation.leftovers == ()


@pytest.mark.usefixtures("quiet")
def test_a_loop_that_code_forgot_is_closed() -> None:
    loops = []
    with Simulation(seed=1, cap=10):
        loops.append(asyncio.new_event_loop())
        loops[0].run_until_complete(asyncio.sleep(1))
    assert loops[0].is_closed()


@pytest.mark.usefixtures("quiet")
def test_cleanup_that_spins_is_ended_too() -> None:
    async def background() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            while True:
                pass

    async def agent() -> None:
        kept.append(asyncio.create_task(background()))
        await asyncio.sleep(0)

    kept: list[Any] = []
    with Simulation(seed=1, cap=10, watchdog=0.2) as simulation:
        simulation.settle(agent())
    assert kept[0].done()


@pytest.mark.usefixtures("quiet")
def test_workers_do_nothing_more_once_the_simulation_is_over() -> None:
    did: list[str] = []

    def work() -> None:
        for step in range(100):
            time.sleep(1)
            did.append(f"step {step}")

    async def background() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.to_thread(time.sleep, 5)
            did.append("cleaned up")

    async def agent() -> None:
        kept.append(asyncio.create_task(background()))
        kept.append(asyncio.ensure_future(asyncio.to_thread(work)))
        await asyncio.sleep(1.5)

    kept: list[Any] = []
    with Simulation(seed=1, cap=2000) as simulation:
        simulation.settle(agent())
    assert did == ["step 0", "cleaned up"]
    assert simulation.leftovers == ()


@pytest.mark.usefixtures("quiet")
def test_a_nested_loop_that_hung_to_the_cap_cleans_up_too() -> None:
    cleaned: list[str] = []

    async def nested() -> None:
        try:
            await asyncio.sleep(math.inf)
        finally:
            await asyncio.sleep(1)
            cleaned.append("nested")

    with pytest.raises(TimeCapReached), Simulation(seed=1, cap=20) as simulation:
        simulation.settle(asyncio.to_thread(lambda: asyncio.run(nested())))
    assert cleaned == ["nested"]
    assert simulation.leftovers == ()
