"""The official client's tools: `ClientSession.call_tool` leads to the hub, inside the call's own timeout.

Both majors: mcp 1 has other names for the parts of a result, for its error, and a timedelta for a timeout (langchain-mcp-adapters want it).
A server tells a tool's failure as a result with `isError`, and never raises: what a fault raises in a tool's name becomes such a result.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any, Final

from agentlab_faults.ledger import canonical
from agentlab_faults.tools import hub

__all__ = ["seam_session"]

_TIMED_OUT: Final = -32001
_TIMED_OUT_1: Final = 408
_LATER: Final = 1e-6
"""Seconds by which our timeout comes after the client's own: where the wire is silent, it is the client's that fires."""


class _ToolSaysError(Exception):
    """A result with `isError`."""

    def __init__(self, result: Any) -> None:
        super().__init__(_payload(result))
        self.result = result


def seam_session(module: ModuleType) -> None:
    """Put the seam into `mcp.client.session`."""
    session: Any = getattr(module, "ClientSession", None)
    if session is None or hasattr(session.call_tool, "agentlab_seam"):
        return
    below = session.call_tool

    @functools.wraps(below)
    async def call_tool(
        self: Any, name: str, arguments: dict[str, Any] | None = None, read_timeout_seconds: Any = None, *more: Any, **options: Any
    ) -> Any:
        if not hub.active():
            return await below(self, name, arguments, read_timeout_seconds, *more, **options)
        limit = getattr(self, "_session_read_timeout_seconds", None) if read_timeout_seconds is None else read_timeout_seconds
        return await _called(name, arguments or {}, limit, lambda: below(self, name, arguments, read_timeout_seconds, *more, **options))

    call_tool.agentlab_seam = True  # type: ignore[attr-defined]  # how a second look knows our own wrapper
    session.call_tool = call_tool


async def _called(name: str, arguments: dict[str, Any], limit: Any, send: Callable[[], Any]) -> Any:
    anyio: Any = importlib.import_module("anyio")
    call = _Call(name, send)
    seconds = limit.total_seconds() if isinstance(limit, timedelta) else limit
    try:
        with anyio.fail_after(None if seconds is None else float(seconds) + _LATER):
            value = await hub.around(name, arguments, None, call.body)
    except TimeoutError as error:
        if call.raised is error:
            raise
        raise _timed_out(seconds) from error
    except _ToolSaysError as said:
        return said.result
    except Exception as error:
        if call.raised is error:
            raise
        return _result({"content": [{"type": "text", "text": f"Error executing tool {name}: {error}"}], "isError": True})
    return call.told(value)


class _Call:
    """One call on its way: what the server said, and what was raised."""

    def __init__(self, name: str, send: Callable[[], Any]) -> None:
        self._name = name
        self._send = send
        self._result: Any = None
        self.raised: BaseException | None = None

    async def body(self) -> Any:
        """The call itself, as the hub runs it: its value without the protocol round it."""
        try:
            self._result = await self._send()
        except BaseException as error:
            self.raised = error
            raise
        failed = bool(_part(self._result, "is_error", "isError"))
        hub.say_failed(self._name, failed)  # openai-agents gives the model an error's text as any other
        if failed:
            raise _ToolSaysError(self._result)
        return _payload(self._result)

    def told(self, value: Any) -> Any:
        """The result that the agent gets for the hub's value."""
        if self._result is not None and canonical(_payload(self._result)) == canonical(value):
            return self._result
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        told: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": False}
        return _result(told | ({"structuredContent": value} if isinstance(value, dict) else {}))


def _payload(result: Any) -> Any:
    """What a tool told: its structured content, else its texts, read as JSON where they are."""
    structured = _part(result, "structured_content", "structuredContent")
    if structured is not None:
        return structured
    text = "\n".join(str(getattr(part, "text", "")) for part in getattr(result, "content", None) or ())
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _part(result: Any, name: str, name_1: str) -> Any:
    """A part of a result, by its name in mcp 2 and in mcp 1."""
    return getattr(result, name) if hasattr(result, name) else getattr(result, name_1, None)


def _result(told: dict[str, Any]) -> Any:
    types: Any = importlib.import_module("mcp.types")
    return types.CallToolResult.model_validate(told, by_name=False)


def _timed_out(seconds: Any) -> Any:
    """What the client raises when its own timeout has passed."""
    errors: Any = importlib.import_module("mcp.shared.exceptions")
    if hasattr(errors, "MCPError"):
        return errors.MCPError(_TIMED_OUT, "Request 'tools/call' timed out")
    types: Any = importlib.import_module("mcp.types")
    told = f"Timed out while waiting for response to ClientRequest. Waited {seconds} seconds."
    return errors.McpError(types.ErrorData(code=_TIMED_OUT_1, message=told))
