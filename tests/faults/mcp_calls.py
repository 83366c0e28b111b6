"""Sessions of the official MCP client with a shop's server, in a run of the lab's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from agentlab_faults import Injection, Played, Schedule, Setup, Talk, Tool, play
from agentlab_faults.catalogue import select
from agentlab_faults.played import McpServer, McpTool
from mcp import Client, StdioServerParameters

__all__ = ["ORDER", "SETUP", "STDIO", "URL", "called", "leaves", "one_call", "quiet", "run", "single", "struck"]

URL = "https://mcp.shop.example/mcp"
STDIO = StdioServerParameters(command="/opt/shop/python", args=["/opt/shop/server.py"])
ORDER = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
SETUP = Setup(
    tools={
        "lookup_order": Tool(name="lookup_order", returns={"total": 49.9}, served=True),
        "refund": Tool(name="refund", effect="write", identity=("order",), served=True),
        "greet": Tool(name="greet", returns="hello", served=True),
    },
    mcp={"shop": McpServer(tools={"lookup_order": McpTool(output=ORDER), "refund": McpTool(), "greet": McpTool()})},
    deadline=1000,
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The client logs each fault with its traceback."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def called(client: Client, tool: str = "lookup_order", **settings: Any) -> Any:
    """(result, or what was raised) of one call."""
    try:
        return await client.call_tool(tool, {"order": "5512"}, **settings)
    except asyncio.CancelledError as error:
        return error
    except Exception as error:  # noqa: BLE001 - what is raised is what is tested
        return error


async def one_call(where: Any, tool: str = "lookup_order", **settings: Any) -> list[Any]:
    """Open a session, list, call, and leave it: what came of the call, and what leaving raised."""
    seen: list[Any] = []
    try:
        async with Client(where, **settings) as client:
            await client.list_tools()
            seen.append(await called(client, tool))
            await asyncio.sleep(0)  # where the session is dead, its cancellation comes here again
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        seen.append(error)
    return seen


def run(agent: Callable[[], Any], schedule: Schedule | None = None, setup: Setup = SETUP) -> Played:
    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(talk.settle(agent()))

    return play(conversation, setup, schedule or Schedule(), seed=1)


def single(name: str, at: str = "mcp.lookup_order.1", shape: Any = "once", **settings: Any) -> Schedule:
    [fault] = select([name])
    return Schedule("t", (Injection(fault=fault(**settings), at=at, shape=shape),))


def struck(
    name: str, at: str = "mcp.lookup_order.1", shape: Any = "once", *, where: Any = URL, timeout: float | None = None, **settings: Any
) -> tuple[list[Any], Played]:
    played = run(lambda: one_call(where, read_timeout_seconds=timeout), single(name, at, shape, **settings))
    assert played.problems == ()
    assert played.ending == "returned", played.detail
    return played.replies[0], played


def leaves(error: BaseException) -> list[BaseException]:
    """The exceptions in a group of groups."""
    return [leaf for one in error.exceptions for leaf in leaves(one)] if isinstance(error, BaseExceptionGroup) else [error]
