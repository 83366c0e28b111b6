"""How a simulation ends before its code does, and what it leaves behind: nothing."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from agentlab_faults.sim import Deadlock, Simulation, SimulationEnded, TimeCapReached, WatchdogFired


class Enough(BaseException):
    """A reason of the test's own."""


def spin(_: Simulation) -> None:
    while True:
        pass


def spin_until(over: Callable[[], bool]) -> None:
    while not over():
        pass


def hang_sync(_: Simulation) -> None:
    time.sleep(math.inf)


def hang_async(simulation: Simulation) -> None:
    simulation.settle(asyncio.sleep(math.inf))


def hang_in_worker(simulation: Simulation) -> None:
    simulation.settle(asyncio.to_thread(time.sleep, math.inf))


def hang_in_nested_loop(simulation: Simulation) -> None:
    simulation.settle(asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(math.inf))))


@pytest.mark.parametrize("hang", [hang_sync, hang_async, hang_in_worker, hang_in_nested_loop])
def test_a_hang_comes_to_the_cap_at_once(hang: Callable[[Simulation], None]) -> None:
    with pytest.raises(TimeCapReached), Simulation(seed=1, cap=600) as simulation:
        hang(simulation)
    assert simulation.now == 600


def test_a_deadlock_tells_where_every_task_stands() -> None:
    async def waits_for_an_event() -> None:
        await asyncio.Event().wait()

    async def agent() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits_for_an_event(), name="the-other")
            await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock) as caught, Simulation(seed=1, cap=600) as simulation:
        simulation.settle(agent())
    text = str(caught.value)
    assert "task the-other:" in text
    assert "in waits_for_an_event: await asyncio.Event().wait()" in text
    assert simulation.now == 0


def test_a_deadlock_of_synchronous_code_is_found_too() -> None:
    with pytest.raises(Deadlock, match="in wait"), Simulation(seed=1, cap=600):
        threading.Event().wait()


def test_agent_code_cannot_swallow_the_end_of_its_loop() -> None:
    async def stubborn() -> str:
        while True:
            try:
                await asyncio.sleep(100)
            except BaseException:  # noqa: BLE001, S112 - it is the case
                continue

    with pytest.raises(TimeCapReached), Simulation(seed=1, cap=600) as simulation:
        simulation.settle(stubborn())
    assert simulation.leftovers == ("task Task-1",)


def test_stop_leaves_the_loop_at_its_next_turn() -> None:
    seen: list[str] = []

    async def agent(simulation: Simulation) -> None:
        try:
            simulation.stop(Enough("enough"))
            seen.append("goes on to its next await")
            await asyncio.sleep(0)
            seen.append("not reached")
        except Exception:  # noqa: BLE001 - it is the case
            seen.append("not reached either")

    with pytest.raises(Enough, match="enough"), Simulation(seed=1, cap=10) as simulation:
        simulation.settle(agent(simulation))
    assert seen == ["goes on to its next await"]


def test_stop_ends_synchronous_code_where_it_blocks_next() -> None:
    def agent() -> None:
        try:
            time.sleep(1)
        except Exception:  # noqa: BLE001 - it is the case
            pytest.fail("swallowed")

    with Simulation(seed=1, cap=10) as simulation:
        simulation.stop(Enough())
        with pytest.raises(Enough):
            agent()
    assert simulation.now == 0


def test_stop_from_a_worker_ends_the_whole() -> None:
    def work(simulation: Simulation) -> None:
        simulation.stop(Enough())
        time.sleep(1)
        pytest.fail("not reached")

    with pytest.raises(Enough), Simulation(seed=1, cap=10) as simulation:
        simulation.settle(asyncio.to_thread(work, simulation))


def test_stop_holds_when_the_code_returns_first() -> None:
    async def agent(simulation: Simulation) -> None:
        simulation.stop(Enough())

    with Simulation(seed=1, cap=10) as simulation:
        with pytest.raises(Enough):
            simulation.settle(agent(simulation))
        with pytest.raises(Enough):
            simulation.settle("anything")


def test_stop_is_for_the_simulations_own_thread() -> None:
    errors: list[BaseException] = []

    def elsewhere(simulation: Simulation) -> None:
        try:
            simulation.stop(Enough())
        except RuntimeError as error:
            errors.append(error)

    with Simulation(seed=1, cap=10) as simulation:
        thread = threading.Thread(target=elsewhere, args=(simulation,))
        thread.start()
        thread.join()
    assert "thread" in str(errors[0])


