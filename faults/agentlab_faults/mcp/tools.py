"""The official client's tools: `ClientSession.call_tool` leads to the hub, inside the call's own timeout.

A server tells a tool's failure as a result with `isError`, and never raises: what a fault raises in a tool's name becomes such a result.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from agentlab_faults.ledger import canonical
from agentlab_faults.tools import hub

__all__ = ["seam_session"]

_TIMED_OUT: Final = -32001
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
    call = _Call(send)
    try:
        with anyio.fail_after(None if limit is None else float(limit) + _LATER):
            value = await hub.around(name, arguments, None, call.body)
    except TimeoutError as error:
        if call.raised is error:
            raise
        errors: Any = importlib.import_module("mcp.shared.exceptions")
        raise errors.MCPError(_TIMED_OUT, "Request 'tools/call' timed out") from error
    except _ToolSaysError as said:
        return said.result
    except Exception as error:
        if call.raised is error:
            raise
        return _result({"content": [{"type": "text", "text": f"Error executing tool {name}: {error}"}], "isError": True})
    return call.told(value)


class _Call:
    """One call on its way: what the server said, and what was raised."""

    def __init__(self, send: Callable[[], Any]) -> None:
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
        if getattr(self._result, "is_error", False):
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
    structured = getattr(result, "structured_content", None)
    if structured is not None:
        return structured
    text = "\n".join(str(getattr(part, "text", "")) for part in getattr(result, "content", None) or ())
    try:
        return json.loads(text)
    except ValueError:
        return text


def _result(told: dict[str, Any]) -> Any:
    types: Any = importlib.import_module("mcp_types")
    return types.CallToolResult.model_validate(told, by_name=False)
