"""The lab's own MCP server: `initialize`, `tools/list`, `tools/call` and `ping` of the handshake era, from the suite's tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from agentlab_faults.played import McpServer

__all__ = ["VERSION", "answer"]

VERSION: Final = "2025-11-25"
"""The newest protocol version of the handshake era; a client that asks for an older one gets that one."""
_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", VERSION)
_NO_METHOD: Final = -32601

Message = dict[str, Any]


def answer(server: McpServer, message: Message, run: Callable[[str, Mapping[str, Any]], Any]) -> Message:
    """The answer to a request. `run` executes a tool and gives its value; KeyError for one that is not there."""
    method, params = str(message.get("method")), message.get("params") or {}
    match method:
        case "initialize":
            result = _initialized(params)
        case "ping":
            result = {}
        case "tools/list":
            result = {"tools": [_shown(server, name) for name in server.tools]}
        case "tools/call":
            result = _called(server, str(params.get("name")), params.get("arguments") or {}, run)
        case _:
            return {"jsonrpc": "2.0", "id": message.get("id"), "error": {"code": _NO_METHOD, "message": f"Method not found: {method}"}}
    return {"jsonrpc": "2.0", "id": message.get("id"), "result": result}


def _initialized(params: Mapping[str, Any]) -> Message:
    asked = params.get("protocolVersion")
    return {
        "protocolVersion": asked if asked in _VERSIONS else VERSION,
        "capabilities": {"tools": {"listChanged": False}},
        "serverInfo": {"name": "agentlab", "version": "1"},
    }


def _shown(server: McpServer, name: str) -> Message:
    tool = server.tools[name]
    shown = {"name": name, "description": tool.description or f"The tool {name}.", "inputSchema": tool.input}
    return shown | ({"outputSchema": tool.output} if tool.output else {})


def _called(server: McpServer, name: str, arguments: Mapping[str, Any], run: Callable[[str, Mapping[str, Any]], Any]) -> Message:
    if name not in server.tools:
        return {"content": [{"type": "text", "text": f"Unknown tool: {name}"}], "isError": True}
    value = run(name, arguments)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    result: Message = {"content": [{"type": "text", "text": text}], "isError": False}
    return result | ({"structuredContent": value} if isinstance(value, dict) else {})
