"""How a simulation ends before its code does: at its cap, in a deadlock, stopped, interrupted."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable

import pytest
from agentlab_faults.sim import Deadlock, Simulation, TimeCapReached


class Enough(BaseException):
    """A reason of the test's own."""


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
