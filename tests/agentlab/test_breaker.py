"""Circuit breakers: they open, leave alone, probe with one call at a time, and close."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from agentlab_faults.sim import Simulation
from hypothesis import given, settings
from hypothesis import strategies as st

from agentlab.breaker import Breaker, BreakerPolicy, BreakerState, Permit
from agentlab.errors import BreakerOpenError


def now(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing: a breaker without shared state answers at once."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


POLICY = BreakerPolicy(failures=3, reset=30.0)


@pytest.fixture(autouse=True)
def _virtual_time() -> Iterator[None]:
    with Simulation(seed=0, cap=1e6):
        yield


def opened(changes: list[tuple[str, BreakerState]] | None = None, policy: BreakerPolicy = POLICY) -> Breaker:
    breaker = Breaker("llm:x", policy, None if changes is None else lambda name, state: changes.append((name, state)))
    for _ in range(policy.failures):
        now(now(breaker.admit()).fail())
    return breaker


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker("llm:x", POLICY)
    for _ in range(2):
        now(now(breaker.admit()).fail())
    now(now(breaker.admit()).succeed())
    for _ in range(2):
        now(now(breaker.admit()).fail())
    assert breaker.state == "closed"
    now(now(breaker.admit()).fail())
    assert breaker.state == "open"
    with pytest.raises(BreakerOpenError, match="30 s"):
        now(breaker.admit())


def test_what_is_not_the_dependencys_fault_does_not_count() -> None:
    breaker = Breaker("llm:x", POLICY)
    for _ in range(10):
        now(now(breaker.admit()).release())
    assert breaker.state == "closed"


def test_only_the_first_ending_of_a_call_counts() -> None:
    breaker = Breaker("llm:x", BreakerPolicy(failures=2))
    permit = now(breaker.admit())
    now(permit.fail())
    now(permit.fail())
    now(permit.release())
    assert breaker.state == "closed"


def test_after_its_reset_time_one_probe_decides() -> None:
    changes: list[tuple[str, BreakerState]] = []
    breaker = opened(changes)
    time.sleep(29.9)
    assert not breaker.admits
    time.sleep(0.2)
    probe = now(breaker.admit())
    assert not breaker.admits
    now(probe.fail())
    assert breaker.state == "open"
    time.sleep(30)
    now(now(breaker.admit()).succeed())
    assert [state for _, state in changes] == ["open", "half_open", "open", "half_open", "closed"]


def test_an_abandoned_probe_makes_room_for_the_next() -> None:
    breaker = opened()
    time.sleep(31)
    now(now(breaker.admit()).release())
    assert breaker.admits


def test_a_call_from_before_the_outage_says_nothing_in_half_open() -> None:
    breaker = Breaker("llm:x", POLICY)
    old = now(breaker.admit())
    for _ in range(3):
        now(now(breaker.admit()).fail())
    time.sleep(31)
    probe = now(breaker.admit())
    now(old.succeed())
    assert breaker.state == "half_open"
    now(probe.succeed())
    assert breaker.state == "closed"


def test_a_trip_lasts_as_long_as_the_dependency_asked_for() -> None:
    breaker = Breaker("llm:x", POLICY)
    now(breaker.trip(120))
    time.sleep(10)
    now(breaker.trip(1))  # another call's end takes nothing of it back
    time.sleep(90)
    assert breaker.state == "open"
    time.sleep(21)
    assert breaker.state == "half_open"


STEPS = st.lists(st.sampled_from(["admit", "succeed", "fail", "release", "wait", "trip"]), max_size=60)


@given(steps=STEPS, successes=st.integers(1, 3), data=st.data())
@settings(deadline=None, max_examples=200)
def test_there_are_never_two_probes(steps: list[str], successes: int, data: st.DataObject) -> None:
    breaker = Breaker("llm:x", BreakerPolicy(failures=2, reset=10, successes=successes))
    out: list[tuple[Permit, bool]] = []
    for step in steps:
        if step == "admit" and breaker.admits:
            probing = breaker.state == "half_open"
            out.append((now(breaker.admit()), probing))
        elif step == "wait":
            time.sleep(6)
        elif step == "trip":
            now(breaker.trip())
        elif out and step in {"succeed", "fail", "release"}:
            permit, probing = out.pop(data.draw(st.integers(0, len(out) - 1)))
            now(getattr(permit, step)())
        assert sum(probing for _, probing in out) <= 1
