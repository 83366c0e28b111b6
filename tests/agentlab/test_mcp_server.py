"""MCP servers as tools: over HTTP and stdio under the lab's faults, in process in virtual time, and a real process."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agentlab_faults import Injection, Played, Schedule, Setup, Talk, play
from agentlab_faults import Tool as LabTool
from agentlab_faults.catalogue import select
from agentlab_faults.played import McpServer as LabServer
from agentlab_faults.played import McpTool as LabMcpTool
from agentlab_faults.script import Call, Say, ScriptSpec
from mcp import StdioServerParameters
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

from agentlab import Bounds, Model, Reply
from agentlab.agent import Agent
from agentlab.bounds import within
from agentlab.errors import McpServerError
from agentlab.mcp_server import McpServer

from .conftest import Wire, call, say

MODEL = Model(name="gpt-4o-mini", timeout=8.0)
URL = "https://mcp.shop.example/mcp"
STDIO = StdioServerParameters(command="/opt/shop/python", args=["/opt/shop/server.py"])
DONE = "It costs 49.9."


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The client logs each failure with its traceback."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def agent(*servers: McpServer, **options: Any) -> Agent:
    options.setdefault("bounds", Bounds(seconds=45.0))
    return Agent("shop", instructions="Help.", models=[MODEL], servers=servers, **options)


async def asked(*servers: McpServer, **options: Any) -> Reply:
    async with agent(*servers, **options) as helper:
        return await helper("Go.")


def ask(wire: Wire, *servers: McpServer, **options: Any) -> Reply:
    reply: Reply = wire.run(asked(*servers, **options))
    return reply


def told(wire: Wire) -> list[str]:
    return [message["content"] for message in wire.messages() if message["role"] == "tool"]


def shop(sold: list[str]) -> MCPServer:
    """A server in this process."""
    server = MCPServer("shop")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def price(item: str) -> str:
        """What it costs."""
        if item == "nothing":
            raise ValueError("there is no such item")
        return "x" * 30_000 if item == "everything" else "49.9"

    @server.tool(annotations=ToolAnnotations(open_world_hint=False))
    async def sell(item: str, idempotency_key: str) -> str:
        """Sell it."""
        sold.append(idempotency_key)
        return "sold"

    @server.tool()
    async def tell(item: str) -> str:
        """Tell somebody."""
        await asyncio.sleep(1e6)
        return item

    return server


def test_a_servers_tools_are_the_agents(wire: Wire) -> None:
    sold: list[str] = []
    wire.primary(call(("price", {"item": "lamp"}), ids=("a",)), call(("sell", {"item": "lamp"}), ids=("b",)), say(DONE))
    reply = ask(wire, McpServer(shop(sold), name="shop"))
    assert (reply.text, reply.status, reply.effects) == (DONE, "complete", ("sell",))
    assert (told(wire), len(sold), len(sold[0])) == (["49.9", "sold"], 1, 32)
    schemas = {tool["function"]["name"]: tool["function"] for tool in wire.requests[0][1]["tools"]}
    assert list(schemas) == ["price", "sell", "tell"]
    assert list(schemas["sell"]["parameters"]["properties"]) == ["item"]
    assert schemas["sell"]["parameters"]["required"] == ["item"]


def test_hints_become_effect_classes_and_the_owner_overrides_them(wire: Wire) -> None:
    async def classes(**options: Any) -> dict[str, str]:
        server = McpServer(shop([]), name="shop", **options)
        found = {tool.name: tool.effect for tool in await server.tools(taken={"sell"})}
        await server.aclose()
        return found

    assert wire.run(classes()) == {"price": "read", "shop_sell": "write", "tell": "write"}
    assert wire.run(classes(effects={"tell": "external"}))["tell"] == "external"


def test_a_huge_result_is_cut_and_an_error_reaches_the_model_in_the_servers_words(wire: Wire) -> None:
    both = call(("price", {"item": "everything"}), ("price", {"item": "nothing"}), ("price", {"wrong": 1}), ids=("a", "b", "c"))
    wire.primary(both, say("I could not."))
    reply = ask(wire, McpServer(shop([]), name="shop"))
    everything, nothing, wrong = told(wire)
    assert everything.endswith("[cut: 10000 more characters]")
    assert "price is unavailable: it failed" in nothing
    assert "and said: Error executing tool price" in nothing
    assert "validation error" in wrong
    assert reply.status == "degraded"


def test_a_call_that_hangs_ends_at_its_timeout_and_may_have_gone_through(wire: Wire) -> None:
    wire.primary(call(("tell", {"item": "x"}), ids=("a",)), say("I am not sure."))
    reply = ask(wire, McpServer(shop([]), name="shop", timeout=5.0))
    assert (reply.status, reply.unconfirmed) == ("degraded", ("tell",))
    assert wire.now < 10.0


SETUP = Setup(
    scripts=(ScriptSpec(turns=(Call((("lookup_order", {"order": "5512"}),)), Say(DONE))),),
    tools={"lookup_order": LabTool(name="lookup_order", returns={"total": 49.9}, served=True)},
    mcp={"shop": LabServer(tools={"lookup_order": LabMcpTool()})},
)
OF_A_CALL = (
    "mcp_is_error", "mcp_jsonrpc_error", "mcp_http_401_403_429_5xx", "mcp_session_lost", "mcp_sse_cut", "mcp_bad_json", "mcp_html_200",
    "mcp_202_to_request", "mcp_timeout", "mcp_wrong_id",
)  # fmt: skip


def under(name: str, where: Any, at: str, shape: Any) -> tuple[Reply | None, Played]:
    [fault] = select([name])
    schedule = Schedule("t", (Injection(fault=fault(), at=at, shape=shape),))

    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(talk.settle(asked(McpServer(where, name="shop", timeout=5.0, effects={"lookup_order": "read"}))))

    played = play(conversation, SETUP, schedule, seed=1)
    assert played.problems == ()
    assert played.ending == "returned", played.detail
    return (played.replies[0] if played.replies else None), played


@pytest.mark.parametrize("name", OF_A_CALL)
def test_a_call_that_fails_once_over_http_is_made_again(name: str) -> None:
    reply, played = under(name, URL, "mcp.lookup_order.1", "once")
    assert reply is not None
    assert [strike.changed for strike in played.strikes] == [True]
    assert (reply.text, reply.status) == (DONE, "complete")


@pytest.mark.parametrize("name", OF_A_CALL)
def test_a_call_that_always_fails_is_told_and_in_time(name: str) -> None:
    reply, played = under(name, URL, "mcp.lookup_order.1", "always")
    assert reply is not None
    assert played.seconds < 45.0
    assert reply.status == "degraded"
    assert "49.9" not in reply.text


@pytest.mark.parametrize("where", [URL, STDIO], ids=["http", "stdio"])
def test_it_works_over_http_and_stdio(where: Any) -> None:
    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(talk.settle(asked(McpServer(where, name="shop"))))

    played = play(conversation, SETUP, Schedule(), seed=1)
    assert (played.problems, played.ending) == ((), "returned")
    assert (played.replies[0].text, played.replies[0].status) == (DONE, "complete")
    assert [execution.end for execution in played.ledger.executions] == ["ok"]


def test_a_server_that_cannot_be_reached_is_done_without(wire: Wire) -> None:
    wire.primary(say("I cannot look it up."))
    reply = ask(wire, McpServer(StdioServerParameters(command="/no/such/program"), name="shop"))
    assert (reply.status, reply.without) == ("degraded", ("shop",))
    assert "Note: I could not use shop" in reply.text


def test_a_server_that_hangs_takes_no_more_than_its_share(wire: Wire) -> None:
    class Silent:
        async def __aenter__(self) -> Any:
            await asyncio.sleep(1e6)

        async def __aexit__(self, *_: object) -> None:
            pass

    wire.primary(say("I cannot look it up."))
    reply = ask(wire, McpServer(Silent(), name="shop"), bounds=Bounds(seconds=10.0))
    assert (reply.status, reply.without) == ("degraded", ("shop",))
    assert wire.now < 4.0


MORTAL = """
import os
from mcp.server.mcpserver import MCPServer

