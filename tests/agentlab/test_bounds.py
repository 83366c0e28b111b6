"""Bounds: time pre-empts whatever runs, and tokens and money are checked before they are spent."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import pytest
from agentlab_faults.sim import Simulation

from agentlab.bounds import Bounds, Deadline, Spending, within
from agentlab.errors import BoundExceededError


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    with Simulation(seed=0, cap=1e6) as found:
        yield found


def test_a_deadline_counts_down_and_stops_at_zero(simulation: Simulation) -> None:
    deadline = Deadline.after(10)
    time.sleep(4)
    assert deadline.remaining == pytest.approx(6)
    assert deadline.share(0.5).remaining == pytest.approx(3)
    time.sleep(7)
    assert deadline.remaining == 0
    with pytest.raises(BoundExceededError) as error:
        deadline.check()
    assert error.value.bound == "seconds"


def test_work_in_time_gives_its_result_and_its_error(simulation: Simulation) -> None:
    async def works() -> int:
        await asyncio.sleep(1)
        return 7

    async def breaks() -> int:
        raise KeyError("x")

    assert simulation.settle(within(2, works())) == 7
    with pytest.raises(KeyError):
        simulation.settle(within(2, breaks()))


def test_work_that_swallows_its_cancellation_is_left_behind(simulation: Simulation) -> None:
    async def stubborn() -> None:
        for _ in range(10):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100)

    with pytest.raises(TimeoutError, match=r"2\.0 s"):
        simulation.settle(within(2, stubborn()))
    assert simulation.now < 3


def test_work_that_cancels_itself_does_not_cancel_its_caller(simulation: Simulation) -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled itself"):
        simulation.settle(within(2, gives_up()))


def test_whoever_is_cancelled_cancels_the_work(simulation: Simulation) -> None:
    seen = []

    async def work() -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def outer() -> None:
        task = asyncio.ensure_future(within(50, work()))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)

    simulation.settle(outer())
    assert seen == ["cancelled"]


def test_a_call_that_could_pass_a_bound_is_not_made() -> None:
    spending = Spending(Bounds(steps=2, tokens=1000, money=0.01))
    spending.check(tokens=1000, money=0.01)
    spending.charge(input_tokens=300, output_tokens=100, money=0.004, estimated=False)
    with pytest.raises(BoundExceededError, match="1000 tokens"):
        spending.check(tokens=601, money=0.0)
    with pytest.raises(BoundExceededError, match=r"0\.01 dollars"):
        spending.check(tokens=1, money=0.007)
    with pytest.raises(BoundExceededError, match=r"bound of 0\.0001 dollars"):
        Spending(Bounds(money=0.0001)).check(tokens=1, money=0.001)
    assert spending.usage.tokens == 400


def test_steps_are_counted() -> None:
    spending = Spending(Bounds(steps=2))
    spending.step()
    spending.step()
    with pytest.raises(BoundExceededError) as error:
        spending.step()
    assert error.value.bound == "steps"
