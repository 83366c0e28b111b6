"""mcp 1, and langchain-mcp-adapters, which want it: seen and broken as mcp 2 is. It has an environment of its own (`.ci/each-client`)."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Awaitable, Callable
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
from mcp.client.stdio import StdioServerParameters, stdio_client
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
        return await one_call(session)


async def one_call(session: mcp.ClientSession) -> Any:
    try:
        await session.initialize()
        return await session.call_tool("lookup_order", {"id": "5512"}, read_timeout_seconds=timedelta(seconds=5))
    except mcp.McpError as error:
        return error


def run(agent: Callable[[], Awaitable[Any]], setup: Setup = SETUP, schedule: Schedule | None = None) -> tuple[Any, Played]:
    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(talk.settle(agent()))

    played = play(conversation, setup, schedule or Schedule(), seed=1)
    assert (played.problems, played.ending, played.error) == ((), "returned", None)
    return played.replies[0], played


def struck(name: str, at: str, agent: Callable[[], Awaitable[Any]] = session_of_one_call, setup: Setup = SETUP) -> tuple[Any, Played]:
    [fault] = select([name])
    reply, played = run(agent, setup, Schedule("t", (Injection(fault=fault(), at=at),)))
    assert played.strikes[0].changed
    return reply, played


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


REAL = Setup(tools={"lookup_order": Tool(name="lookup_order", body="real")}, deadline=1000)


class Process:
    """A real server on stdio, which the client starts, and one call of it."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.where = StdioServerParameters(command=sys.executable, args=[str(Path(__file__).with_name("mcp_1_shop.py")), str(log)])

    async def __call__(self) -> Any:
        try:
            async with stdio_client(self.where) as (reads, writes), mcp.ClientSession(reads, writes, timedelta(seconds=5)) as session:
                return await one_call(session)
        except FileNotFoundError as error:
            return error

    def asked(self) -> list[str]:
        """The orders that it was asked for. Fails if it has not been started, or runs yet."""
        pid, *orders = self.log.read_text().split()
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
        return orders


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path / "asked")


def test_a_real_process_is_asked_and_answers_in_no_virtual_time(process: Process) -> None:
    result, played = run(process, REAL)
    assert (result.isError, result.structuredContent) == (False, {"total": 49.9})
    assert process.asked() == ["5512"]
    assert played.seconds == 0.0
    assert {point.name for point in played.points} == {"mcp.initialize.1", "mcp.tools_list.1", "mcp.lookup_order.1", "tool.lookup_order.1"}


@pytest.mark.parametrize(
    ("name", "at", "code", "orders"),
    [
        ("mcp_is_error", "mcp.lookup_order.1", None, []),
        ("mcp_jsonrpc_error", "mcp.lookup_order.1", -32603, []),
        ("mcp_timeout", "mcp.lookup_order.1", 408, []),
        ("mcp_wrong_id", "mcp.lookup_order.1", 408, ["5512"]),
        ("tool_exception", "tool.lookup_order.1", None, []),
        ("tool_timeout", "tool.lookup_order.1", 408, []),
        ("tool_partial_success", "tool.lookup_order.1", 408, ["5512"]),
    ],
)
def test_faults_act_on_a_real_process(name: str, at: str, code: int | None, orders: list[str], process: Process) -> None:
    result, played = struck(name, at, process, REAL)
    assert result.isError if code is None else result.error.code == code
    assert process.asked() == orders
    assert played.seconds == pytest.approx(5.0 if code == 408 else 0.0, abs=1e-3)


@pytest.mark.parametrize(("name", "text"), [("mcp_stdio_exit", "Connection closed"), ("mcp_stdio_missing_binary", "No such file")])
def test_a_process_that_does_not_start_is_not_started(name: str, text: str, process: Process) -> None:
    error, _ = struck(name, "mcp.initialize.1", process, REAL)
    assert text in str(error)
    assert not process.log.exists()


@pytest.mark.parametrize(("name", "text"), [("mcp_stdio_hang", "Timed out"), ("mcp_stdio_garbage", "Connection closed")])
def test_a_process_that_says_nothing_of_use_is_ended(name: str, text: str, process: Process) -> None:
    error, _ = struck(name, "mcp.initialize.1", process, REAL)
    assert text in str(error)
    assert process.asked() == []


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
        broken_on_its_way("http", tmp_path, lambda: asked)


def test_so_is_a_real_process_in_which_langchains_adapters_start_a_server(
    process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_MCP_ARGS", shlex.join(process.where.args))
    broken_on_its_way("stdio", tmp_path, lambda: [line for line in process.log.read_text().split() if line == "5512"])


def broken_on_its_way(transport: str, folder: Path, asked: Callable[[], list[str]]) -> None:
    points, outcomes = outcomes_of(prepare(shop_suite(folder, real=True), load_agent(f"langchain_mcp_shop.py:{transport}", folder=SHOPS)))
    assert points >= {"mcp.initialize.1", "mcp.tools_list.1", "mcp.lookup_order.1", "tool.lookup_order.1"}
    assert asked() == ["5512"], "in the fault-free run"
    assert outcomes("mcp.lookup_order.1-mcp_is_error") == ("success", 1)
    assert outcomes("tool.lookup_order.1-tool_exception") == ("success", 1)
    assert asked() == ["5512"] * 3, "each fault struck before the server was asked, and the model's second call reached it"