server = MCPServer("shop")


@server.tool()
def price(item: str) -> str:
    if item == "poison":
        os._exit(1)
    return "49.9"


server.run()
"""


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # a loop's last pipes
def test_a_server_is_connected_again_in_another_event_loop(tmp_path: Path) -> None:
    program = tmp_path / "server.py"
    program.write_text(MORTAL)
    server = McpServer(StdioServerParameters(command=sys.executable, args=[str(program)]), name="shop", timeout=30.0)
    [price] = asyncio.run(server.tools())
    assert asyncio.run(price.call({"item": "lamp"})) == "49.9"
    asyncio.run(server.aclose())
    gc.collect()


async def test_a_connection_that_is_waited_for_no_longer_is_given_up() -> None:
    left = asyncio.Event()

    class Silent:
        async def __aenter__(self) -> Any:
            try:
                await asyncio.Event().wait()
            finally:
                left.set()

        async def __aexit__(self, *_: object) -> None:
            pass

    server = McpServer(Silent(), name="shop")
    with pytest.raises(TimeoutError):
        await within(0.1, server.tools())
    await asyncio.wait_for(left.wait(), 5.0)


async def test_a_process_that_has_died_is_started_again_for_the_next_call(tmp_path: Path) -> None:
    program = tmp_path / "server.py"
    program.write_text(MORTAL)
    server = McpServer(StdioServerParameters(command=sys.executable, args=[str(program)]), name="shop", timeout=30.0)
    [price] = await server.tools()
    with pytest.raises(McpServerError):
        await price.call({"item": "poison"})
    assert await price.call({"item": "lamp"}) == "49.9"
    await server.aclose()


async def test_a_real_process_on_stdio(tmp_path: Path) -> None:
    script = Path(__file__).parent.parent / "faults" / "mcp_shop.py"
    server = McpServer(StdioServerParameters(command=sys.executable, args=[str(script), str(tmp_path / "log")]), name="shop", timeout=30.0)
    [found] = await server.tools()
    assert (found.name, found.effect) == ("lookup_order", "write")
    assert await found.call({}) == '{"total": 12.5}'
    await server.aclose()
    with pytest.raises(McpServerError):
        await McpServer(StdioServerParameters(command="/no/such/program"), name="gone").tools()