@pytest.mark.parametrize("where", ["main", "task", "worker"])
def test_code_that_spins_is_ended_by_the_watchdog(where: str) -> None:
    async def task(simulation: Simulation) -> None:
        spin(simulation)

    def run(simulation: Simulation) -> None:
        if where == "main":
            spin(simulation)
        simulation.settle(task(simulation) if where == "task" else asyncio.to_thread(spin, simulation))

    with pytest.raises(WatchdogFired, match="in spin"), Simulation(seed=1, cap=10, watchdog=0.1) as simulation:
        run(simulation)


def test_a_task_that_spins_beside_another_leaves_nothing_behind() -> None:
    async def agent() -> None:
        beside = asyncio.create_task(asyncio.sleep(1000))
        await asyncio.sleep(1)
        spin_until(beside.done)

    with Simulation(seed=1, cap=10_000, watchdog=0.2) as simulation, pytest.raises(WatchdogFired):
        simulation.settle(agent())
    assert simulation.leftovers == ()


def test_code_that_leaves_the_process_at_once_leaves_only_the_simulation() -> None:
    with Simulation(seed=1, cap=10) as simulation, pytest.raises(SystemExit) as left:
        simulation.settle(asyncio.to_thread(os._exit, 0))
    assert left.value.code == 0


def test_a_forked_child_may_leave_at_once() -> None:
    with Simulation(seed=1, cap=10):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # since 3.12, of forks beside threads
            child = os.fork()
        if child == 0:
            os._exit(7)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7


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


def test_code_that_swallows_the_watchdog_once_meets_it_again() -> None:
    with Simulation(seed=1, cap=10, watchdog=0.1) as simulation:
        with pytest.raises(WatchdogFired):
            spin(simulation)
        with pytest.raises(WatchdogFired):
            time.sleep(1)


def test_code_that_swallows_it_for_ever_gets_the_second_level() -> None:
    over = threading.Event()
    called_on: list[threading.Thread] = []

    def on_stuck() -> None:
        called_on.append(threading.current_thread())
        over.set()

    def swallow() -> None:
        while not over.is_set():
            try:
                spin_until(over.is_set)
            except WatchdogFired:
                continue

    with Simulation(seed=1, cap=10, watchdog=0.2, on_stuck=on_stuck) as simulation:
        swallow()
        with pytest.raises(WatchdogFired):
            simulation.settle(None)
    assert called_on[0] is not threading.main_thread()


def test_a_stuck_process_exits_with_3_by_default() -> None:
    code = """
        from agentlab_faults.sim import Simulation
        def spin():
            while True: pass
        def swallow():
            while True:
                try: spin()
                except BaseException: pass
        with Simulation(seed=1, cap=10, watchdog=0.2): swallow()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "cannot be ended" in done.stderr


def test_a_simulation_on_another_thread_has_its_watchdog_too() -> None:
    ends: list[BaseException] = []

    def lab() -> None:
        try:
            with Simulation(seed=1, cap=10, watchdog=0.2) as simulation:
                spin(simulation)
        except SimulationEnded as end:
            ends.append(end)

    thread = threading.Thread(target=lab)
    thread.start()
    thread.join()
    assert isinstance(ends[0], WatchdogFired)


def test_the_watchdog_gives_the_signal_back() -> None:
    def mine(*_: object) -> None: ...

    before = signal.signal(signal.SIGALRM, mine)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1000)
        with Simulation(seed=1, cap=10):
            pass
        assert signal.getsignal(signal.SIGALRM) is mine
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 900
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_watchdog_needs_seconds(seconds: float) -> None:
    with pytest.raises(ValueError, match="watchdog"):
        Simulation(seed=1, cap=10, watchdog=seconds)


@pytest.mark.parametrize("where", ["main", "task", "worker"])
def test_an_interrupt_goes_through(where: str) -> None:
    def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)

    async def task() -> None:
        interrupt()

    def run(simulation: Simulation) -> None:
        if where == "main":
            interrupt()
        simulation.settle(task() if where == "task" else asyncio.to_thread(interrupt))

    with pytest.raises(KeyboardInterrupt), Simulation(seed=1, cap=10) as simulation:
        run(simulation)


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
