"""Every fault of MCP servers changes what the client sees, and the journal tells how each attempt ended."""

from __future__ import annotations

from typing import Any

import httpx2
import mcp_types
import pytest
from agentlab_faults import BreaksMcp, McpCall, McpStrike, Point
from agentlab_faults.catalogue import mode_schedule, select
from agentlab_faults.journal import McpAnswered
from mcp import Client, MCPError

from .mcp_calls import STDIO, URL, called, leaves, one_call, quiet, run, single

__all__ = ["quiet"]
FAULTS = [fault for fault in select(["*"]) if issubclass(fault, BreaksMcp)]


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
