"""A named conversation whose store is away when it is taken up: nothing is written blindly, and nothing that was said is lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from agentlab_faults import intercept
from agentlab_faults.sim import Simulation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentlab import Intent, Model, Reply, Tool, tool
from agentlab.agent import Agent
from agentlab.history import History, StoredCall
from agentlab.stores import InMemoryStore, Stored

from .conftest import Exchange, Wire, call, error, say

MODEL = Model(name="gpt-4o-mini", timeout=8.0)
PAY = call(("pay", {"amount": 5}), ids=("call_p",))
WITHHELD = "I cannot pay just now."


class Flaky(InMemoryStore):
    """A store that can be away."""

    away = False

    async def load(self, key: str) -> Stored | None:
        self._look()
        return await super().load(key)

    async def save(self, key: str, value: str, *, expected: int) -> int:
        self._look()
        return await super().save(key, value, expected=expected)

    def _look(self) -> None:
        if self.away:
            raise ConnectionError


@dataclass
class Bank:
    """Honours keys: the same key again pays nothing, and gets the first answer."""

    keys: list[str] = field(default_factory=list)

    def pay(self) -> Tool:
        async def pay(amount: float, idempotency_key: str) -> str:
            """Pay."""
            if idempotency_key not in self.keys:
                self.keys.append(idempotency_key)
            return f"payment {self.keys.index(idempotency_key)}"

        return Tool(pay, effect="write")


@tool
async def rate() -> str:
    """The rate of today."""
    return "3 %"


def agent(store: Flaky, bank: Bank, **options: Any) -> Agent:
    tools = [bank.pay(), rate]
    return Agent("payer", instructions="Help.", models=[MODEL], tools=tools, checkpoints=store, conversation="c1", **options)


def ask(wire: Wire, asked: Agent, *texts: str) -> list[Reply]:
    async def turns() -> list[Reply]:
        return [await asked(text) for text in texts]

    replies: list[Reply] = wire.run(turns())
    return replies


def paid(wire: Wire, *, away: bool = True) -> tuple[Flaky, Bank]:
    """A conversation in which 5 were paid, and its store, which has gone away since."""
    store, bank = Flaky(), Bank()
    wire.primary(PAY, say("Paid 5."))
    ask(wire, agent(store, bank), "Pay 5")
    store.away = away
    return store, bank


def test_a_write_is_withheld_and_the_reply_says_so(wire: Wire) -> None:
    store, bank = paid(wire)
    wire.primary(PAY, say(WITHHELD))
    [reply] = ask(wire, agent(store, bank), "Pay 5 once more")
    assert (reply.status, reply.without, reply.missing, len(bank.keys)) == ("degraded", ("checkpoints",), ("pay",), 1)
    assert reply.text.startswith(WITHHELD)
    assert "cannot be read just now" in wire.messages()[-1]["content"]
    assert "cannot be read just now" in wire.messages()[0]["content"]


def test_reads_go_on(wire: Wire) -> None:
    store, bank = paid(wire)
    wire.primary(call(("rate", {}), ids=("call_r",)), say("It is 3 %."))
    [reply] = ask(wire, agent(store, bank), "What is the rate?")
    assert (reply.text, reply.status, reply.without) == ("It is 3 %.", "complete", ("checkpoints",))


def test_nobody_claims_that_nothing_was_ever_changed(wire: Wire) -> None:
    store, bank = paid(wire)
    wire.primary(error(400))
    [reply] = ask(wire, agent(store, bank, intents=[Intent("pay", ("pay",), "I could not pay.")]), "Pay 5 once more")
    assert (reply.text, reply.answered_by) == ("I could not pay.", "static")


def test_what_was_said_meanwhile_joins_what_the_store_holds(wire: Wire) -> None:
    store, bank = paid(wire)
    other = agent(store, bank)
    wire.primary(call(("rate", {}), ids=("call_p",)), say("It is 3 %."), say("Yes."))
    ask(wire, other, "What is the rate?")
    store.away = False
    [reply] = wire.run(later(other, "Sure?"))
    assert (reply.status, reply.without) == ("complete", ())
    said = [message["content"] for message in wire.messages() if message["role"] != "system" and message["content"]]
    assert said == ["Pay 5", "payment 0", "Paid 5.", "What is the rate?", "3 %", "It is 3 %.", "Sure?"]
    ids = [message["tool_call_id"] for message in wire.messages() if message["role"] == "tool"]
    assert len(set(ids)) == 2
    wire.primary(say("Good."))
    ask(wire, agent(store, bank), "And now?")
    assert "It is 3 %." in [message["content"] for message in wire.messages()]


async def later(asked: Agent, *texts: str) -> list[Reply]:
    """Turns after the time for which a store that was away is left alone."""
    await asyncio.sleep(11)
    return [await asked(text) for text in texts]


def test_a_withheld_write_is_made_when_the_turn_is_resumed_and_the_past_is_known(wire: Wire) -> None:
    store, bank = paid(wire)
    other = agent(store, bank)
    wire.primary(PAY, say(WITHHELD))
    [cut] = ask(wire, other, "Pay 5 once more")
    [still] = wire.run(resumed(other, cut))
    assert (still.status, still.missing, len(bank.keys)) == ("degraded", ("pay",), 1)
    store.away = False
    wire.primary(PAY, say("Paid 5 once more."))
    [reply] = wire.run(resumed(other, still))
    assert (reply.text, reply.status, len(bank.keys)) == ("Paid 5 once more.", "complete", 2)


async def resumed(asked: Agent, cut: Reply) -> list[Reply]:
    await asyncio.sleep(11)
    return [await asked.resume(cut.resume or "")]


def test_a_conversation_that_cannot_be_read_is_not_overwritten(wire: Wire) -> None:
    store, bank = paid(wire)
    wire.primary(say("Two."))
    ask(wire, agent(store, bank), "B")
    store.away = False
    wire.primary(say("Three."))
    ask(wire, agent(store, bank), "C")
    assert [message["content"] for message in wire.messages() if message["role"] == "user"] == ["Pay 5", "C"]


class FellAway(Flaky):
    """A store that says no to a stale version, says once by whom it was overtaken, and is away from then on."""

    overtaken = False
    loads = 0

    async def load(self, key: str) -> Stored | None:
        self.loads += self.overtaken
        self.away = self.overtaken and self.loads > 1
        return await super().load(key)


def test_a_worker_that_fell_behind_and_cannot_read_how_far_writes_nothing(wire: Wire) -> None:
    store, bank = FellAway(), Bank()
    behind = agent(store, bank)
    wire.primary(say("Hello."))
    ask(wire, behind, "Hi")
    wire.primary(PAY, say("Paid 5."))
    ask(wire, agent(store, bank), "Pay 5")
    store.overtaken = True
    wire.primary(PAY, say(WITHHELD))
    [reply] = ask(wire, behind, "Pay 5 once more")
    assert (reply.status, reply.missing, reply.without, len(bank.keys)) == ("degraded", ("pay",), ("checkpoints",), 1)
    assert [message["content"] for message in wire.messages() if message["role"] == "user"] == ["Hi", "Pay 5 once more"]
    store.overtaken = False
    wire.primary(say("Yes."))
    wire.run(later(behind, "Did you?"))
    users = [message["content"] for message in wire.messages() if message["role"] == "user"]
    assert users == ["Hi", "Pay 5", "Pay 5 once more", "Did you?"]


TURNS = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=8)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(turns=TURNS)
def test_whatever_comes_and_goes_a_payment_is_made_once_exactly_when_the_reply_does_not_say_that_it_was_not(
    turns: list[tuple[bool, bool, bool]],
) -> None:
    """Each turn: whether the store is away, whether the same payment is wanted again, and whether another worker takes it up.

    A worker ends only when all that it did is kept.
    """
    store, bank = Flaky(), Bank()
    intercept.install()
    simulation = Simulation(seed=0, cap=100_000.0)
    with intercept.armed(wire := Wire(simulation)), simulation:
        worker, may_end = agent(store, bank), True
        for away, wanted, other in turns:
            simulation.settle(pause())
            store.away = away
            if other and may_end:
                worker = agent(store, bank)
            before = len(bank.keys)
            wire.primary(*asking(2 if wanted and before else 1), say("Well."))
            [reply] = simulation.settle(turn(worker))
            made = len(bank.keys) - before
            assert made == ((wanted or not before) and "pay" not in reply.missing)
            assert (reply.status == "degraded") == ("pay" in reply.missing)
            may_end = not reply.without or (may_end and not made)


def asking(times: int) -> list[Exchange]:
    return [PAY] * times


async def pause() -> None:
    await asyncio.sleep(11)


async def turn(worker: Agent) -> list[Reply]:
    return [await worker("Pay 5")]


def test_histories_join_with_ids_of_their_own() -> None:
    one, other = History(), History()
    for history in (one, other):
        history.add_user("a")
        [stored] = history.add_assistant("", [StoredCall("", "look", "{}")])
        history.add_result(stored.id, "seen", failed=True)
    one.extend(other.kept.messages)
    ids = [message["tool_call_id"] for message in one.request("") if message["role"] == "tool"]
    assert len(set(ids)) == 2
    assert [message.get("failed") for message in one.kept.messages if message["role"] == "tool"] == [True, True]
    kept = one.kept
    History().restore(kept)
