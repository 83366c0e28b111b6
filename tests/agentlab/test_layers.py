"""The pipeline: each layer answers when those above it cannot, says so, and never claims or denies an effect wrongly."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

import pytest

from agentlab import Intent, Model, Reply, ResponseCache, ToolRefusedError, tool
from agentlab.agent import Agent
from agentlab.bounds import Bounds, Deadline, Spending
from agentlab.effects import Effects
from agentlab.errors import UnexpectedError
from agentlab.history import History
from agentlab.layers import Layer, Pipeline, SafetyNet
from agentlab.react import React
from agentlab.result import LayerName
from agentlab.turn import Turn

from .conftest import Wire, call, error, say

HOURS = "We are open from 9 to 5."
QUESTION = "What are your opening hours?"
REFUND = Intent("refund", (r"\brefund\b",), "I could not work on your refund.")


@tool(cacheable=True)
async def search(query: str) -> str:
    """Search public pages."""
    return HOURS


@tool
async def mine(order: str) -> str:
    """Look at the customer's own order."""
    return "shipped"


SEARCH = call(("search", {"query": "hours"}), ids=("call_s",))
MINE = call(("mine", {"order": "1"}), ids=("call_m",))


def agent(cache: ResponseCache | None = None, **options: Any) -> Agent:
    return Agent("test", instructions="Help.", models=[Model(name="m")], tools=[search, mine], cache=cache, intents=[REFUND], **options)


def ask(wire: Wire, asked: Agent, text: str = QUESTION) -> Reply:
    async def turn() -> Reply:
        return await asked(text)

    reply: Reply = wire.run(turn())
    return reply


def turn_of(text: str = "x") -> Turn:
    return Turn(
        text=text,
        first=True,
        tenant="",
        history=History(),
        effects=Effects("run"),
        deadline=Deadline.after(10),
        spending=Spending(Bounds()),
    )


def test_a_seeded_answer_is_given_in_an_outage_and_marked(wire: Wire) -> None:
    wire.primary(error(503))
    reply = ask(wire, agent(ResponseCache({QUESTION: HOURS})), "what are the opening hours")
    assert (reply.status, reply.answered_by) == ("degraded", "cached")
    assert HOURS in reply.text
    assert "unavailable" in reply.text


def test_a_good_answer_made_of_public_pages_is_kept_for_its_tenant_only(wire: Wire) -> None:
    cache = ResponseCache()
    wire.primary(SEARCH, say(HOURS), error(503))
    ask(wire, agent(cache, tenant="a"))
    assert ask(wire, agent(cache, tenant="a")).answered_by == "cached"
    assert ask(wire, agent(cache, tenant="b")).answered_by == "safety_net"


def test_an_answer_made_of_private_results_or_of_none_is_not_kept(wire: Wire) -> None:
    cache = ResponseCache()
    wire.primary(MINE, say("Shipped."), say("Hello."), error(503))
    ask(wire, agent(cache))
    ask(wire, agent(cache), "Hi")
    assert cache.get("", QUESTION) is None
    assert cache.get("", "Hi") is None


def test_an_answer_in_the_middle_of_a_conversation_is_not_kept(wire: Wire) -> None:
    cache = ResponseCache()
    wire.primary(say("Hello."), SEARCH, say(HOURS))
    helper = agent(cache)
    ask(wire, helper, "Hi")
    ask(wire, helper)
    assert cache.get("", QUESTION) is None


def test_a_degraded_answer_is_not_kept(wire: Wire) -> None:
    cache = ResponseCache({QUESTION: HOURS})
    wire.primary(error(503))
    ask(wire, agent(cache), "what are the opening hours")
    hit = cache.get("", "what are the opening hours")
    assert hit is not None
    assert hit.question == QUESTION


def test_a_known_intent_has_a_prepared_answer_and_no_other_request_has(wire: Wire) -> None:
    wire.primary(error(503))
    helper = agent()
    refund = ask(wire, helper, "I want a Refund!")
    assert (refund.answered_by, refund.text) == ("static", "I could not work on your refund. Nothing was changed on your account.")
    assert ask(wire, helper, "Sing a song").answered_by == "safety_net"


