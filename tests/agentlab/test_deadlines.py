"""One deadline through everything: whatever hangs, the answer comes by then, says so, and the turn can be resumed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from agentlab_faults.exchange import Exchange, Pause
from mcp.server.mcpserver import MCPServer

from agentlab import Bounds, McpServer, Model, Reply, Tool, tool
from agentlab.agent import Agent
from agentlab.stores import InMemoryStore, Stored

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


def test_a_backoff_that_would_pass_the_deadline_is_not_begun(wire: Wire) -> None:
    wire.primary(error(429, "rate_limit_exceeded", headers=(("retry-after", "300"),)))
    reply = ask(wire)
    assert (reply.status, reply.resume is not None) == ("incomplete", True)
    assert wire.now < 2.0


@pytest.mark.parametrize("tool", [hang, block, deaf], ids=["async", "sync", "deaf"])
def test_a_tool_that_hangs_leaves_the_model_the_time_to_say_so(wire: Wire, tool: Tool) -> None:
    wire.primary(HANG, say("I could not do it."))
    reply = ask(wire, tool)
    assert (reply.status, reply.resume is not None) == ("degraded", True)


@pytest.mark.parametrize("tool", [hang, block, deaf], ids=["async", "sync", "deaf"])
def test_a_tool_that_hangs_before_a_model_that_does(wire: Wire, tool: Tool) -> None:
    wire.primary(HANG, silent())
    reply = ask(wire, tool)
    assert (reply.status, reply.resume is not None) == ("timeout", True)


def test_an_approval_that_hangs(wire: Wire) -> None:
    @tool(approval=True)
    async def look() -> str:
        """Look."""
        return "seen"

    async def nobody(_request: object) -> bool:
        await asyncio.sleep(FOR_EVER)
        return True

    wire.primary(call(("look", {}), ids=("call_l",)), say("Seen."))
    reply = ask(wire, look, approve=nobody)
    assert (reply.status, reply.resume is not None) == ("timeout", True)


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


def test_a_store_that_hangs_before_a_model_that_does(wire: Wire) -> None:
    wire.primary(silent())
    reply = ask(wire, checkpoints=Hanging())
    assert (reply.status, reply.resume is not None, reply.without) == ("timeout", True, ("checkpoints",))


def test_an_mcp_call_that_hangs(wire: Wire) -> None:
    shop = MCPServer("shop")

    @shop.tool(name="hang")
    async def hang_there() -> str:
        """Hang."""
        await asyncio.sleep(FOR_EVER)
        return "never"

    wire.primary(HANG, silent())
    reply = ask(wire, servers=[McpServer(shop, name="shop", timeout=1000.0)])
    assert (reply.status, reply.resume is not None) == ("timeout", True)
