"""Checkpoints: whatever ends a turn, it goes on in another process, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fakeredis
import pytest

from agentlab import Bounds, Model, Reply, ResumeRefusedError, Tool, tool
from agentlab.agent import Agent
from agentlab.stores import InMemoryStore, RedisStore, SqliteStore, Store, Stored

from .conftest import Wire, call, error, say, silent

MODEL = Model(name="gpt-4o-mini", timeout=8.0)
PAY = call(("pay", {"amount": 5}), ids=("call_p",))
DONE = "Paid 5."
HOSTILE_ID = "../secrets"


@dataclass
class World:
    """What survives a process: what was paid, by key, and every call that reached the body."""

    paid: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    hang: bool = False
    fail_after: int = 0

    def pay(self) -> Tool:
        async def pay(amount: float, idempotency_key: str) -> dict[str, bool]:
            """Pay."""
            self.calls.append(idempotency_key)
            if idempotency_key not in self.paid:
                self.paid.append(idempotency_key)
            if self.hang:
                await asyncio.sleep(1e6)
            return {"ok": True}

        return Tool(pay, effect="write", timeout=1000.0)

    def email(self) -> Tool:
        async def email(to: str) -> str:
            """Send."""
            self.paid.append(to)
            await asyncio.sleep(1e6 if self.hang else 0)
            return "sent"

        return Tool(email, effect="external", timeout=1000.0)


def agent(store: Store | None, *tools: Tool, conversation: str | None = "c1", **options: Any) -> Agent:
    options.setdefault("bounds", Bounds(seconds=45.0))
    return Agent("payer", instructions="Help.", models=[MODEL], tools=tools, checkpoints=store, conversation=conversation, **options)


def run(wire: Wire, asked: Any) -> Any:
    async def awaited() -> Any:
        return await asked

    return wire.run(awaited())


def ask(wire: Wire, asked: Agent, text: str = "Pay 5") -> Reply:
    reply: Reply = run(wire, asked(text))
    return reply


def resume(wire: Wire, asked: Agent, handle: str | None, **options: Any) -> Reply:
    assert handle is not None
    reply: Reply = run(wire, asked.resume(handle, **options))
    return reply


def crash(wire: Wire, asked: Agent, after: float, text: str = "Pay 5") -> None:
    """Kill a worker so many seconds into a turn."""

    async def killed() -> None:
        task = asyncio.ensure_future(asked(text))
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.wait({task})

    wire.run(killed())


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made: dict[str, Any] = {
        "memory": InMemoryStore,
        "sqlite": lambda: SqliteStore(tmp_path / "checkpoints.db"),
        "redis": lambda: RedisStore(fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer())),
    }
    found: Store = made[request.param]()
    return found


def test_a_turn_that_did_not_complete_goes_on_in_another_process(wire: Wire, store: Store) -> None:
    world = World()
    wire.primary(PAY, error(400), say(DONE))
    cut = ask(wire, agent(store, world.pay()))
    assert (cut.status, cut.effects) == ("degraded", ("pay",))
    other = agent(store, world.pay(), conversation=None)
    reply = resume(wire, other, cut.resume)
    assert (reply.text, reply.status, reply.effects, reply.resume) == (DONE, "complete", ("pay",), None)
    assert [action.tool for step in reply.steps for action in step.actions] == ["pay"]
    assert reply.usage.tokens > cut.usage.tokens
    assert (len(world.calls), other.conversation) == (1, "c1")
    assert [message["role"] for message in wire.messages()] == ["system", "user", "assistant", "tool"]
    with pytest.raises(ResumeRefusedError, match="only once"):
        resume(wire, agent(store, world.pay(), conversation=None), cut.resume)


def test_what_is_said_of_a_run_that_reached_a_bound_denies_nothing_that_it_did(wire: Wire) -> None:
    wire.primary(PAY)
    reply = ask(wire, agent(None, World().pay(), bounds=Bounds(steps=1)))
    sorry = "I'm sorry, I could not finish your request just now. Please try again in a few minutes."
    assert (reply.status, reply.text) == ("max_steps_exceeded", f"{sorry}\n\nThis went through: pay(amount=5.0).")


def test_a_conversation_goes_on_in_another_process(wire: Wire, store: Store) -> None:
    wire.primary(say("Hello."), say("Bye."))
    ask(wire, agent(store), "Hi")
    ask(wire, agent(store), "Ciao")
    assert [message["content"] for message in wire.messages()[1:]] == ["Hi", "Hello.", "Ciao"]


def test_a_worker_that_fell_behind_reads_what_another_has_answered(wire: Wire, store: Store) -> None:
    wire.primary(*[say(f"Answer {n}.") for n in range(3)])
    one, other = agent(store), agent(store)
    for asked, text in ((one, "A"), (other, "B"), (one, "C")):
        ask(wire, asked, text)
    assert [message["content"] for message in wire.messages()[1:]] == ["A", "Answer 0.", "B", "Answer 1.", "C"]


def test_a_crash_in_a_write_that_takes_a_key_runs_it_again_under_the_same_key(wire: Wire, store: Store) -> None:
    world = World(hang=True)
    wire.primary(PAY, say(DONE))
    crash(wire, agent(store, world.pay()), after=5.0)
    world.hang = False
    other = agent(store, world.pay())
    reply = resume(wire, other, run(wire, other.unfinished()))
    assert (reply.text, reply.status, reply.unconfirmed) == (DONE, "complete", ())
    assert (len(world.calls), len(set(world.calls)), len(world.paid)) == (2, 1, 1)
    assert len(wire.asked) == 2
    assert run(wire, other.unfinished()) is None


def test_a_crash_in_a_write_without_a_key_is_told_and_not_run_again(wire: Wire, store: Store) -> None:
    world = World(hang=True)
    wire.primary(call(("email", {"to": "ann"}), ids=("call_e",)), say("I am not sure that the mail was sent."))
    crash(wire, agent(store, world.email()), after=5.0)
    other = agent(store, world.email())
    reply = resume(wire, other, run(wire, other.unfinished()))
    assert (reply.status, reply.unconfirmed, world.paid) == ("degraded", ("email",), ["ann"])
    assert "may have gone through" in wire.messages()[-1]["content"]


def test_a_crash_between_two_calls_runs_only_the_second(wire: Wire, store: Store) -> None:
    world = World()
    ran: list[str] = []

    @tool(effect="write", timeout=1000.0)
    async def note(text: str, idempotency_key: str) -> str:
        """Note."""
        ran.append(text)
        await asyncio.sleep(1e6 if len(ran) == 1 else 0)
        return "noted"

    wire.primary(call(("pay", {"amount": 5}), ("note", {"text": "x"}), ids=("call_a", "call_b")), say(DONE))
    crash(wire, agent(store, world.pay(), note), after=5.0)
    other = agent(store, world.pay(), note)
    reply = resume(wire, other, run(wire, other.unfinished()))
    assert (reply.effects, len(world.calls), ran) == (("pay", "note"), 1, ["x", "x"])
    assert [message.get("tool_call_id") for message in wire.messages()[-2:]] == ["call_a", "call_b"]


def test_a_crash_while_the_model_is_asked_asks_it_again(wire: Wire, store: Store) -> None:
    wire.primary(silent(), say("Hello."))
    crash(wire, agent(store), after=1.0, text="Hi")
    other = agent(store)
    assert resume(wire, other, run(wire, other.unfinished())).text == "Hello."


def test_after_a_crash_the_next_turn_may_begin_without_a_resume(wire: Wire, store: Store) -> None:
    world = World(hang=True)
    wire.primary(PAY, say("What happened to the payment is not known."))
    crash(wire, agent(store, world.pay()), after=5.0)
    assert ask(wire, agent(store, world.pay()), "And?").status == "complete"
    assert [message["role"] for message in wire.messages()] == ["system", "user", "assistant", "tool", "user"]


def test_of_two_workers_with_one_handle_only_one_resumes(wire: Wire, store: Store) -> None:
    world = World()
    wire.primary(PAY, error(400), say(DONE))
    cut = ask(wire, agent(store, world.pay()))

    async def both() -> list[Any]:
        assert cut.resume is not None
        workers = [agent(store, world.pay(), conversation=None) for _ in range(2)]
        return list(await asyncio.gather(*(worker.resume(cut.resume) for worker in workers), return_exceptions=True))

    ended = sorted(wire.run(both()), key=lambda end: type(end).__name__)
    assert [type(end).__name__ for end in ended] == ["Reply", "ResumeRefusedError"]
    assert len(world.calls) == 1


def test_a_worker_that_was_taken_over_starts_no_further_write(wire: Wire, store: Store) -> None:
    world = World()
    wire.primary(PAY, PAY, say(DONE))
    slow, quick = agent(store, world.pay()), agent(store, world.pay())

    async def takes_over() -> tuple[Reply, Reply]:
        running = asyncio.ensure_future(slow("Pay 5"))
        await asyncio.sleep(0.5)  # the model has not answered it yet
        handle = await quick.unfinished()
        assert handle is not None
        second = await quick.resume(handle)
        return await running, second

    first, second = wire.run(takes_over())
    assert (first.status, first.resume, type(first.error).__name__) == ("failed", None, "TakenOverError")
    assert (first.effects, first.unconfirmed) == ((), ())
    assert (second.text, second.status, len(world.calls)) == (DONE, "complete", 1)


class Away(InMemoryStore):
    """A store that is away from its n-th operation on, or loses the confirmation of one."""

    def __init__(self, *, after: int = 0, lost: int = -1) -> None:
        super().__init__()
        self.after = after
        self.lost = lost
        self.count = 0

    async def load(self, key: str) -> Stored | None:
        self._look()
        return await super().load(key)

    async def save(self, key: str, value: str, *, expected: int) -> int:
        self._look()
        version = await super().save(key, value, expected=expected)
        if self.count == self.lost:
            raise ConnectionError
        return version

    def _look(self) -> None:
        self.count += 1
        if self.count > self.after >= 0:
            raise ConnectionError


@pytest.mark.parametrize("after", range(1, 5))
def test_a_store_that_is_away_is_said_and_the_run_goes_on(wire: Wire, after: int) -> None:
    world = World()
    wire.primary(PAY, error(400), say(DONE))
    helper = agent(Away(after=after), world.pay())
    cut = ask(wire, helper)
    assert (cut.without, cut.status, len(world.calls)) == (("checkpoints",), "degraded", 1)
    with pytest.raises(ResumeRefusedError):
        resume(wire, agent(InMemoryStore(), world.pay()), cut.resume)
    assert resume(wire, helper, cut.resume).text == DONE
    assert len(world.calls) == 1


@pytest.mark.parametrize("lost", range(2, 7))
def test_a_save_whose_confirmation_was_lost_is_no_conflict(wire: Wire, lost: int) -> None:
    world = World()
    wire.primary(PAY, say(DONE))
    reply = ask(wire, agent(Away(after=-1, lost=lost), world.pay()))
    assert (reply.text, reply.status, len(world.calls)) == (DONE, "complete", 1)


def kept(store: InMemoryStore) -> tuple[str, dict[str, Any]]:
    ((key, found),) = store._records.items()
    return key, json.loads(found.value)


def bad_checkpoints() -> dict[str, Any]:
    def put(path: str, value: Any) -> Any:
        def change(raw: dict[str, Any]) -> Any:
            *way, last = path.split(".")
            inner: Any = raw
            for name in way:
                inner = inner[int(name)] if name.isdigit() else inner[name]
            inner[int(last) if last.isdigit() else last] = value
            return raw

        return change

    return {
        "not json": lambda _: "{",
        "a list": lambda raw: [raw],
        "deep": lambda _: "[" * 100_000,
        "nothing": lambda _: {},
        "newer": put("version", 2),
        "no history": put("history", None),
        "another agent's": put("agent", "other"),
        "another conversation's": put("conversation", "c2"),
        "a system message": put("history.messages.0.role", "system"),
        "content of no text": put("history.messages.0.content", {"a": 1}),
        "a result without its call": put("history.messages.2.tool_call_id", "call_x"),
        "a mark of no text": put("history.messages.0.mark", [1]),
        "calls of no list": put("history.messages.1.tool_calls", 3),
        "an effect in no known state": put("effects.0.state", "perhaps"),
        "longer than itself": put("progress.stood_at", 99),
        "steps of no list": put("progress.steps", "many"),
        "usage that is no number": put("progress.usage.input_tokens", "a lot"),
    }


@pytest.mark.parametrize("bad", bad_checkpoints().values(), ids=bad_checkpoints().keys())
def test_a_checkpoint_that_cannot_be_is_refused_in_one_sentence(wire: Wire, bad: Any) -> None:
    store, world = InMemoryStore(), World()
    wire.primary(PAY, error(400), say(DONE))
    cut = ask(wire, agent(store, world.pay()))
    key, raw = kept(store)
    spoiled = bad(raw)
    store._records[key] = Stored(spoiled if isinstance(spoiled, str) else json.dumps(spoiled), store._records[key].version)
    for attempt in (lambda: resume(wire, agent(store, world.pay()), cut.resume), lambda: ask(wire, agent(store, world.pay()))):
        with pytest.raises(ResumeRefusedError, match=r"^The checkpoint of conversation c1 cannot be used: .*[.]$"):
            attempt()


@pytest.mark.parametrize(
    "handle", ["", "x", "c1.1", f"{HOSTILE_ID}.1.1", "c1.1.1\n", "c1.1.99999999999999", "c1.2.4", "c2.1.4", "c1.1.here1"]
)
def test_a_handle_that_names_nothing_is_refused(wire: Wire, handle: str) -> None:
    store = InMemoryStore()
    wire.primary(error(400))
    ask(wire, agent(store))
    with pytest.raises(ResumeRefusedError):
        resume(wire, agent(store, conversation=None), handle)


def test_tenants_do_not_meet(wire: Wire) -> None:
    store = InMemoryStore()
    wire.primary(error(400), say("Hello."))
    cut = ask(wire, agent(store, tenant="a"), "My name is Ann.")
    with pytest.raises(ResumeRefusedError):
        resume(wire, agent(store, tenant="b"), cut.resume)
    ask(wire, agent(store, tenant="b"), "Hi")
    assert "Ann" not in json.dumps(wire.messages())


def test_a_conversation_needs_a_safe_id() -> None:
    with pytest.raises(ValueError, match="64 letters"):
        agent(None, conversation=HOSTILE_ID)


def test_no_secret_and_no_pickle_is_in_a_checkpoint(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-ours")
    store = InMemoryStore()
    wire.primary(error(401, message="Incorrect API key provided: sk-secret-of-ours"))
    ask(wire, agent(store))
    _, raw = kept(store)
    assert "sk-secret" not in json.dumps(raw)
    assert raw["version"] == 1
