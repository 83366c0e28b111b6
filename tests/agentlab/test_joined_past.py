"""Two parts of one conversation become one: what the store held while nobody could read it, and what was said meanwhile."""

from __future__ import annotations

import asyncio
import json

import pytest

from agentlab import Model, Reply, ResumeRefusedError, Tool, tool
from agentlab.agent import NOT_MADE, Agent
from agentlab.ending import BUSY, STOPPED
from agentlab.history import History, StoredCall
from agentlab.models import Request
from agentlab.providers.google import Google
from agentlab.stores import Stored

from .conftest import Wire, call, say
from .test_checkpoints import World, crash
from .test_checkpoints import agent as worker
from .test_unread_past import MODEL, PAY, Flaky, agent, ask, later, paid, resumed


def test_calls_that_a_crash_left_open_are_closed_before_what_was_said_meanwhile(wire: Wire) -> None:
    store, world = Flaky(), World(hang=True)
    wire.primary(PAY)
    crash(wire, worker(store, world.pay()), after=5.0)
    store.away = True
    other = worker(store, world.pay())
    wire.primary(say("Hello."), say("Well."))
    ask(wire, other, "Hi")
    store.away = False
    wire.run(later(other, "Did you pay?"))
    assert [message["role"] for message in wire.messages()] == ["system", "user", "assistant", "tool", "user", "assistant", "user"]


def looking(seen: list[str]) -> Tool:
    async def look(item: str) -> str:
        """Look."""
        seen.append(item)
        return f"{item} seen"

    return Tool(look)


@tool(approval=True)
async def open_safe(number: int) -> str:
    """Open a safe and look."""
    return f"safe {number} is empty"


def test_what_was_called_and_approved_meanwhile_keeps_its_results_and_decisions_whatever_its_calls_are_called_then(wire: Wire) -> None:
    store, seen = Flaky(), list[str]()

    def made() -> Agent:
        tools = [looking(seen), open_safe]
        return Agent("g", instructions="", models=[MODEL], tools=tools, checkpoints=store, conversation="c1")

    wire.primary(call(("look", {"item": "x"}), ids=(None,)), say("Seen."))
    ask(wire, made(), "Look at x")
    store.away = True
    other, ids = made(), (None, None, None)
    wire.primary(call(("look", {"item": "a"}), ("look", {"item": "b"}), ("open_safe", {"number": 1}), ids=ids), say("Done."))
    [paused] = ask(wire, other, "Look at a and b and open safe 1")
    assert paused.status == "paused"
    store.away = False
    [reply] = wire.run(approved(other, paused))
    assert (reply.status, seen) == ("complete", ["x", "a", "b"])
    assert [message["content"] for message in wire.messages() if message["role"] == "tool"][1:] == ["a seen", "b seen", "safe 1 is empty"]


async def approved(asked: Agent, cut: Reply) -> list[Reply]:
    await asyncio.sleep(11)
    return [await asked.resume(cut.resume or "", approve=True)]


def test_a_past_that_cannot_be_used_is_not_taken_for_known(wire: Wire) -> None:
    store, bank = paid(wire, away=False)
    asked = agent(store, bank)
    wire.run(spoiled(store))
    with pytest.raises(ResumeRefusedError):
        ask(wire, asked, "Pay 5 once more")
    store.away = True
    wire.primary(PAY, say("I cannot pay just now."))
    [reply] = ask(wire, asked, "Pay 5 once more")
    assert (reply.missing, len(bank.keys)) == (("pay",), 1)


async def spoiled(store: Flaky) -> None:
    [key] = store._records
    found = await store.load(key)
    await store.save(key, "{}", expected=found.version if found else 0)


def test_a_tool_that_reads_does_not_write_by_its_fallback(wire: Wire) -> None:
    store, bank = paid(wire)

    async def ask_bank(amount: float) -> str:
        """Ask whether it was paid."""
        raise ConnectionRefusedError

    other = Agent(
        "payer", instructions="", models=[MODEL], tools=[Tool(ask_bank, fallback=bank.pay())], checkpoints=store, conversation="c1"
    )
    wire.primary(call(("ask_bank", {"amount": 5}), ids=("call_a",)), say("I do not know."))
    [reply] = ask(wire, other, "Was it paid?")
    assert (reply.missing, len(bank.keys)) == (("ask_bank",), 1)


def test_a_write_that_was_withheld_before_other_calls_is_up_to_the_model_when_the_turn_is_resumed(wire: Wire) -> None:
    store, bank = paid(wire)
    other = agent(store, bank)
    wire.primary(PAY, call(("rate", {}), ids=("call_r",)), say("I cannot pay just now."))
    [cut] = ask(wire, other, "Pay 5 once more, and what is the rate?")
    store.away = False
    again, and_again = (call(("pay", {"amount": 5}), ids=(name,)) for name in ("call_s", "call_t"))
    wire.primary(again, and_again, say("Paid 5 once more."))
    [reply] = wire.run(resumed(other, cut))
    told = [message["content"] for message in wire.messages(-3) if message["role"] == "tool"]
    assert (told[1:], reply.status, len(bank.keys)) == ([NOT_MADE, "3 %"], "complete", 2)


