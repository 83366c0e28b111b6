"""The faults of MCP servers, through the official client over streamable HTTP and stdio: what is raised, and when.

The rows are the wire catalogue's, measured with mcp 2.3.0. One is corrected: closing a process that hangs takes 2 s, not 12.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pydantic
import pytest
from agentlab_faults.journal import McpAsked
from mcp import Client, MCPError

from .mcp_calls import STDIO, URL, called, leaves, one_call, quiet, run, single, struck

__all__ = ["quiet"]


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
