"""Time in a simulation is virtual for whoever asks, however they ask; outside it is real."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import queue
import threading
import time
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

import anyio
import pytest
import tenacity
from agentlab_faults.sim import Simulation, TimeCapReached
from hypothesis import given, settings
from hypothesis import strategies as st

EPOCH = 1_700_000_000
HELD_NOW = dt.datetime.now
HELD_UTCNOW = dt.datetime.utcnow
HELD_TODAY = dt.date.today


@dataclasses.dataclass
class Stamped:
    at: float = dataclasses.field(default_factory=time.time)


@pytest.fixture
def sim() -> Iterator[Simulation]:
    with Simulation(seed=1, cap=10_000, epoch=EPOCH) as simulation:
        yield simulation
    assert simulation.leftovers == ()


CLOCKS: dict[str, Callable[[], float]] = {
    "time": time.time,
    "time_ns": lambda: time.time_ns() / 1e9,
    "monotonic": time.monotonic,
    "an alias": monotonic,
    "monotonic_ns": lambda: time.monotonic_ns() / 1e9,
    "perf_counter": time.perf_counter,
    "perf_counter_ns": lambda: time.perf_counter_ns() / 1e9,
    "clock_gettime": lambda: time.clock_gettime(time.CLOCK_MONOTONIC),
    "clock_gettime_ns": lambda: time.clock_gettime_ns(time.CLOCK_REALTIME) / 1e9,
    "localtime": lambda: time.mktime(time.localtime()),
    "ctime": lambda: time.mktime(time.strptime(time.ctime())),
    "asctime": lambda: time.mktime(time.strptime(time.asctime())),
    "strftime": lambda: time.mktime(time.strptime(time.strftime("%Y-%m-%d %H:%M:%S"), "%Y-%m-%d %H:%M:%S")),
    "queue's alias": queue.time,  # type: ignore[attr-defined]
    "threading's alias": threading._time,  # type: ignore[attr-defined]
    "default_factory": lambda: Stamped().at,
    "datetime.now": lambda: dt.datetime.now().timestamp(),  # noqa: DTZ005 - local time is the case
    "datetime.now with a zone": lambda: dt.datetime.now(dt.UTC).timestamp(),
    "datetime.now held": lambda: HELD_NOW(tz=dt.UTC).timestamp(),
    "datetime.utcnow held": lambda: HELD_UTCNOW().replace(tzinfo=dt.UTC).timestamp(),
    "datetime.today": lambda: dt.datetime.today().timestamp(),  # noqa: DTZ002 - the same
}


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@pytest.mark.parametrize("name", CLOCKS)
def test_every_clock_moves_by_what_was_slept(sim: Simulation, name: str) -> None:
    before = CLOCKS[name]()
    sim.settle(asyncio.sleep(3600))
    sleep(400)
    assert CLOCKS[name]() - before == pytest.approx(4000, abs=1e-6)
    assert sim.now == 4000


def test_the_wall_clock_begins_at_the_epoch_in_every_form(sim: Simulation) -> None:
    moment = dt.datetime.fromtimestamp(EPOCH, dt.UTC)
    assert time.time() == EPOCH
    assert time.gmtime()[:6] == moment.timetuple()[:6]
    assert dt.datetime.now(dt.UTC) == moment
    assert dt.date.today() == dt.date.fromtimestamp(EPOCH)  # noqa: DTZ011, DTZ012 - local dates are the case
    assert HELD_TODAY() == dt.date.today()  # noqa: DTZ011 - the same


def test_subclasses_of_datetime_make_their_own_kind(sim: Simulation) -> None:
    class Stamp(dt.datetime):
        pass

    class Day(dt.date):
        pass

    assert type(Stamp.now(dt.UTC)) is Stamp
    assert type(Stamp.today()) is Stamp
    assert type(Day.today()) is Day


def test_wrong_arguments_are_refused_as_ever(sim: Simulation) -> None:
    with pytest.raises(TypeError):
        dt.datetime.now("Europe/Vienna")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        time.sleep("1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)
    with pytest.raises(ValueError, match="NaN"):
        time.sleep(float("nan"))
    with pytest.raises(TypeError):
        time.monotonic(1)  # type: ignore[call-arg]


def test_three_minutes_of_backoff_cost_less_than_fifty_milliseconds() -> None:
    @tenacity.retry(wait=tenacity.wait_fixed(30), stop=tenacity.stop_after_delay(179))
    async def call() -> None:
        raise ConnectionError

    with Simulation(seed=1, cap=1):
        pass  # the first one of a process patches it
    began = time.process_time()
    with Simulation(seed=1, cap=1000) as simulation, pytest.raises(tenacity.RetryError):
        simulation.settle(call())
    assert simulation.now == 180
    assert time.process_time() - began < 0.05


def test_a_timeout_fires_at_exactly_its_time(sim: Simulation) -> None:
    async def agent() -> None:
        async with asyncio.timeout(0.1):
            await asyncio.sleep(0.2)

    with pytest.raises(TimeoutError):
        sim.settle(agent())
    assert sim.now_ns == 100_000_000


@settings(deadline=None)  # the first simulation of a process patches it
@given(seconds=st.lists(st.integers(0, 500_000).map(lambda milliseconds: milliseconds / 1000), max_size=6))
def test_sleeps_end_in_the_order_of_their_ends(seconds: list[float]) -> None:
    woken: list[float] = []

    async def sleeper(duration: float) -> None:
        await asyncio.sleep(duration)
        woken.append(duration)

    async def agent() -> None:
        await asyncio.gather(*map(sleeper, seconds))

    with Simulation(seed=1, cap=1000) as simulation:
        simulation.settle(agent())
    assert woken == sorted(woken)
    assert simulation.now == pytest.approx(max(seconds, default=0), abs=1e-6)


def test_anyio_sleeps_and_deadlines_are_virtual(sim: Simulation) -> None:
    async def agent() -> float:
        start = anyio.current_time()
        with anyio.move_on_after(5):
            await anyio.sleep(100)
        return anyio.current_time() - start

    assert sim.settle(agent()) == pytest.approx(5)


def test_a_sync_agent_sleeps_on_the_same_clock(sim: Simulation) -> None:
    time.sleep(2)
    assert sim.settle("a plain value") == "a plain value"
    assert asyncio.run(asyncio.sleep(3, "its own loop")) == "its own loop"
    assert sim.now == 5


@pytest.mark.parametrize("make", [asyncio.new_event_loop, asyncio.SelectorEventLoop], ids=["new_event_loop", "SelectorEventLoop"])
def test_runners_get_a_virtual_loop_whatever_their_factory(sim: Simulation, make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(asyncio.sleep(7))
    assert sim.now == 7


def test_the_loop_is_the_same_in_every_turn(sim: Simulation) -> None:
    async def loop() -> Any:
        return asyncio.get_running_loop()

    assert sim.settle(loop()) is sim.settle(loop())


def test_a_loop_of_real_time_is_refused() -> None:
    real = asyncio.SelectorEventLoop()
    with Simulation(seed=1, cap=10), pytest.raises(RuntimeError, match="not made in this simulation"):
        real.run_until_complete(asyncio.Future(loop=real))
    real.close()


async def test_a_simulation_may_run_inside_a_real_loop() -> None:
    outer = asyncio.get_running_loop()
    with Simulation(seed=1, cap=100) as simulation:
        assert simulation.settle(asyncio.sleep(50, "inner")) == "inner"
    assert asyncio.get_running_loop() is outer
    assert asyncio.current_task() is not None
    await asyncio.sleep(0)


def test_other_threads_keep_real_time(sim: Simulation) -> None:
    seen: list[float] = []
    thread = threading.Thread(target=lambda: seen.extend((time.time(), dt.datetime.now(dt.UTC).timestamp(), Stamped().at)))
    thread.start()
    thread.join()
    assert all(abs(moment - EPOCH) > 10**6 for moment in seen)
    assert time.time() == EPOCH


def test_time_is_real_again_afterwards() -> None:
    before = time.monotonic()
    with Simulation(seed=1, cap=100_000):
        time.sleep(50_000)
    assert 0 <= time.monotonic() - before < 1000
    assert abs(dt.datetime.now(dt.UTC).timestamp() - time.time()) < 10


def test_perf_counter_never_measures_nothing(sim: Simulation) -> None:
    assert time.perf_counter() - time.perf_counter() < 0


def test_waiting_without_sleeping_moves_time_in_the_end(sim: Simulation) -> None:
    async def agent() -> None:
        async with asyncio.timeout(2):
            while True:  # noqa: ASYNC110 - it is the case
                await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        sim.settle(agent())
    assert sim.now == pytest.approx(2, abs=0.01)


def test_sleeps_are_told_as_they_begin() -> None:
    told: list[tuple[int, int]] = []
    with Simulation(seed=1, cap=100) as simulation:
        simulation.on_sleep = lambda start, end: told.append((start, end))
        simulation.settle(asyncio.sleep(2))
        time.sleep(3)
        simulation.settle(asyncio.to_thread(time.sleep, 1))
    assert told == [(0, 2 * 10**9), (2 * 10**9, 5 * 10**9), (5 * 10**9, 6 * 10**9)]


def test_only_one_simulation_at_a_time() -> None:
    with Simulation(seed=1, cap=10), pytest.raises(RuntimeError, match="one at a time"), Simulation(seed=2, cap=10):
        pass


def test_a_simulation_that_is_not_entered_says_so() -> None:
    awaitable = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="with statement"):
        Simulation(seed=1, cap=10).settle(awaitable)
    awaitable.close()


@pytest.mark.parametrize("cap", [0, -1, float("inf"), float("nan")])
def test_a_cap_must_be_positive_and_finite(cap: float) -> None:
    with pytest.raises(ValueError, match="cap"):
        Simulation(seed=1, cap=cap)


def test_the_clock_stands_at_the_cap_and_after_the_end_where_the_end_was() -> None:
    with pytest.raises(TimeCapReached, match="cap of 60 s"), Simulation(seed=1, cap=60) as simulation:
        simulation.settle(asyncio.sleep(61))
    assert simulation.now == 60
    assert "60 s of at most 60 s" in repr(simulation.clock)