def test_a_write_that_was_withheld_beside_a_call_that_waits_for_approval_is_made_with_it(wire: Wire) -> None:
    store, bank = paid(wire)
    other = Agent("payer", instructions="", models=[MODEL], tools=[bank.pay(), open_safe], checkpoints=store, conversation="c1")
    wire.primary(call(("pay", {"amount": 7}), ("open_safe", {"number": 1}), ids=("call_a", "call_b")), say("Done."))
    [paused] = ask(wire, other, "Pay 7 and look into safe 1")
    assert (paused.status, len(bank.keys)) == ("paused", 1)
    store.away = False
    [reply] = wire.run(approved(other, paused))
    assert (reply.status, reply.missing, len(bank.keys)) == ("complete", (), 2)


class Tills:
    """Payments without a key, each of them one more."""

    def __init__(self) -> None:
        self.paid = 0

    def pay(self) -> Tool:
        async def pay(amount: float) -> str:
            """Pay."""
            self.paid += 1
            return "paid"

        return Tool(pay, effect="write")


def test_what_only_this_process_knows_of_effects_outlives_a_takeover(wire: Wire) -> None:
    store, tills = Flaky(), Tills()

    def made() -> Agent:
        return Agent("payer", instructions="", models=[MODEL], tools=[tills.pay()], checkpoints=store, conversation="c1")

    first = made()
    wire.primary(say("Hello."))
    ask(wire, first, "Hi")
    store.away = True
    wire.primary(PAY, say("Paid 5."))
    ask(wire, first, "Pay 5")
    store.away = False
    wire.primary(say("Good day."))
    ask(wire, made(), "Anybody there?")
    wire.primary(PAY, say("It was paid before."))
    [reply] = wire.run(later(first, "Thank you!"))
    assert (tills.paid, reply.effects) == (1, ())
    told = [message["content"] for message in wire.messages() if message["content"]]
    assert told[-1].startswith("In an earlier turn this very call was made")
    assert told[:-1] == ["Hi", "Hello.", "Anybody there?", "Good day.", "Pay 5", "paid", "Paid 5.", "Thank you!"]


def test_what_an_overtaken_worker_had_begun_is_not_said_twice(wire: Wire) -> None:
    store, world = Flaky(), World()
    slow, quick = worker(store, world.pay()), worker(store, world.pay())
    wire.primary(PAY, PAY, say("Paid 5."), say("You're welcome."))

    async def taken_over() -> Reply:
        running = asyncio.ensure_future(slow("Pay 5"))
        await asyncio.sleep(0.5)
        await quick.resume(await quick.unfinished() or "")
        await running
        return await slow("Thank you!")

    assert wire.run(taken_over()).text == "You're welcome."
    assert [message["role"] for message in wire.messages()] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert len(world.calls) == 1


def test_results_stand_in_the_order_of_their_calls_where_those_have_no_ids() -> None:
    history = History()
    history.add_user("Look at both.")
    calls = history.add_assistant("", [StoredCall("", "look", json.dumps({"item": item})) for item in "ab"])
    for call_, found in zip(calls, ("late", "b seen"), strict=True):
        history.add_result(call_.id, found)
    history.reopen([calls[0].id], NOT_MADE)
    history.add_result(calls[0].id, "a seen")
    model = Model(name="gemini-3-flash", api="google")
    contents = Google(model).body(Request(messages=history.request("")), 100)["contents"]
    assert [part["function_response"]["response"]["output"] for part in contents[-1]["parts"]] == ["a seen", "b seen"]


class Far(Flaky):
    """A store that takes a while."""

    async def load(self, key: str) -> Stored | None:
        await asyncio.sleep(0.05)
        return await super().load(key)

    async def save(self, key: str, value: str, *, expected: int) -> int:
        await asyncio.sleep(0.05)
        return await super().save(key, value, expected=expected)


@pytest.mark.parametrize("number", [2, 3, 9])
def test_workers_that_take_one_conversation_up_at_once_all_reply(wire: Wire, number: int) -> None:
    store = Far()
    wire.primary(say("Hello."))

    async def all_at_once(number: int) -> list[Reply]:
        return await asyncio.gather(*(worker(store)("Hi") for _ in range(number)))

    replies = wire.run(all_at_once(number))
    assert {(reply.status, reply.text) for reply in replies} <= {("complete", "Hello."), ("failed", STOPPED), ("failed", BUSY)}
    assert ("complete", "Hello.") in {(reply.status, reply.text) for reply in replies}
