"""What stands behind the MCP client: the lab's own server and its ledger, and real ones."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from agentlab_faults import Setup, Tool, tool
from agentlab_faults.mcp.pipes import Stdout
from agentlab_faults.played import McpServer
from mcp import Client, MCPError, StdioServerParameters
from mcp.server.mcpserver import MCPServer

from tests.suites.mcp_servers import serving

from .mcp_calls import ORDER, SETUP, STDIO, URL, called, one_call, quiet, run, single, struck

__all__ = ["quiet"]


# The lab's own server


@pytest.mark.parametrize("where", [URL, STDIO], ids=["http", "stdio"])
def test_a_declared_server_needs_no_server(where: Any) -> None:
    async def agent() -> Any:
        async with Client(where) as client:
            tools = [(tool.name, tool.output_schema) for tool in (await client.list_tools()).tools]
            return tools, [await called(client, tool) for tool in ("lookup_order", "refund", "greet", "lookup_order")]

    played = run(agent)
    [(tools, results)] = played.replies
    assert tools == [("lookup_order", ORDER), ("refund", None), ("greet", None)]
    assert [result.structured_content for result in results] == [{"total": 49.9}, {"ok": True}, None, {"total": 49.9}]
    assert results[2].content[0].text == "hello"
    assert [commit.tool for commit in played.ledger.commits] == ["refund"]
    assert played.problems == ()
    assert (played.seconds, played.real_io, played.real_threads) == (0.0, False, ())
    transport = "http" if where is URL else "stdio"
    assert [(point.name, point.transport) for point in played.points if point.kind == "mcp"] == [
        ("mcp.initialize.1", transport),
        ("mcp.tools_list.1", transport),
        ("mcp.lookup_order.1", transport),
        ("mcp.refund.1", transport),
        ("mcp.greet.1", transport),
        ("mcp.lookup_order.2", transport),
    ]


def test_two_runs_have_the_same_journal() -> None:
    runs = [run(lambda: one_call(URL), single("mcp_sse_cut_resumable")) for _ in range(2)]
    assert repr(runs[0].journal) == repr(runs[1].journal)


def test_a_host_that_is_not_declared_is_not_answered() -> None:
    setup = Setup(tools=SETUP.tools, mcp={"shop": McpServer(at="mcp.shop.example", tools=SETUP.mcp["shop"].tools)})
    played = run(lambda: one_call("https://elsewhere.example/mcp"), setup=setup)
    assert "elsewhere.example" in played.problems[0]


# The ledger


def test_a_write_whose_answer_is_lost_has_happened() -> None:
    played = run(lambda: one_call(URL, "refund"), single("mcp_sse_cut", "mcp.refund.1"))
    assert [commit.tool for commit in played.ledger.commits] == ["refund"]
    assert [execution.end for execution in played.ledger.executions] == ["unknown"]


def test_a_write_that_was_refused_has_not() -> None:
    played = run(lambda: one_call(URL, "refund"), single("mcp_http_401_403_429_5xx", "mcp.refund.1"))
    assert played.ledger.commits == []
    assert [execution.end for execution in played.ledger.executions] == ["raised"]


def test_a_write_that_is_called_again_happens_twice() -> None:
    async def agent() -> Any:
        async with Client(URL, read_timeout_seconds=5) as client:
            return [await called(client, "refund"), await called(client, "refund")]

    played = run(agent, single("mcp_timeout", "mcp.refund.1"))
    assert played.ledger.duplicates() == [("refund", '{"order": "5512"}')]


# The tool's own faults, at the client's seam


@pytest.mark.parametrize("where", [URL, STDIO], ids=["http", "stdio"])
def test_a_tool_that_raises_on_its_server_is_a_result_with_is_error(where: Any) -> None:
    [result], played = struck("tool_exception", "tool.lookup_order.1", where=where)
    assert result.is_error
    assert "database connection lost" in result.content[0].text
    assert not any(point.name == "mcp.lookup_order.1" for point in played.points)


def test_a_tool_that_hangs_is_ended_by_the_calls_own_timeout() -> None:
    [error], played = struck("tool_timeout", "tool.lookup_order.1", timeout=30)
    assert (type(error), error.code) == (MCPError, -32001)
    assert played.ledger.executions[0].ended == pytest.approx(30.0, abs=1e-5)


def test_a_tools_value_is_changed_inside_its_result() -> None:
    [result], _ = struck("tool_wrong_schema", "tool.lookup_order.1")
    assert result.structured_content == {"data": {"total_v2": 49.9}, "schema": "v2"}


def test_a_lost_confirmation_of_an_mcp_tool_has_committed() -> None:
    played = run(lambda: one_call(URL, "refund", read_timeout_seconds=5), single("tool_partial_success", "tool.refund.1"))
    assert played.replies[0][0].code == -32001
    assert [commit.tool for commit in played.ledger.commits] == ["refund"]


# Servers that are not ours


def test_a_server_in_the_agents_own_process_is_left_alone_and_its_tools_are_seen() -> None:
    server = MCPServer("shop")
    ran: list[str] = []

    @server.tool()
    def refund(order: str) -> dict[str, str]:
        ran.append(order)
        return {"refunded": order}

    setup = Setup(tools={"refund": Tool(name="refund", effect="write", body="real")})
    played = run(lambda: one_call(server, "refund"), setup=setup)
    assert ran == ["5512"]
    assert played.replies[0][0].structured_content == {"refunded": "5512"}
    assert [commit.tool for commit in played.ledger.commits] == ["refund"]
    broken = run(lambda: one_call(server, "refund"), single("tool_exception", "tool.refund.1"), setup)
    assert ran == ["5512"]
    assert broken.replies[0][0].is_error


def test_a_tool_that_calls_its_server_again_after_an_error_has_not_failed() -> None:
    server = MCPServer("shop")
    ran: list[str] = []

    @server.tool("refund", structured_output=False)
    def busy_once(order: str) -> str:
        ran.append(order)
        if len(ran) == 1:
            raise ValueError("busy")
        return "refunded"

    @tool
    async def refund(order: str) -> str:
        async with Client(server) as client:
            results = [await client.call_tool("refund", {"order": order}) for _ in range(2)]
        return str(results[-1].content[0].text)

    played = run(lambda: refund(order="5512"), setup=Setup(tools={"refund": Tool(name="refund", effect="write", body="real")}))
    assert (played.replies, len(ran)) == (("refunded",), 2)
    assert [execution.end for execution in played.ledger.executions] == ["ok"]
    assert [commit.tool for commit in played.ledger.commits] == ["refund"]


def test_a_text_of_endless_nesting_from_a_real_tool_is_handed_on() -> None:
    server, told = MCPServer("shop"), "[" * 100_000

    @server.tool(structured_output=False)
    def refund(order: str) -> str:
        return told

    setup = Setup(tools={"refund": Tool(name="refund", body="real")})
    [result] = run(lambda: one_call(server, "refund"), setup=setup).replies[0]
    assert (result.is_error, result.content[0].text) == (False, told)


@pytest.fixture
def process(tmp_path: Path) -> tuple[StdioServerParameters, Path]:
    """A real server on stdio, and the file in which it says what it was told."""
    log = tmp_path / "told"
    script = Path(__file__).parent / "mcp_shop.py"
    return StdioServerParameters(command=sys.executable, args=["-S", str(script), str(log)]), log


REAL = Setup(tools={"lookup_order": Tool(name="lookup_order", body="real")}, deadline=100)


def test_a_real_process_is_asked_and_answers_in_no_virtual_time(process: tuple[StdioServerParameters, Path]) -> None:
    where, log = process
    played = run(lambda: one_call(where, read_timeout_seconds=5), setup=REAL)
    assert played.replies[0][0].content[0].text == '{"total": 12.5}'
    assert played.problems == ()
    assert played.seconds == 0.0
    told = log.read_text().split()
    assert [method for method in told if method != "server/discover"] == [
        "initialize",
        "notifications/initialized",
        "tools/list",
        "tools/call",
    ]


@pytest.mark.parametrize(
    ("name", "code", "asked"),
    [
        ("mcp_is_error", None, False),
        ("mcp_timeout", -32001, False),
        ("mcp_wrong_id", -32001, True),
        ("mcp_tool_list_changed", -32602, False),
    ],
)
def test_faults_act_on_a_real_process(name: str, code: int | None, asked: bool, process: tuple[StdioServerParameters, Path]) -> None:
    where, log = process
    played = run(lambda: one_call(where, read_timeout_seconds=5), single(name), REAL)
    assert played.problems == ()
    result = played.replies[0][0]
    assert (result.is_error if code is None else result.code) == (code or True)
    assert ("tools/call" in log.read_text()) is asked
    assert played.strikes[0].changed


def test_a_real_server_may_print_what_is_no_answer() -> None:
    """An id that cannot be looked up, and JSON without an end, are the client's to refuse."""

    async def heard() -> list[bool]:
        out = Stdout()
        lines = [b'{"jsonrpc": "2.0", "id": {}, "result": {}}', b'{"id": [1]}', b"[" * 100_000]
        out._heard(b"\n".join([*lines, b""]))
        return [(await out.receive()).rstrip(b"\n") == line for line in lines]

    assert asyncio.run(heard()) == [True, True, True]


# A real server of the newest protocol over HTTP


def test_a_tools_error_in_a_real_servers_name_is_one_that_the_newest_client_reads() -> None:
    with serving() as (url, asked):
        [result] = run(lambda: one_call(url, "lookup_order"), single("mcp_is_error"), REAL).replies[0]
    assert (result.is_error, asked) == (True, [])


@pytest.mark.parametrize(
    ("name", "at"), [("mcp_tool_poisoning", "mcp.tools_list.1"), ("mcp_output_schema_violation", "mcp.lookup_order.1")]
)
def test_what_is_made_of_a_real_servers_answer_does_not_strike_over_http(name: str, at: str) -> None:
    async def agent() -> Any:
        async with Client(url) as client:
            await client.list_tools()
            return await client.call_tool("lookup_order", {"id": "5512"})

    with serving() as (url, asked):
        played = run(agent, single(name, at), REAL)
    assert (played.replies[0].structured_content, asked) == ({"total": 49.9}, ["5512"])
    assert not any(strike.changed for strike in played.strikes)
