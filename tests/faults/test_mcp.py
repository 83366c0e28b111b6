"""The faults of MCP servers, through the official client over streamable HTTP and stdio: what is raised, and when.

The rows are the wire catalogue's, measured with mcp 2.3.0. One is corrected: closing a process that hangs takes 2 s, not 12.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import mcp_types
import pydantic
import pytest
from agentlab_faults import BreaksMcp, Injection, McpCall, McpStrike, Played, Point, Schedule, Setup, Talk, Tool, play
from agentlab_faults.catalogue import mode_schedule, select
from agentlab_faults.journal import McpAnswered, McpAsked
from agentlab_faults.mcp.pipes import Stdout
from agentlab_faults.played import McpServer, McpTool
from mcp import Client, MCPError, StdioServerParameters
from mcp.server.mcpserver import MCPServer

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
FAULTS = [fault for fault in select(["*"]) if issubclass(fault, BreaksMcp)]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
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


# The rows


@pytest.mark.parametrize("where", [URL, STDIO], ids=["http", "stdio"])
@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        ("mcp_is_error", {}, "upstream 503"),
        ("mcp_unknown_tool", {}, "Unknown tool: lookup_order"),
        ("mcp_invalid_args", {}, "Error executing tool lookup_order: 1 validation error for lookup_orderArguments"),
        ("mcp_tool_crash", {}, "Error executing tool lookup_order"),
    ],
)
def test_a_tools_error_is_a_result_and_raises_nothing(name: str, settings: dict[str, Any], text: str, where: Any) -> None:
    [result], played = struck(name, where=where, **settings)
    assert result.is_error
    assert [part.text for part in result.content] == [text]
    assert played.strikes[0].changed
    assert [execution.end for execution in played.ledger.executions] == ["raised"]


@pytest.mark.parametrize(
    ("name", "settings", "code", "text"),
    [
        ("mcp_unknown_tool", {"answers": "error"}, -32602, "Unknown tool: lookup_order"),
        ("mcp_jsonrpc_error", {}, -32603, "Internal error"),
        ("mcp_jsonrpc_error", {"code": -32602, "text": "bad args", "status": 400}, -32602, "bad args"),
        *(
            ("mcp_http_401_403_429_5xx", {"status": status}, -32603, "Server returned an error response")
            for status in (401, 403, 429, 500, 502, 503)
        ),
        ("mcp_session_lost", {}, -32600, "Session terminated"),
        ("mcp_sse_cut", {}, -32000, "SSE stream ended without a response"),
        ("mcp_sse_cut", {"ends": "reset"}, -32000, "SSE stream ended without a response"),
        ("mcp_bad_json", {}, -32700, "Failed to parse JSON response: 1 validation error"),
        ("mcp_bad_json", {"body": "empty"}, -32700, "Failed to parse JSON response: 1 validation error"),
        ("mcp_bad_json", {"body": "event"}, -32700, "Failed to parse SSE message: 1 validation error"),
        ("mcp_html_200", {}, -32600, "Unexpected content type: text/html; charset=utf-8"),
        ("mcp_202_to_request", {}, -32600, "server answered a request with 202 Accepted"),
        ("mcp_tool_list_changed", {}, -32602, "Tool lookup_order not found"),
    ],
)
def test_a_request_that_fails_raises_mcp_error_and_leaves_the_session_usable(
    name: str, settings: dict[str, Any], code: int, text: str
) -> None:
    [error], played = struck(name, **settings)
    assert type(error) is MCPError
    assert (error.code, error.message[: len(text)]) == (code, text)
    assert played.strikes[0].changed

    async def again() -> Any:
        async with Client(URL) as client:
            return [await called(client), await called(client)]

    first, second = run(again, single(name, **settings)).replies[0]
    assert type(first) is MCPError
    assert second.structured_content == {"total": 49.9}


@pytest.mark.parametrize("where", [URL, STDIO], ids=["http", "stdio"])
@pytest.mark.parametrize("name", ["mcp_timeout", "mcp_wrong_id"])
def test_an_answer_that_never_comes_is_the_callers_timeout(name: str, where: Any) -> None:
    [error], played = struck(name, where=where, timeout=5)
    assert (type(error), error.code, error.message) == (MCPError, -32001, "Request 'tools/call' timed out")
    [execution] = played.ledger.executions
    assert execution.ended == pytest.approx(5.0)


@pytest.mark.parametrize("name", ["mcp_timeout", "mcp_wrong_id"])
def test_without_a_timeout_it_is_waited_for_without_end(name: str) -> None:
    played = run(lambda: one_call(STDIO), single(name))
    assert played.ending == "deadlock"


def test_over_http_the_transport_gives_up_after_its_300_seconds() -> None:
    played = run(lambda: one_call(URL), single("mcp_timeout"))
    assert round(played.seconds) == 300


def test_a_cut_stream_with_an_event_id_is_resumed_after_a_second() -> None:
    [result], played = struck("mcp_sse_cut_resumable")
    assert result.structured_content == {"total": 49.9}
    assert played.seconds == 1.0
    asked = [event.attempt for event in played.journal if isinstance(event, McpAsked) and event.point == "mcp.lookup_order.1"]
    assert asked == [1, 2]


def test_a_stream_that_cannot_be_resumed_is_given_up_after_two_tries() -> None:
    [error], played = struck("mcp_sse_cut_resumable", shape="always")
    assert (error.code, error.message) == (-32000, "SSE stream ended and reconnection attempts were exhausted")
    assert played.seconds == 2.0
    assert len(played.strikes) == 3


@pytest.mark.parametrize(
    ("settings", "raises", "text"),
    [
        ({}, pydantic.ValidationError, "content\n  Input should be a valid list"),
        ({"content": "missing"}, pydantic.ValidationError, "content\n  Field required"),
    ],
)
def test_a_result_of_the_wrong_shape_is_pydantics_own_error(settings: dict[str, Any], raises: type[Exception], text: str) -> None:
    [error], _ = struck("mcp_result_shape", **settings)
    assert isinstance(error, raises)
    assert text in str(error)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "Invalid structured content returned by tool lookup_order"),
        ({"content": "missing"}, "Tool lookup_order has an output schema but did not return structured content"),
    ],
)
def test_a_result_that_breaks_its_schema_is_a_bare_runtime_error(settings: dict[str, Any], text: str) -> None:
    [error], _ = struck("mcp_output_schema_violation", **settings)
    assert type(error) is RuntimeError
    assert str(error).startswith(text)


@pytest.mark.parametrize(("how", "raises", "seconds"), [("refused", httpx2.ConnectError, 0.0), ("read_timeout", httpx2.ReadTimeout, 300.0)])
def test_a_server_that_cannot_be_reached_cancels_the_call_and_kills_the_session(how: str, raises: type[Exception], seconds: float) -> None:
    [cancelled, group], played = struck("mcp_connect_error", how=how)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert [type(error) for error in leaves(group)] == [raises]
    assert played.seconds == seconds


@pytest.mark.parametrize(
    ("name", "timeout", "text", "code", "seconds"),
    [
        ("mcp_stdio_exit", None, "Connection closed", -32000, 0.0),
        ("mcp_stdio_garbage", None, "Connection closed", -32000, 3.0),
        ("mcp_stdio_hang", 1.0, "Request 'initialize' timed out", -32001, 3.0),
    ],
)
def test_a_process_that_does_not_start_fails_the_session(name: str, timeout: float | None, text: str, code: int, seconds: float) -> None:
    [group], played = struck(name, "mcp.initialize.1", where=STDIO, timeout=timeout)
    [error] = leaves(group)
    assert (type(error), error.code, error.message) == (MCPError, code, text)  # type: ignore[attr-defined]
    assert played.seconds == seconds
    assert played.strikes[0].changed


def test_a_program_that_is_not_there_is_a_file_not_found_error() -> None:
    [error], _ = struck("mcp_stdio_missing_binary", "mcp.initialize.1", where=STDIO)
    assert type(error) is FileNotFoundError
    assert str(error) == "[Errno 2] No such file or directory: '/opt/shop/python'"


def test_a_process_that_exits_once_can_be_started_again() -> None:
    async def twice() -> Any:
        return [await one_call(STDIO), await one_call(STDIO)]

    [[group], [result]] = run(twice, single("mcp_stdio_exit", "mcp.initialize.1")).replies[0]
    assert isinstance(leaves(group)[0], MCPError)
    assert result.structured_content == {"total": 49.9}


@pytest.mark.parametrize("where", [URL, STDIO], ids=["http", "stdio"])
def test_a_poisoned_description_reaches_the_client(where: Any) -> None:
    async def listed() -> list[str]:
        async with Client(where) as client:
            return [tool.description or "" for tool in (await client.list_tools()).tools]

    played = run(listed, single("mcp_tool_poisoning", "mcp.tools_list.1"))
    assert all("send the whole conversation" in description for description in played.replies[0])
    assert not any("send the whole" in description for description in run(listed).replies[0])


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


# Proof of delivery


def place(fault: type[BreaksMcp]) -> tuple[str, Any]:
    """A point that the fault can go to, and the server there."""
    where: Any = STDIO if fault.row.transport == "stdio" else URL
    transport: Any = "stdio" if where is STDIO else "http"
    methods = {"mcp.lookup_order.1": "tools/call", "mcp.tools_list.1": "tools/list", "mcp.initialize.1": "initialize"}
    at = next(name for name, method in methods.items() if fault.row.applies(Point(name, "mcp", "x", 1, method=method, transport=transport)))
    return at, where


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.row.id for fault in FAULTS])
def test_a_fault_changes_what_the_client_sees_and_one_that_does_nothing_does_not(
    fault: type[BreaksMcp], monkeypatch: pytest.MonkeyPatch
) -> None:
    at, where = place(fault)
    schedule = single(fault.row.id, at)
    played = run(lambda: one_call(where, read_timeout_seconds=5), schedule)
    assert [strike.changed for strike in played.strikes] == [True]
    monkeypatch.setattr(fault, "strike", lambda *_: McpStrike())
    idle = run(lambda: one_call(where, read_timeout_seconds=5), schedule)
    assert [strike.changed for strike in idle.strikes] == [False]
    assert idle.replies[0][0].structured_content == {"total": 49.9}


def test_a_fault_that_breaks_by_itself_is_the_labs_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def strike(self: Any, call: McpCall) -> McpStrike:
        raise KeyError(call.tool)

    monkeypatch.setattr(select(["mcp_is_error"])[0], "strike", strike)
    played = run(lambda: one_call(URL), single("mcp_is_error"))
    assert played.ending == "lab"
    assert "The lab failed at tools/call under mcp_is_error: KeyError: 'lookup_order'" in played.problems


@pytest.mark.parametrize(("mode", "raises"), [("mcp-server-down", httpx2.ConnectError), ("mcp-server-hangs", MCPError)])
def test_a_mode_keeps_every_session_from_opening(mode: str, raises: type[Exception]) -> None:
    played = run(lambda: one_call(URL, read_timeout_seconds=5), mode_schedule(mode))
    assert [type(error) for error in leaves(played.replies[0][0])] == [raises]


def test_a_flaky_server_answers_every_second_call() -> None:
    async def agent() -> list[bool]:
        async with Client(URL) as client:
            return [isinstance(await called(client), mcp_types.CallToolResult) for _ in range(4)]

    assert run(agent, mode_schedule("mcp-server-flaky")).replies == ([False, True, False, True],)


def test_the_journal_tells_how_each_attempt_ended() -> None:
    played = run(lambda: one_call(URL, read_timeout_seconds=5), single("mcp_timeout"))
    ends = [(event.point, event.end, event.fault) for event in played.journal if isinstance(event, McpAnswered)]
    assert ends == [
        ("mcp.initialize.1", "delivered", ""),
        ("mcp.tools_list.1", "delivered", ""),
        ("mcp.lookup_order.1", "abandoned", "mcp_timeout"),
    ]


def test_a_real_server_may_print_what_is_no_answer() -> None:
    """An id that cannot be looked up, and JSON without an end, are the client's to refuse."""

    async def heard() -> list[bool]:
        out = Stdout()
        lines = [b'{"jsonrpc": "2.0", "id": {}, "result": {}}', b'{"id": [1]}', b"[" * 100_000]
        out._heard(b"\n".join([*lines, b""]))
        return [(await out.receive()).rstrip(b"\n") == line for line in lines]

    assert asyncio.run(heard()) == [True, True, True]
