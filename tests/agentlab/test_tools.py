"""Tools: timeouts, retries, effects at most once, and honesty about what is not known."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
import threading
import time
from typing import Any

import pytest

from agentlab import Bounds, Model, Reply, Tool, ToolRefusedError, tool
from agentlab.agent import Agent
from agentlab.breaker import BreakerPolicy

from .conftest import Wire, call, say

MODEL = Model(name="gpt-4o-mini", timeout=8.0)
DONE = "Done."


@tool
async def book(room: str) -> dict[str, Any]:
    """Book a room."""
    return {"room": room}


def agent(*tools: Tool, **options: Any) -> Agent:
    options.setdefault("bounds", Bounds(seconds=45.0))
    return Agent("test", instructions="Help.", models=[MODEL], tools=tools, **options)


def ask(wire: Wire, asked: Agent, text: str = "Go.") -> Reply:
    async def turn() -> Reply:
        return await asked(text)

    reply: Reply = wire.run(turn())
    return reply


def told(wire: Wire, n: int = -1) -> list[str]:
    return [message["content"] for message in wire.messages(n) if message["role"] == "tool"]


@tool(effect="write")
async def leave(idempotency_key: str) -> str:
    """Leave."""
    raise SystemExit(3)


@tool(effect="write")
def leave_in_a_thread(idempotency_key: str) -> str:
    """Leave."""
    raise SystemExit(3)


@pytest.mark.parametrize("leaving", [leave, leave_in_a_thread], ids=str)
def test_a_tool_that_wants_to_end_the_process_has_failed(wire: Wire, leaving: Tool) -> None:
    wire.primary(call((leaving.name, {})), say("I could not."))
    reply = ask(wire, agent(leaving))
    assert (reply.status, reply.missing, reply.unconfirmed) == ("degraded", (leaving.name,), (leaving.name,))
    assert "failed (tried 3 times)" in told(wire)[0]


def test_what_json_lacks_is_shown_in_words(wire: Wire) -> None:
    @tool
    async def tags() -> Any:
        """Tags."""
        return {"all": {"b", "a"}, "raw": b"caf\xc3\xa9", "none": frozenset()}

    wire.primary(call(("tags", {})), say(DONE))
    ask(wire, agent(tags))
    assert told(wire) == ['{"all": ["a", "b"], "raw": "café", "none": []}']


class Broken:
    """A tool body that fails in each given way in turn, then works. What it raises after committing is marked by `after`."""

    def __init__(self, *errors: Exception, after: bool = False, forever: bool = False) -> None:
        self.errors = list(errors)
        self.after = after
        self.forever = forever
        self.keys: list[str] = []
        self.commits: set[str] = set()

    async def __call__(self, key: str = "") -> dict[str, bool]:
        self.keys.append(key)
        error = self.errors[0] if self.forever else self.errors.pop(0) if self.errors else None
        if error is None or self.after:
            self.commits.add(key)
        if error is not None:
            raise error
        return {"ok": True}

    def reader(self) -> Tool:
        async def look(item: str) -> dict[str, bool]:
            """Look."""
            return await self()

        return Tool(look)

    def writer(self, **options: Any) -> Tool:
        async def pay(amount: float, idempotency_key: str) -> dict[str, bool]:
            """Pay."""
            return await self(idempotency_key)

        return Tool(pay, effect="write", **options)


LOOK = call(("look", {"item": "x"}), ids=("call_l",))
PAY = call(("pay", {"amount": 5}), ids=("call_p",))


def test_a_method_is_a_tool_of_its_object(wire: Wire) -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 0

        @tool(effect="write")
        async def add(self, n: int) -> int:
            """Add."""
            self.count += n
            return self.count

    one, other = Counter(), Counter()
    wire.primary(call(("add", {"n": 2}), ids=("call_a",)), say(DONE))
    ask(wire, agent(one.add))
    assert (one.count, other.count) == (2, 0)
    assert list(one.add.schema["function"]["parameters"]["properties"]) == ["n"]


def test_a_sync_tool_runs_beside_the_loop(wire: Wire) -> None:
    main = threading.get_ident()
    seen = []

    @tool
    def slow(seconds: float) -> str:
        """Sleep."""
        time.sleep(seconds)
        seen.append(main)
        return "awake"

    wire.primary(call(("slow", {"seconds": 2.0}), ("slow", {"seconds": 3.0}), ids=("a", "b")), say(DONE))
    ask(wire, agent(slow))
    assert len(seen) == 2
    assert wire.now == pytest.approx(5.0)


def test_a_sync_tool_that_hangs_is_left_behind(wire: Wire) -> None:
    @tool(timeout=2.0)
    def hang(item: str) -> str:
        """Hang."""
        time.sleep(1000)
        return item

    wire.primary(call(("hang", {"item": "x"}), ids=("a",)), say("I could not do it."))
    reply = ask(wire, agent(hang))
    assert reply.status == "degraded"
    assert "hang" in reply.text
    assert wire.now < 12


def test_a_tool_that_our_own_deadline_cut_is_not_counted_as_broken(wire: Wire) -> None:
    @tool(timeout=1000.0)
    async def slow(item: str) -> str:
        """Sleep."""
        await asyncio.sleep(500)
        return item

    calls = [call(("slow", {"item": str(n)}), ids=(f"c{n}",)) for n in range(4)]
    wire.primary(*calls, say("I couldn't."))
    helper = agent(slow, tool_breaker=BreakerPolicy(failures=1))
    reply = ask(wire, helper)
    assert reply.status == "degraded"
    assert wire.now <= 45
    ask(wire, helper)
    assert "tools" in wire.requests[-1][1]


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), TimeoutError(), ConnectionResetError(), KeyError("x")], ids=lambda e: type(e).__name__
)
def test_a_read_that_fails_twice_is_tried_again(wire: Wire, error: Exception) -> None:
    body = Broken(error, error)
    wire.primary(LOOK, say(DONE))
    reply = ask(wire, agent(body.reader()))
    assert (reply.text, reply.status, len(body.keys)) == (DONE, "complete", 3)
    assert told(wire) == ['{"ok": true}']


def test_a_read_runs_on_arguments_that_can_be_read_in_one_way(wire: Wire) -> None:
    wire.primary(call(("look", "{'item': 'x',}"), ids=("a",)), say(DONE))
    assert ask(wire, agent(Broken().reader())).text == DONE
    assert len(wire.requests) == 2


def test_a_tool_that_keeps_failing_is_withdrawn_and_the_model_asked_again(wire: Wire) -> None:
    body = Broken(RuntimeError("secret sk-123"), forever=True)
    wire.primary(LOOK, call(("look", {"item": "x"}), ids=("call_2",)), say("I couldn't look it up."))
    reply = ask(wire, agent(body.reader(), book))
    assert (reply.status, reply.answered_by, len(body.keys)) == ("degraded", "reduced", 4)
    assert "I could not use look" in reply.text
    offered = [tool["function"]["name"] for tool in wire.requests[-1][1]["tools"]]
    assert offered == ["book"]
    assert "look" in wire.messages()[0]["content"]
    assert "secret" not in json.dumps([body for _, body, _ in wire.requests]) + reply.text


def test_a_broken_tool_is_not_offered_in_the_next_turn_and_probed_after_its_reset(wire: Wire) -> None:
    body = Broken(*[RuntimeError()] * 4)
    wire.primary(
        LOOK,
        call(("look", {"item": "x"}), ids=("b",)),
        say("I couldn't."),
        say("Still not."),
        call(("look", {"item": "x"}), ids=("c",)),
        say(DONE),
    )
    helper = agent(body.reader(), book, tool_breaker=BreakerPolicy(failures=4, reset=30))
    ask(wire, helper)
    second = ask(wire, helper)
    assert (second.answered_by, second.status) == ("reduced", "degraded")
    assert "I could not use look" in second.text

    async def later() -> None:
        await asyncio.sleep(31)

    wire.run(later())
    third = ask(wire, helper)
    assert (third.text, third.status) == (DONE, "complete")


def test_a_call_of_a_withdrawn_tool_is_told_what_there_is(wire: Wire) -> None:
    body = Broken(RuntimeError(), forever=True)
    more = [call(("look", {"item": "x"}), ids=(f"c{n}",)) for n in range(3)]
    wire.primary(LOOK, *more, say("I couldn't."))
    reply = ask(wire, agent(body.reader(), book))
    assert reply.status == "degraded"
    assert "Tools: book" in told(wire)[-1]


@pytest.mark.parametrize("empty", [None, "", [], {}, set(), b""])
def test_an_empty_result_is_said(wire: Wire, empty: Any) -> None:
    async def look(item: str) -> Any:
        """Look."""
        return empty

    wire.primary(LOOK, say(DONE))
    ask(wire, agent(Tool(look)))
    assert told(wire) == ["(look found nothing for these arguments)"]


def test_a_huge_result_is_cut_with_a_note(wire: Wire) -> None:
    async def look(item: str) -> str:
        """Look."""
        return "x" * 3_000_000

    wire.primary(LOOK, say(DONE))
    assert ask(wire, agent(Tool(look))).text == DONE
    assert len(told(wire)[0]) < 20_100
    assert told(wire)[0].endswith("[cut: 2980000 more characters]")


def test_a_wrong_result_of_a_read_is_asked_for_again(wire: Wire) -> None:
    results: list[Any] = ["<html>", {"stock": 3}]

    async def look(item: str) -> dict[str, int]:
        """Look."""
        return results.pop(0)  # type: ignore[no-any-return]  # the wrong type is the point

    wire.primary(LOOK, say(DONE))
    assert ask(wire, agent(Tool(look))).status == "complete"
    assert told(wire) == ['{"stock": 3}']


@dataclasses.dataclass
class Stock:
    """How many there are."""

    count: int


def test_a_dataclass_is_shown_as_json(wire: Wire) -> None:
    async def look(item: str) -> Stock:
        """Look."""
        return Stock(3)

    wire.primary(LOOK, say(DONE))
    ask(wire, agent(Tool(look)))
    assert told(wire) == ['{"count": 3}']


def test_every_call_passes_the_one_seam(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, dict[str, Any], str | None]] = []

    async def seam(self: Tool, arguments: dict[str, Any], call_id: str | None = None) -> Any:
        seen.append((self.name, arguments, call_id))
        return {"ok": True}

    body = Broken(RuntimeError("the body must not run"), forever=True)
    helper = agent(body.reader(), body.writer())
    monkeypatch.setattr(Tool, "call", seam)
    wire.primary(call(("look", {"item": "x"}), ("pay", {"amount": 5}), ids=("a", "b")), say(DONE))
    assert ask(wire, helper).text == DONE
    assert [(name, call_id) for name, _, call_id in seen] == [("look", "a"), ("pay", "b")]
    assert seen[0][1] == {"item": "x"}
    assert sorted(seen[1][1]) == ["amount", "idempotency_key"]


def test_parallel_reads_run_side_by_side_and_writes_in_order(wire: Wire) -> None:
    order: list[str] = []

    def made(name: str, **options: Any) -> Tool:
        async def body(n: int) -> int:
            """Wait."""
            order.append(f"+{name}{n}")
            await asyncio.sleep(1)
            order.append(f"-{name}{n}")
            return n

        return Tool(body, name=name, **options)

    reads = call(("r", {"n": 1}), ("r", {"n": 2}), ids=("a", "b"))
    writes = call(("w", {"n": 1}), ("w", {"n": 2}), ids=("c", "d"))
    wire.primary(reads, writes, say(DONE))
    ask(wire, agent(made("r"), made("w", effect="write")))
    assert order == ["+r1", "+r2", "-r1", "-r2", "+w1", "-w1", "+w2", "-w2"]


def test_a_call_that_failed_is_told_though_another_of_the_same_tool_succeeded(wire: Wire) -> None:
    @tool
    async def look(item: str) -> str:
        """Look."""
        if item == "A":
            raise PermissionError("Invalid API key")
        await asyncio.sleep(1)
        return "on its way"

    wire.primary(call(("look", {"item": "A"}), ("look", {"item": "B"}), ids=("a", "b")), say("A and B are on their way."))
    reply = ask(wire, agent(look))
    assert (reply.status, reply.answered_by) == ("degraded", "reduced")
    assert "I could not use look (" in reply.text
    assert "look is unavailable" in str(reply.error)


def test_a_call_that_succeeds_in_the_end_is_no_failure(wire: Wire) -> None:
    body = Broken(*[RuntimeError("x")] * 3)
    wire.primary(LOOK, call(("look", {"item": "x"}), ids=("again",)), say(DONE))
    assert ask(wire, agent(body.reader())).status == "complete"


def test_what_hides_its_being_async_is_awaited(wire: Wire) -> None:
    ran = []

    async def body(item: str) -> str:
        ran.append(item)
        return "paid"

    @functools.wraps(body)
    def wrapped(item: str) -> Any:
        return body(item)

    class Payer:
        """Pay."""

        async def __call__(self, item: str) -> str:
            return await body(item)

    tools = [Tool(wrapped, name="one", effect="write"), Tool(Payer(), name="two", effect="write")]
    wire.primary(call(("one", {"item": "a"}), ("two", {"item": "b"}), ids=("a", "b")), say(DONE))
    reply = ask(wire, agent(*tools))
    assert (ran, told(wire), reply.status) == (["a", "b"], ["paid", "paid"], "complete")


class Unspeakable:
    """Its own text fails."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def circle() -> list[Any]:
    """A list in itself."""
    found: list[Any] = []
    found.append(found)
    return found


