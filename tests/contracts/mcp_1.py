"""mcp 1, and langchain-mcp-adapters, which want it: seen and broken as mcp 2 is. It has an environment of its own (`.ci/each-client`)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import mcp
import pytest
from agentlab_faults import Injection, Played, Schedule, Setup, Talk, Tool, play
from agentlab_faults.catalogue import select
from agentlab_faults.played import McpServer, McpTool
from agentlab_suites.agents import load_agent
from agentlab_suites.plan import prepare
from mcp.client.streamable_http import streamable_http_client

from tests.suites.mcp_servers import outcomes_of, serving, shop_suite

SHOPS = Path(__file__).parents[1] / "suites"
SETUP = Setup(
    tools={"lookup_order": Tool(name="lookup_order", returns={"total": 49.9}, served=True)},
    mcp={"shop": McpServer(tools={"lookup_order": McpTool()})},
    deadline=1000,
)


async def session_of_one_call() -> Any:
    """What one call with a timeout of 5 s came to."""
    async with streamable_http_client("https://mcp.shop.example/mcp") as (reads, writes, _), mcp.ClientSession(reads, writes) as session:
        await session.initialize()
        try:
            return await session.call_tool("lookup_order", {"id": "5512"}, read_timeout_seconds=timedelta(seconds=5))
        except mcp.McpError as error:
            return error


def struck(name: str, at: str) -> tuple[Any, Played]:
    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(talk.settle(session_of_one_call()))

    [fault] = select([name])
    played = play(conversation, SETUP, Schedule("t", (Injection(fault=fault(), at=at),)), seed=1)
    assert (played.problems, played.ending, played.error) == ((), "returned", None)
    assert played.strikes[0].changed
    return played.replies[0], played


@pytest.mark.parametrize(("name", "at"), [("mcp_timeout", "mcp.lookup_order.1"), ("tool_timeout", "tool.lookup_order.1")])
def test_an_answer_that_never_comes_is_the_clients_own_timeout(name: str, at: str) -> None:
    error, played = struck(name, at)
    assert (error.error.code, error.error.message) == (
        408,
        "Timed out while waiting for response to ClientRequest. Waited 5.0 seconds.",
    )
    assert played.seconds == pytest.approx(5.0, abs=1e-3)


@pytest.mark.parametrize(("name", "at"), [("mcp_is_error", "mcp.lookup_order.1"), ("tool_exception", "tool.lookup_order.1")])
def test_a_tools_error_is_a_result(name: str, at: str) -> None:
    result, _ = struck(name, at)
    assert result.isError


def test_a_tools_value_is_changed_inside_its_result() -> None:
    result, _ = struck("tool_empty_result", "tool.lookup_order.1")
    assert not result.isError
    assert "49.9" not in result.content[0].text


@pytest.mark.parametrize(("transport", "unreachable"), [("http", "mcp_connect_error"), ("stdio", "mcp_stdio_missing_binary")])
def test_langchains_adapters_are_seen_and_broken(transport: str, unreachable: str, tmp_path: Path) -> None:
    ready = prepare(shop_suite(tmp_path), load_agent(f"langchain_mcp_shop.py:{transport}", folder=SHOPS))
    points, outcomes = outcomes_of(ready)
    assert points >= {"mcp.initialize.1", "mcp.tools_list.1", "mcp.lookup_order.1", "tool.lookup_order.1"}
    assert outcomes("mcp.lookup_order.1-mcp_is_error") == ("success", 1), "the error is shown to the model, which calls again"
    assert outcomes("tool.lookup_order.1-tool_exception") == ("success", 1), "so is a tool's own, which its server tells"
    assert outcomes(f"mcp.initialize.1-{unreachable}") == ("crash", 1)
    assert outcomes("mcp.lookup_order.1-mcp_wrong_id") == ("hang", 1), "it sets no timeout"


def test_a_real_server_is_broken_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as (url, asked):
        monkeypatch.setenv("SHOP_MCP_URL", url)
        points, outcomes = outcomes_of(prepare(shop_suite(tmp_path, real=True), load_agent("langchain_mcp_shop.py:http", folder=SHOPS)))
        assert points >= {"mcp.initialize.1", "mcp.tools_list.1", "mcp.lookup_order.1", "tool.lookup_order.1"}
        assert asked == ["5512"], "in the fault-free run"
        assert outcomes("mcp.lookup_order.1-mcp_is_error") == ("success", 1)
        assert outcomes("tool.lookup_order.1-tool_exception") == ("success", 1)
        assert asked == ["5512"] * 3, "each fault struck before the server was asked, and the model's second call reached it"
