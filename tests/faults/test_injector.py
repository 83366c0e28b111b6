"""Which request a fault strikes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.fault import BreaksTool, Rate, Replaces, Row, Shape, Strike, ToolCall
from agentlab_faults.injector import Injector, Target
from agentlab_faults.schedule import Burst, Injection, Ramp, Schedule, Window


def _row(scope: Any, **more: Any) -> Row:
    return Row(
        id="test",
        boundary="network",
        family="test",
        category="transient",
        scope=scope,
        best={"once": "recoverable"},
        why="-",
        happens="-",
        agent_should="-",
        rate=Rate(0.0, "-"),
        **more,
    )


class _Host(Replaces):
    """A fault in the scope of a host."""

    row = _row("host")

    def answer(self, request: WireRequest) -> Exchange:
        return Exchange(status=500)


class _Write(BreaksTool):
    """A fault of tools that write."""

    row = _row("tool", kinds=frozenset({"tool"}), effect="write")

    def strike(self, call: ToolCall) -> Strike:
        return Strike(runs=False)


def _llm(point: int, attempt: int = 1, host: str = "primary", *, seconds: float = 0.0, model: str = "m", key: str = "k") -> Target:
    return Target("llm", f"openai.chat.{point}", attempt, seconds, host=host, model=model, key=key)


def _hits(injection: Injection, targets: list[Target]) -> list[bool]:
    injector = Injector(Schedule("s", (injection,)))
    return [injector.pick(target) is not None for target in targets]


def _at(shape: Shape, scope: Any = "host") -> Injection:
    return Injection(fault=_Host(), at="openai.chat.2", shape=shape, scope=scope)


def test_once_strikes_the_first_attempt_at_its_point_only() -> None:
    assert _hits(_at("once"), [_llm(1), _llm(2), _llm(2, 2), _llm(3)]) == [False, True, False, False]


def test_three_attempts_leave_the_fallback_host_alone() -> None:
    attempts = [_llm(2), _llm(2, 2), _llm(2, 3, host="backup"), _llm(2, 4), _llm(2, 5), _llm(3)]
    assert _hits(_at("x3"), attempts) == [True, True, False, True, False, False]


def test_always_goes_on_at_later_calls_of_its_scope() -> None:
    assert _hits(_at("always"), [_llm(1), _llm(2), _llm(2, 2, host="backup"), _llm(3), _llm(4)]) == [False, True, False, True, True]


@pytest.mark.parametrize(
    ("scope", "other"),
    [
        ("model", _llm(3, model="other")),
        ("key", _llm(3, key="other")),
        ("host", _llm(3, host="other")),
        ("call", _llm(3)),
    ],
)
def test_what_lies_outside_the_scope_is_left_alone(scope: str, other: Target) -> None:
    assert _hits(_at("always", scope), [_llm(2), _llm(2, 2), other]) == [True, True, False]


@pytest.mark.parametrize("scope", ["model", "key", "host"])
def test_every_scope_but_the_calls_ends_at_the_host(scope: str) -> None:
    assert _hits(_at("always", scope), [_llm(2), _llm(3, host="backup"), _llm(4)]) == [True, False, True]


def test_three_attempts_at_a_call_leave_the_fallback_host_alone() -> None:
    attempts = [_llm(2), _llm(2, 2, host="backup"), _llm(2, 3), _llm(2, 4), _llm(2, 5)]
    assert _hits(_at("x3", "call"), attempts) == [True, False, True, True, False]


def test_a_later_attempt_spares_those_before_it() -> None:
    second = Injection(fault=_Host(), at="openai.chat.2", attempt=2)
    assert _hits(second, [_llm(2), _llm(2, 2), _llm(2, 3)]) == [False, True, False]
    assert _hits(second, [_llm(2), _llm(2, 3)]) == [False, True]


def test_a_window_of_virtual_time_ends_the_outage() -> None:
    outage = Injection(fault=_Host(), shape="always", window=Window(5, 10))
    assert _hits(outage, [_llm(1, seconds=s) for s in (0, 5, 9.9, 10, math.inf)]) == [False, True, True, False, False]


def test_a_mode_can_keep_to_the_first_provider_that_was_called() -> None:
    outage = Injection(fault=_Host(), shape="always", primary=True)
    assert _hits(outage, [_llm(1), _llm(1, 2, host="backup"), _llm(2)]) == [True, False, True]


def test_a_mode_can_strike_each_second_request() -> None:
    flaky = Injection(fault=_Host(), shape="always", every=2)
    assert _hits(flaky, [_llm(n) for n in range(1, 6)]) == [True, False, True, False, True]


def test_a_mode_on_writes_leaves_reads_alone() -> None:
    broken = Injection(fault=_Write(), shape="always", kind="tool")
    read = Target("tool", "tool.lookup.1", 1, 0.0, tool="lookup", effect="read")
    write = Target("tool", "tool.refund.1", 1, 0.0, tool="refund", effect="write")
    assert _hits(broken, [read, write, _llm(1)]) == [False, True, False]


def test_a_ramp_strikes_a_growing_share() -> None:
    injection = Injection(fault=_Host(), kind="llm", shape="always", ramp=Ramp(0.25, 1.0, 30.0))
    hits = _hits(injection, [_llm(n, seconds=float(n)) for n in range(40)])
    assert sum(hits[:10]) < sum(hits[10:20]) < sum(hits[20:30])
    assert hits[31:] == [True] * 9


def _spells(seed: int, injection: Injection) -> list[bool]:
    injector = Injector(Schedule("s", (injection,)), seed=seed)
    return [injector.pick(_llm(n, seconds=n / 10)) is not None for n in range(400)]


def test_bursts_come_and_go_as_the_seed_says() -> None:
    injection = Injection(fault=_Host(), kind="llm", shape="always", burst=Burst(on=2.0, off=4.0))
    hits = _spells(1, injection)
    assert hits[0]
    assert hits == _spells(1, injection)
    assert hits != _spells(2, injection)
    lengths = [(struck, len(list(run))) for struck, run in itertools.groupby(hits)][:-1]
    assert all(10 <= length <= 31 if struck else 19 <= length <= 61 for struck, length in lengths)
    assert len(lengths) > 6
