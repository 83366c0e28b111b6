"""Human approval: nothing that needs a yes runs without one, and a turn that waits for it goes on in any process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from agentlab import Bounds, Model, Reply, Tool, tool
from agentlab.agent import Agent
from agentlab.approval import ApprovalHook, ApprovalRequest, Decision
from agentlab.stores import InMemoryStore, Store

from .conftest import Wire, call, say

MODEL = Model(name="gpt-4o-mini", timeout=8.0)
PAY = call(("pay", {"amount": 50}), ids=("call_p",))
DONE = "Done."


def payer(paid: list[float], **options: Any) -> Tool:
    async def pay(amount: float, idempotency_key: str) -> dict[str, bool]:
        """Pay."""
        paid.append(amount)
        return {"ok": True}

    return Tool(pay, effect="write", **{"approval": True, **options})


@tool
async def look(item: str) -> str:
    """Look."""
    return f"{item}: 3"


def agent(*tools: Tool, store: Store | None = None, **options: Any) -> Agent:
    options.setdefault("bounds", Bounds(seconds=45.0))
    return Agent("payer", instructions="Help.", models=[MODEL], tools=tools, checkpoints=store, **options)


def run(wire: Wire, asked: Any) -> Reply:
    async def awaited() -> Reply:
        found: Reply = await asked
        return found

    reply: Reply = wire.run(awaited())
    return reply


def told(wire: Wire) -> list[str]:
    return [message["content"] for message in wire.messages() if message["role"] == "tool"]


def test_without_an_answer_at_hand_the_turn_pauses_and_goes_on_with_a_yes_in_another_process(wire: Wire) -> None:
    paid: list[float] = []
    store = InMemoryStore()
    wire.primary(PAY, say(DONE))
    paused = run(wire, agent(payer(paid), store=store)("Pay 50"))
    assert (paused.status, paused.effects, paid) == ("paused", (), [])
    assert paused.waiting == ApprovalRequest("call_p", "pay", {"amount": 50.0})
    assert "approval: pay(amount=50.0)" in paused.text
    assert paused.resume is not None
    reply = run(wire, agent(payer(paid), store=store).resume(paused.resume, approve=True))
    assert (reply.text, reply.status, reply.effects, reply.waiting, paid) == (DONE, "complete", ("pay",), None, [50.0])
    assert len(wire.asked) == 2


def test_a_no_is_told_to_the_model_with_its_reason_and_holds_for_the_turn(wire: Wire) -> None:
    paid: list[float] = []
    wire.primary(PAY, call(("pay", {"amount": 50}), ids=("call_q",)), say("It was not approved."))
    helper = agent(payer(paid))
    paused = run(wire, helper("Pay 50"))
    assert paused.resume is not None
    refused = run(wire, helper.resume(paused.resume, approve=False, reason="Too much."))
    assert (refused.status, refused.waiting) == ("complete", None)
    assert (paid, len(told(wire))) == ([], 2)
    assert all("A person refused this call and said: Too much." in text for text in told(wire)[:1])


def test_resumed_without_a_decision_it_pauses_again(wire: Wire) -> None:
    wire.primary(PAY, say(DONE))
    helper = agent(payer([]))
    first = run(wire, helper("Pay 50"))
    assert first.resume is not None
    again = run(wire, helper.resume(first.resume))
    assert (again.status, again.resume != first.resume) == ("paused", True)


def hooks() -> dict[str, tuple[ApprovalHook, str, bool]]:
    async def later(_request: ApprovalRequest) -> bool:
        await asyncio.sleep(3)
        return True

    def blocking(_request: ApprovalRequest) -> Decision:
        time.sleep(3)
        return Decision(approved=True)

    def broken(_request: ApprovalRequest) -> bool:
        raise RuntimeError("no connection")

    return {
        "yes": (lambda _: True, "complete", True),
        "no": (lambda _: False, "complete", False),
        "nobody": (lambda _: None, "paused", False),
        "async": (later, "complete", True),
        "blocking": (blocking, "complete", True),
        "broken": (broken, "paused", False),
    }


@pytest.mark.parametrize(("hook", "status", "ran"), hooks().values(), ids=hooks().keys())
def test_a_hook_is_asked(wire: Wire, hook: ApprovalHook, status: str, ran: bool) -> None:
    paid: list[float] = []
    wire.primary(PAY, say(DONE))
    reply = run(wire, agent(payer(paid), approve=hook)("Pay 50"))
    assert (reply.status, bool(paid)) == (status, ran)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_hook_that_hangs_ends_at_the_deadline(wire: Wire, blocking: bool) -> None:
    async def hang(_request: ApprovalRequest) -> bool:
        await asyncio.sleep(1e6)
        return True

    def block(_request: ApprovalRequest) -> bool:
        time.sleep(1e6)
        return True

    paid: list[float] = []
    wire.primary(PAY, say(DONE))
    reply = run(wire, agent(payer(paid), approve=block if blocking else hang, degrade=False)("Pay 50"))
    assert (reply.status, paid) == ("timeout", [])
    assert reply.resume is not None
    assert wire.now <= 45.05


def broken_policy(_arguments: dict[str, Any]) -> bool:
    raise KeyError("amount")


@pytest.mark.parametrize(
    ("policy", "status"),
    [(lambda given: given["amount"] > 20, "paused"), (lambda given: given["amount"] > 90, "complete"), (broken_policy, "paused")],
)
def test_a_policy_decides_by_the_arguments(wire: Wire, policy: Any, status: str) -> None:
    wire.primary(PAY, say(DONE))
    assert run(wire, agent(payer([], approval=policy))("Pay 50")).status == status


def test_calls_before_the_one_that_waits_are_run_once(wire: Wire) -> None:
    paid: list[float] = []
    seen: list[str] = []

    @tool
    async def count(item: str) -> str:
        """Count."""
        seen.append(item)
        return "3"

    both = call(("count", {"item": "a"}), ("pay", {"amount": 50}), ("count", {"item": "b"}), ids=("a", "b", "c"))
    wire.primary(both, say(DONE))
    helper = agent(payer(paid), count)
    paused = run(wire, helper("Pay 50"))
    assert (paused.status, seen) == ("paused", ["a"])
    assert paused.resume is not None
    assert run(wire, helper.resume(paused.resume, approve=True)).status == "complete"
    assert (paid, seen) == ([50.0], ["a", "b"])
    assert [message["tool_call_id"] for message in wire.messages() if message["role"] == "tool"] == ["a", "b", "c"]


def test_after_a_pause_the_conversation_may_go_on_without_a_decision(wire: Wire) -> None:
    paid: list[float] = []
    wire.primary(PAY, say("Then I leave it."))
    helper = agent(payer(paid))
    run(wire, helper("Pay 50"))
    assert run(wire, helper("Never mind.")).text == "Then I leave it."
    assert paid == []
    assert "was not run" in told(wire)[0]


@pytest.mark.parametrize("answer", ["yes", "no", 1, {}, Decision("no")])  # type: ignore[arg-type]  # what a hook's author may do
def test_a_hook_that_answers_with_what_is_no_decision_has_not_said_yes(wire: Wire, answer: Any) -> None:
    paid: list[float] = []
    store = InMemoryStore()
    wire.primary(PAY, say(DONE))
    paused = run(wire, agent(payer(paid), store=store, approve=lambda _: answer)("Pay 50"))
    assert (paused.status, paid) == ("paused", [])
    assert "An approval hook answers with" in str(paused.error and paused.error.__cause__)
    assert run(wire, agent(payer(paid), store=store).resume(paused.resume or "", approve=True)).status == "complete"
