"""One deadline through everything: whatever hangs, the answer comes by then, says so, and the turn can be resumed."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from agentlab_faults.exchange import Exchange, Pause
from mcp.server.mcpserver import MCPServer

from agentlab import Bounds, Intent, McpServer, Model, Reply, Tool, tool
from agentlab.agent import Agent
from agentlab.stores import InMemoryStore, SqliteStore, Stored

from .conftest import Wire, call, error, raw, say, silent

SECONDS = 10.0
LATE = 0.05
FOR_EVER = 1e6
HANG = call(("hang", {}), ids=("call_h",))


@tool(timeout=1000.0)
async def hang() -> str:
    """Hang."""
    await asyncio.sleep(FOR_EVER)
    return "never"


@tool(name="hang", timeout=1000.0)
def block() -> str:
    """Block a thread."""
    time.sleep(FOR_EVER)
    return "never"


@tool(name="hang", timeout=1000.0)
async def deaf() -> str:
    """Take no notice of being cancelled."""
    while True:
        try:
            await asyncio.sleep(FOR_EVER)
        except asyncio.CancelledError:
            continue


def ask(wire: Wire, *tools: Tool, stream: bool = False, **options: Any) -> Reply:
    model = Model(name="gpt-4o-mini", timeout=1000.0, connect_timeout=1000.0, stall_timeout=1000.0, stream=stream)
    options = {"bounds": Bounds(seconds=SECONDS), "degrade": False, **options}

    async def turn() -> Reply:
        async with Agent("a", instructions="Help.", models=[model], tools=tools, **options) as helper:
            return await helper("Go.")

    reply: Reply = wire.run(turn())
    assert wire.now <= SECONDS + LATE
    return reply


def drip() -> Exchange:
    return raw(*[Pause(0.2), b" "] * 1_000)


def stalled() -> Exchange:
    begun = (
        b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"We"}}]}\n\n'
    )
    return raw(begun, Pause(float("inf")), content_type="text/event-stream")


@pytest.mark.parametrize(
    ("hung", "stream"),
    [(silent, False), (lambda: raw(Pause(float("inf"))), False), (drip, False), (stalled, True)],
    ids=["connect", "read", "drip", "stream"],
)
def test_a_model_that_hangs(wire: Wire, hung: Callable[[], Exchange], stream: bool) -> None:
    wire.primary(hung())
    reply = ask(wire, stream=stream)
    assert (reply.status, reply.resume is not None) == ("timeout", True)


@pytest.mark.parametrize("down", [silent(), error(429, "rate_limit_exceeded", headers=(("retry-after", "300"),))], ids=["hangs", "backoff"])
def test_a_model_that_time_has_ended_is_a_degraded_answer_where_there_are_lower_layers(wire: Wire, down: Exchange) -> None:
    wire.primary(down)
    reply = ask(wire, degrade=True)
    assert (reply.status, reply.answered_by, reply.resume is not None) == ("degraded", "safety_net", True)


def test_a_backoff_that_would_pass_the_deadline_is_not_begun(wire: Wire) -> None:
    wire.primary(error(429, "rate_limit_exceeded", headers=(("retry-after", "300"),)))
    reply = ask(wire)
    assert (reply.status, reply.resume is not None) == ("timeout", True)
    assert wire.now < 2.0
    told = re.search(r"the next try was due in (\d+)\.\d s, but (\d)\.\d s were left", str(reply.error))
    assert told is not None
    assert 300 <= int(told[1]) <= 330
    assert int(told[2]) < SECONDS
    assert told[0] in reply.text


TOOLS = pytest.mark.parametrize("tool", [hang, block, deaf], ids=["async", "sync", "deaf"])
CANNOT = "I could not do it."


@TOOLS
def test_a_tool_that_hangs_leaves_the_model_the_time_to_say_so(wire: Wire, tool: Tool) -> None:
    wire.primary(HANG, say(CANNOT))
    reply = ask(wire, tool)
    assert (reply.status, reply.resume is not None, reply.missing) == ("timeout", True, ("hang",))
    assert reply.text.startswith(CANNOT)
    assert "no time was left for it" in str(reply.error)


@TOOLS
def test_a_step_of_a_plan_that_hangs_leaves_the_model_the_time_to_say_so(wire: Wire, tool: Tool) -> None:
    step = {"id": "h", "description": "", "tool": "hang", "input": "{}", "depends_on": [], "fallback_tool": None}
    wire.primary(say(json.dumps({"goal": "", "steps": [step], "estimated_dollars": 0, "estimated_seconds": 1})), say(CANNOT))
    reply = ask(wire, tool, pattern="plan_dag")
    assert (reply.status, reply.resume is not None, reply.missing) == ("timeout", True, ("hang",))
    assert reply.text.startswith(CANNOT)


def test_a_tool_that_hangs_by_its_own_timeout_takes_nothing_of_the_turns_time(wire: Wire) -> None:
    wire.primary(HANG, say(CANNOT))
    reply = ask(wire, Tool(hang.function, name="hang", timeout=1.0))
    assert (reply.status, reply.resume is not None) == ("degraded", True)


def test_a_tools_backoff_that_would_pass_the_deadline_is_not_begun(wire: Wire) -> None:
    @tool(name="hang")
    async def busy() -> str:
        """Be asked too often."""
        request = httpx.Request("GET", "https://shop.example/orders")
        raise httpx.HTTPStatusError("busy", request=request, response=httpx.Response(429, headers={"retry-after": "300"}))

    wire.primary(HANG, say(CANNOT))
    reply = ask(wire, busy)
    assert (reply.status, wire.now) == ("timeout", pytest.approx(2.0))
    assert "the next try was due in" in str(reply.error)


@TOOLS
def test_a_tool_that_hangs_is_a_degraded_answer_where_there_are_lower_layers(wire: Wire, tool: Tool) -> None:
    wire.primary(HANG, say(CANNOT))
    reply = ask(wire, tool, degrade=True)
    assert (reply.status, reply.answered_by, reply.resume is not None) == ("degraded", "reduced", True)
    assert CANNOT in reply.text


@TOOLS
def test_a_tool_that_hangs_before_a_model_that_does(wire: Wire, tool: Tool) -> None:
    wire.primary(HANG, silent())
    reply = ask(wire, tool)
    assert (reply.status, reply.resume is not None) == ("timeout", True)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another process"])
def test_a_resumed_turn_makes_the_call_again_that_time_had_ended(wire: Wire, elsewhere: bool) -> None:
    slow = [True]

    @tool(name="hang", timeout=1000.0)
    async def sometimes() -> str:
        """Hang, the first time."""
        await asyncio.sleep(FOR_EVER if slow.pop() else 0)
        return "done"

    kept, model = InMemoryStore(), Model(name="gpt-4o-mini")

    def agent() -> Agent:
        return Agent(
            "a", instructions="", models=[model], tools=[sometimes], checkpoints=kept, degrade=False, bounds=Bounds(seconds=SECONDS)
        )

    async def resumed() -> tuple[Reply, Reply]:
        first = agent()
        cut = await first("Go.")
        slow.append(False)
        return cut, await (agent() if elsewhere else first).resume(cut.resume or "")

    wire.primary(HANG, say(CANNOT), say("It is done."))
    cut, reply = wire.run(resumed())
    assert (cut.status, reply.status, reply.text) == ("timeout", "complete", "It is done.")
    assert (wire.messages()[-1]["tool_call_id"], wire.messages()[-1]["content"]) == ("call_h", "done")
    assert len(wire.messages()) == 4


@tool(approval=True)
async def look() -> str:
    """Look."""
    return "seen"


async def nobody(_request: object) -> bool:
    """Never come back."""
    await asyncio.sleep(FOR_EVER)
    return True


PREPARED = Intent("go", ("go",), "I could not go: the assistant is unavailable.")


def test_an_approval_that_hangs(wire: Wire) -> None:
    wire.primary(call(("look", {}), ids=("call_l",)), say("Seen."))
    reply = ask(wire, look, approve=nobody)
    assert (reply.status, reply.resume is not None) == ("timeout", True)
    assert str(reply.error) == "Nobody decided about look in time"


def test_an_approval_that_hangs_leaves_the_time_to_keep_the_turn(wire: Wire, tmp_path: Path) -> None:
    kept, model = SqliteStore(tmp_path / "kept.db"), Model(name="gpt-4o-mini")

    def agent(**options: Any) -> Agent:
        return Agent("a", instructions="", models=[model], tools=[look], checkpoints=kept, degrade=False, **options)

    async def resumed() -> Reply:
        cut = await agent(approve=nobody, bounds=Bounds(seconds=SECONDS))("Go.")
        assert (cut.status, cut.without) == ("timeout", ())
        return await agent().resume(cut.resume or "")

    wire.primary(call(("look", {}), ids=("call_l",)), say("Seen."))
    reply: Reply = wire.run(resumed())
    assert reply.status == "paused"


@pytest.mark.parametrize(("intents", "status"), [([], "timeout"), ([PREPARED], "degraded")], ids=["safety net", "prepared answer"])
def test_an_approval_that_hangs_where_there_are_lower_layers(wire: Wire, intents: list[Intent], status: str) -> None:
    wire.primary(call(("look", {}), ids=("call_l",)), say("Seen."))
    reply = ask(wire, look, approve=nobody, degrade=True, intents=intents)
    assert (reply.status, reply.resume is not None) == (status, True)


class Hanging(InMemoryStore):
    """A store that takes everything and answers nothing."""

    async def load(self, key: str) -> Stored | None:
        await asyncio.sleep(FOR_EVER)
        return None

    async def save(self, key: str, value: str, *, expected: int) -> int:
        await asyncio.sleep(FOR_EVER)
        return 0


def test_a_store_that_hangs_is_left_alone_in_time(wire: Wire) -> None:
    wire.primary(say("Hello."))
    reply = ask(wire, checkpoints=Hanging(), conversation="c1")
    assert (reply.text, reply.status, reply.without) == ("Hello.", "complete", ("checkpoints",))


class Deaf(Hanging):
    """One that takes no notice of being cancelled either."""

    async def load(self, key: str) -> Stored | None:
        while True:
            try:
                await asyncio.sleep(FOR_EVER)
            except asyncio.CancelledError:
                continue

    async def save(self, key: str, value: str, *, expected: int) -> int:
        await self.load(key)
        return 0


@pytest.mark.parametrize("store", [Hanging, Deaf])
@pytest.mark.parametrize("conversation", [None, "c1"])
def test_a_store_that_hangs_for_longer_than_the_turn_may_take(wire: Wire, store: type[Hanging], conversation: str | None) -> None:
    wire.primary(say("Hello."))
    reply = ask(wire, bounds=Bounds(seconds=1.0), checkpoints=store(), conversation=conversation)
    assert (reply.status, reply.resume is not None, reply.without) == ("timeout", True, ("checkpoints",))
    assert 1.0 <= wire.now <= 1.0 + LATE
    assert wire.requests == []


def test_a_store_that_hangs_before_a_model_that_does(wire: Wire) -> None:
    wire.primary(silent())
    reply = ask(wire, checkpoints=Hanging())
    assert (reply.status, reply.resume is not None, reply.without) == ("timeout", True, ("checkpoints",))


@pytest.mark.parametrize("then", [[silent()], [say(CANNOT)]], ids=["the model hangs, too", "the model says so"])
def test_an_mcp_call_that_hangs(wire: Wire, then: list[Exchange]) -> None:
    shop = MCPServer("shop")

    @shop.tool(name="hang")
    async def hang_there() -> str:
        """Hang."""
        await asyncio.sleep(FOR_EVER)
        return "never"

    wire.primary(HANG, *then)
    reply = ask(wire, servers=[McpServer(shop, name="shop", timeout=1000.0)])
    assert (reply.status, reply.resume is not None) == ("timeout", True)
