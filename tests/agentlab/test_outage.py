"""Every provider down: an honest answer, soon; and while a breaker is open nobody is asked in vain. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from agentlab_faults import Exchange

from agentlab import Agent, Bounds, BreakerPolicy, Model, Reply, telemetry, tool
from agentlab.effects import Effects
from agentlab.examples.support import build
from agentlab.notes import with_notes
from agentlab.telemetry import names

from .conftest import Wire, call, error, refused, say, silent
from .telemetry_capture import Told, told
from .test_layers import turn_of

__all__ = ["told"]

SOON = 3.0
DENIED = ("refunded", "has been", "is done", "done!", "successfully")


@pytest.fixture
def opened(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Which breakers opened, and when, in virtual seconds."""
    found: list[tuple[str, float]] = []

    def changed(name: str, state: str) -> None:
        if state == "open":
            found.append((name, wire.now))

    monkeypatch.setattr(telemetry, "breaker_changed", changed)
    return found


def ask(wire: Wire, agent: Agent, *texts: str) -> list[Reply]:
    async def turns() -> list[Reply]:
        return [await agent(text) for text in texts]

    replies: list[Reply] = wire.run(turns())
    return replies


def storm() -> Exchange:
    return error(429, "rate_limit_exceeded", (("retry-after", "300"),))


@pytest.mark.parametrize("down", [lambda: error(503), refused, silent, storm, lambda: error(500)])
@pytest.mark.parametrize("text", ["Refund order 5512, it arrived broken.", "Sing me a song."])
def test_with_every_provider_down_the_answer_is_honest_and_soon(
    wire: Wire, opened: list[tuple[str, float]], down: Callable[[], Exchange], text: str
) -> None:
    wire.primary(down())
    wire.fallback(down())
    [reply] = ask(wire, build(), text)
    assert {name for name, _ in opened} == {"llm:gpt-4o-mini", "llm:backup-large"}
    assert wire.now - max(when for _, when in opened) <= SOON
    assert reply.status == "degraded"
    assert reply.answered_by == ("static" if "Refund" in text else "safety_net")
    assert reply.confidence < 0.5
    assert "could not" in reply.text
    assert not any(claim in reply.text.lower() for claim in DENIED)
    assert reply.effects == ()


def test_while_the_breakers_are_open_nobody_is_asked_and_the_answer_is_there_at_once(wire: Wire) -> None:
    wire.primary(refused())
    wire.fallback(refused())
    agent = build()
    ask(wire, agent, "Sing me a song.")
    asked, began = len(wire.requests), wire.now
    replies = ask(wire, agent, "What are your opening hours?", "Refund order 5512.", "Sing me a song.")
    assert len(wire.requests) == asked
    assert wire.now - began < 0.1
    assert [(reply.answered_by, reply.status) for reply in replies] == [
        ("cached", "degraded"),
        ("static", "degraded"),
        ("safety_net", "degraded"),
    ]


@tool
async def broken(order: str) -> str:
    """Look an order up."""
    raise ConnectionError


def test_a_broken_tool_is_known_in_the_next_turn_and_is_neither_offered_nor_tried(wire: Wire, told: Told) -> None:
    wire.primary(call(("broken", {"order": "1"})), say("I could not look it up."), say("I cannot look orders up just now."))
    agent = Agent("helper", instructions="", models=[Model(name="m")], tools=[broken], tool_breaker=BreakerPolicy(failures=2))
    first, second = ask(wire, agent, "Where is order 1?", "And order 2?")
    assert "tools" not in wire.requests[-1][1] or wire.requests[-1][1]["tools"] == []
    assert (first.missing, second.missing) == (("broken",), ("broken",))
    assert (second.answered_by, second.status) == ("reduced", "degraded")
    assert "I could not use broken" in second.text
    turn = dict([span for span in told.spans if span.name == "invoke_agent helper"][-1].attributes or {})
    assert turn[names.MISSING] == ("broken",)


def test_the_agent_is_itself_again_after_the_reset_time(wire: Wire) -> None:
    wire.primary(error(503))
    wire.fallback(error(503))
    agent = build()
    ask(wire, agent, "Sing me a song.")

    async def later() -> None:
        await asyncio.sleep(31)

    wire.run(later())
    wire.primary(say("La la la."))
    [reply] = ask(wire, agent, "Sing me a song.")
    assert (reply.text, reply.answered_by) == ("La la la.", "full")


class Unwritable:
    """A value that cannot be written down."""

    def __str__(self) -> str:
        raise RecursionError


def test_the_notes_on_an_effect_can_always_be_written() -> None:
    effects = Effects("run")
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    effects.begin("pay", {"to": deep}).state = "unknown"
    turn = turn_of()
    turn.effects = effects
    assert "pay(to=[[" in with_notes("Sorry.", turn)
    effect = effects.begin("pay", {"to": deep})
    effect.arguments = {"to": Unwritable()}
    assert "pay(to=<Unwritable>)" in with_notes("Sorry.", turn)


def test_a_bound_that_is_used_up_does_not_stop_the_lower_layers(wire: Wire) -> None:
    wire.primary(silent())
    agent = Agent("helper", instructions="", models=[Model(name="m")], bounds=Bounds(seconds=5))
    [reply] = ask(wire, agent, "Hello?")
    assert reply.answered_by == "safety_net"
    assert wire.now <= 5.05
