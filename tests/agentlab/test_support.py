"""The support agent: its shop, its layers, and a conversation under every fault at every point."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from agentlab_faults import FAULT_FREE, Schedule, Setup, Talk, play
from agentlab_faults.catalogue import modes_for, select, singles
from agentlab_faults.played import Played
from agentlab_faults.played import Tool as LabTool
from agentlab_faults.script import Call, Say, ScriptSpec

from agentlab import Reply, ToolRefusedError
from agentlab.examples.shop import ARTICLES, Shop
from agentlab.examples.support import INTENTS, QUESTIONS, build

from .conftest import Wire, error

DOWN = error(503)
KEY = "k" * 32


def ask(wire: Wire, text: str) -> Reply:
    async def turn() -> Reply:
        return await build()(text)

    reply: Reply = wire.run(turn())
    return reply


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        *[(question, "cached") for questions in QUESTIONS.values() for question in questions],
        ("Refund order 5512, it arrived broken.", "static"),
        ("I want my money back.", "static"),
        ("Please send order 5512 to another address.", "static"),
        ("Where is my order 5512?", "static"),
        ("Are you open on Sunday, and how late?", "static"),
        ("How do returns of gifts work?", "static"),
        ("Write me a poem.", "safety_net"),
        ("", "safety_net"),
    ],
)
def test_in_an_outage_every_question_gets_the_best_layer_that_is_left(wire: Wire, text: str, layer: str) -> None:
    wire.primary(DOWN)
    wire.fallback(DOWN)
    reply = ask(wire, text)
    assert reply.answered_by == layer
    assert re.search("could not|unavailable", reply.text)
    assert wire.now < 15


def intent(text: str) -> str | None:
    return next((known.name for known in INTENTS if known.matches(text)), None)


@pytest.mark.parametrize(
    "text",
    [
        "What are your opening hours?", "Your hours, please?", "Are you open on Sunday, and how late?", "Is the shop still open now?",
        "When do you open?", "What time does the shop close on Friday?", "How late are you open?", "Open on weekends?",
        "Will you be open at 9?",
    ],
)  # fmt: skip
def test_questions_about_the_opening_hours_are_known(text: str) -> None:
    assert intent(text) == "opening_hours"


@pytest.mark.parametrize(
    "text",
    [
        "I want to open a complaint about your driver", "My parcel came 3 hours late and broken", "Can you open my account again?",
        "I waited two hours", "The box was open when it came", "Are you open to a lower price?", "How do I open the lid?",
    ],
)  # fmt: skip
def test_other_openings_and_hours_are_not(text: str) -> None:
    assert intent(text) is None


def test_a_cached_answer_is_the_shops_own(wire: Wire) -> None:
    wire.primary(DOWN)
    wire.fallback(DOWN)
    assert ARTICLES["returns"] in ask(wire, "What's your return policy?").text


def call(tool: Any, **arguments: Any) -> Any:
    return asyncio.run(tool.call(arguments))


def test_the_shop_refunds_once_under_one_key_and_never_more_than_was_paid() -> None:
    shop = Shop()
    for _ in range(2):
        assert call(shop.refund, order="5512", amount=20.0, idempotency_key=KEY) == {"ok": True}
    assert call(shop.lookup_order, id="5512")["refunded"] == 20.0
    with pytest.raises(ToolRefusedError, match=r"29\.90"):
        call(shop.refund, order="5512", amount=30.0, idempotency_key="other")
    assert call(shop.refund, order="5512", amount=29.90, idempotency_key="third") == {"ok": True}


def test_the_shop_changes_an_address_until_the_parcel_is_gone() -> None:
    shop = Shop()
    call(shop.update_address, order="8804", address="1 New Road", idempotency_key=KEY)
    assert call(shop.lookup_order, id="8804")["address"] == "1 New Road"
    with pytest.raises(ToolRefusedError, match="delivered"):
        call(shop.update_address, order="5512", address="1 New Road", idempotency_key=KEY + "2")


def test_the_shop_says_what_it_does_not_have() -> None:
    with pytest.raises(ToolRefusedError, match="no order 1"):
        call(Shop().lookup_order, id="1")
    assert call(Shop().search_kb, query="warranty?")["articles"] == [ARTICLES["warranty"]]
    assert call(Shop().search_kb, query="zebra")["articles"] == []


def test_each_agent_has_a_shop_of_its_own() -> None:
    one, other = Shop(), Shop()
    call(one.refund, order="5512", amount=1.0, idempotency_key=KEY)
    assert "refunded" not in other.orders["5512"]


PROMPTS = ("Where is my order 5512?", "Then refund 20 euros of it, please.")
SETUP = Setup(
    scripts=(
        ScriptSpec(
            turns=(
                Call((("lookup_order", {"id": "5512"}), ("search_kb", {"query": "returns"}))),
                Say("Order 5512 was delivered to 12 Elm Street."),
                Call((("refund", {"order": "5512", "amount": 20.0}),)),
                Say("You get 20 euros back."),
            )
        ),
    ),
    prompts=PROMPTS,
    tools={
        "lookup_order": LabTool(
            name="lookup_order", returns={"id": "5512", "status": "delivered", "total": 49.9, "address": "12 Elm Street"}
        ),
        "search_kb": LabTool(name="search_kb", returns={"articles": ["Returns are free."]}),
        "refund": LabTool(name="refund", effect="write", identity=("order",), key="idempotency_key"),
    },
    deadline=120.0,
)


def conversation(talk: Talk) -> None:
    agent = build()
    for prompt in PROMPTS:
        talk.turn(prompt)
        talk.reply(talk.settle(agent(prompt)))


def judge(played: Played, schedule: Schedule, *, recovers: bool) -> str:
    """What is wrong with a run; empty if nothing is."""
    if played.ending != "returned" or played.problems:
        return f"{played.ending} {played.error!r} {played.problems}"
    first, second = played.replies
    committed = bool(played.ledger.of("refund"))
    problems = {
        "duplicate": bool(played.ledger.duplicates()),
        "late": played.seconds > 100,
        "not recovered": recovers and ("You get 20 euros back." not in second.text or not committed),
        "claims": not committed and "20 euros back" in second.text,
        "denies": committed and "Nothing was changed" in second.text,
        "unnamed": committed and "refund" not in second.effects and second.status != "complete",
        "dishonest": any(r.status != "complete" and not re.search("could not|couldn't|unavailable", r.text) for r in (first, second)),
    }
    return ", ".join(name for name, wrong in problems.items() if wrong)


def test_under_every_fault_at_every_point_it_recovers_where_it_can_and_is_honest_where_it_cannot() -> None:
    clean = play(conversation, SETUP)
    assert judge(clean, FAULT_FREE, recovers=True) == ""
    faults = [fault for fault in select(["*"]) if "llm" in fault.row.kinds or "tool" in fault.row.kinds]
    wrong: dict[str, str] = {}
    for schedule in singles(clean.points, faults):
        (injection,) = schedule.injections
        best = injection.fault.row.best[injection.shape]
        recovers = best == "recoverable" or (best == "needs_fallback" and "llm" in injection.fault.row.kinds)
        problem = judge(play(conversation, SETUP, schedule, clean=clean.clean), schedule, recovers=recovers)
        if problem:
            wrong[schedule.name] = problem
    assert wrong == {}


def test_under_every_mode_it_is_honest() -> None:
    clean = play(conversation, SETUP)
    wrong: dict[str, str] = {}
    for mode in modes_for(clean.points):
        schedule = Schedule(mode.name, mode.injections, mode=mode.name)
        problem = judge(play(conversation, SETUP, schedule, clean=clean.clean), schedule, recovers=mode.best == "recoverable")
        if problem:
            wrong[mode.name] = problem
    assert wrong == {}