def test_the_less_a_layer_can_do_the_less_it_is_trusted(wire: Wire) -> None:
    wire.primary(SEARCH, say(HOURS), error(503))
    full = ask(wire, agent())
    static = ask(wire, agent(), "refund")
    net = ask(wire, agent(), "x")
    assert 1 >= full.confidence > static.confidence > net.confidence >= 0


def test_nothing_is_denied_after_an_effect_in_an_earlier_turn(wire: Wire) -> None:
    @tool(effect="write")
    async def pay(amount: float, idempotency_key: str) -> str:
        """Pay."""
        return "ok"

    wire.primary(call(("pay", {"amount": 5}), ids=("call_p",)), say("Paid."), error(503))
    helper = Agent("test", instructions="", models=[Model(name="m")], tools=[pay])
    ask(wire, helper, "Pay")
    reply = ask(wire, helper, "And now?")
    assert reply.answered_by == "safety_net"
    assert "Nothing was changed" not in reply.text


def test_the_conversation_goes_on_after_an_outage(wire: Wire) -> None:
    wire.primary(*[error(503)] * 4, say("Back."))
    helper = agent()
    down = ask(wire, helper, "One")

    async def later() -> None:
        await asyncio.sleep(31)

    wire.run(later())
    assert ask(wire, helper, "Two").text == "Back."
    assert [message["content"] for message in wire.messages()[1:]] == ["One", down.text, "Two"]


class Odd(Layer):
    """A layer whose health check hangs, breaks or says no."""

    name: ClassVar[LayerName] = "cached"
    confidence = 0.5

    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def healthy(self, turn: Turn) -> bool:
        if self.kind == "hangs":
            await asyncio.sleep(1e6)
        if self.kind == "breaks":
            raise ConnectionError
        return self.kind != "ill"

    async def answer(self, turn: Turn) -> str | None:
        if self.kind == "raises":
            raise KeyError("x")
        return None if self.kind == "empty" else "must not be asked"


@pytest.mark.parametrize("kind", ["hangs", "breaks", "ill", "empty", "raises"])
def test_a_layer_that_is_not_well_is_passed_over_in_two_seconds(wire: Wire, kind: str) -> None:
    async def answered() -> Any:
        return await Pipeline([Odd(kind), SafetyNet("Sorry.")]).answer(turn_of())

    given = wire.run(answered())
    assert given.layer == "safety_net"
    assert wire.now <= 2.1


def test_a_bug_in_the_runtime_is_told_as_one_and_the_user_is_answered(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> str:
        raise KeyError("a bug")

    monkeypatch.setattr(React, "run", broken)
    for degrade, layer in ((True, "safety_net"), (False, "full")):
        reply = ask(wire, agent(degrade=degrade))
        assert (reply.status, reply.answered_by) == ("failed", layer)
        assert isinstance(reply.error, UnexpectedError)
        assert isinstance(reply.error.__cause__, KeyError)


def test_an_intent_looks_at_the_beginning_of_a_huge_text_only() -> None:
    slow = Intent("moving", (r"\bmoved?\b.*\bhouse\b",), "x")
    began = time.process_time()
    assert not slow.matches("move " * 20_000)
    assert time.process_time() - began < 2.0
    assert slow.matches("I move to another house. " + "x" * 20_000)


@pytest.mark.parametrize("public", [True, False])
def test_an_answer_made_of_a_refusal_is_not_kept(wire: Wire, public: bool) -> None:
    @tool(cacheable=public)
    async def secret(order: str) -> str:
        """Look."""
        raise ToolRefusedError("Order 1 belongs to Bob Smith.")

    wire.primary(call(("secret", {"order": "1"}), ("search", {"query": "x"}), ids=("a", "b")), say("It is Bob Smith's."), error(503))
    cache = ResponseCache()
    asked = Agent("test", instructions="", models=[Model(name="m")], tools=[secret, search], cache=cache)
    assert ask(wire, asked).status == "complete"
    assert cache.get("", QUESTION) is None


def test_an_answer_of_a_resumed_turn_is_not_kept(wire: Wire) -> None:
    wire.primary(MINE, error(400), SEARCH, say("Order 1 was shipped, and we open at 9."))
    cache = ResponseCache()
    helper = agent(cache)
    handle = ask(wire, helper).resume
    assert handle is not None

    async def resume() -> Reply:
        return await helper.resume(handle)

    assert wire.run(resume()).status == "complete"
    assert cache.get("", QUESTION) is None
