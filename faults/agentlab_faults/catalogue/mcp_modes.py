"""The modes of MCP servers."""

from __future__ import annotations

from agentlab_faults.catalogue.mcp_messages import JsonRpcError, ServerSilent
from agentlab_faults.catalogue.mcp_transports import ServerUnreachable
from agentlab_faults.catalogue.modes import Mode, add_mode
from agentlab_faults.fault import Fault
from agentlab_faults.schedule import Injection


def _servers(fault: Fault, *, every: int = 1) -> Injection:
    """The fault at every request that it can act on."""
    return Injection(fault=fault, kind="mcp", shape="always", every=every)


add_mode(
    Mode(
        name="mcp-server-down",
        summary="No MCP server can be reached over HTTP for the whole run.",
        happens="The servers' host, or the network to it, is down.",
        best="needs_fallback",
        why="Only an agent that can do its work without these tools gets through; else it has to be said.",
        injections=(_servers(ServerUnreachable()),),
    )
)
add_mode(
    Mode(
        name="mcp-server-hangs",
        summary="MCP servers take every request and never answer.",
        happens="The service behind the servers is deadlocked.",
        best="needs_fallback",
        why="No waiting helps, so the tools have to be left out before the deadline.",
        injections=(_servers(ServerSilent()),),
    )
)
add_mode(
    Mode(
        name="mcp-server-flaky",
        summary="Every second call of an MCP tool ends in an internal error.",
        happens="One of two instances behind a balancer is broken.",
        best="recoverable",
        why="The call after a failed one passes.",
        injections=(_servers(JsonRpcError(), every=2),),
    )
)