def deep() -> list[Any]:
    """A list that JSON cannot walk."""
    found: list[Any] = []
    for _ in range(5_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    "result", [{(1, 2): 3}, circle(), deep(), Unspeakable(), {"a": b"\xff"}], ids=["key", "circle", "deep", "str", "bytes"]
)
def test_a_result_that_json_cannot_hold_does_not_end_the_turn(wire: Wire, result: Any) -> None:
    @tool(effect="write")
    async def pay(amount: float) -> Any:
        """Pay."""
        return result

    wire.primary(PAY, say(DONE))
    reply = ask(wire, agent(pay))
    assert (reply.text, reply.status, reply.effects) == (DONE, "complete", ("pay",))


def test_a_probe_under_way_does_not_withdraw_the_tool(wire: Wire) -> None:
    body = Broken(*[RuntimeError("x")] * 4)
    policy = BreakerPolicy(failures=4, reset=1.0)

    async def slow(item: str) -> dict[str, bool]:
        """Look."""
        await asyncio.sleep(0.5)
        return await body()

    down = call(("look", {"item": "a"}), ("look", {"item": "b"}), ids=("a", "b"))
    both = call(("look", {"item": "c"}), ("look", {"item": "d"}), ids=("c", "d"))
    wire.primary(down, say("Down."), both, call(("look", {"item": "d"}), ids=("e",)), say(DONE))
    helper = agent(Tool(slow, name="look"), tool_breaker=policy)
    assert ask(wire, helper).status == "degraded"

    async def later() -> None:
        await asyncio.sleep(2)

    wire.run(later())
    reply = ask(wire, helper)
    assert (reply.text, reply.status, reply.answered_by) == (DONE, "complete", "full")


@pytest.mark.parametrize("kind", ["refusal", "arguments"])
def test_what_is_wrong_with_a_call_is_told_in_no_more_than_2000_characters(wire: Wire, kind: str) -> None:
    body = Broken(ToolRefusedError("x" * 100_000), forever=True)
    arguments = {"item": "1"} if kind == "refusal" else {"item": "1", "k" * 100_000: 1}
    wire.primary(call(("look", arguments), ids=("a",)), say(DONE))
    ask(wire, agent(body.reader()))
    assert 2_000 < len(told(wire)[0]) < 2_200
