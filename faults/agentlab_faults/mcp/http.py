"""MCP over streamable HTTP: the client's requests, seen at its HTTP transport, and the exchanges that answer them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final

from agentlab_faults.exchange import Exchange, Pause, WireRequest
from agentlab_faults.fault import McpStrike
from agentlab_faults.intercept.arming import End, OnEnd
from agentlab_faults.mcp.switch import Board, Message, Request, completed

__all__ = ["LOST_EVENT", "Gateway", "as_json", "as_sse"]

LOST_EVENT: Final = "agentlab-1"
"""The id of the event that a stream gave before it was cut."""
_SESSION: Final = "mcp-session-id"
_PROBE: Final = "agentlab"
_SILENT: Final = Exchange(before=(Pause(math.inf),))


def as_json(body: bytes, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Exchange:
    """A JSON body."""
    own = (("content-type", "application/json"), ("content-length", str(len(body))))
    return Exchange(status=status, headers=(*own, *headers), body=(body,) if body else ())


def as_sse(*parts: bytes, status: int = 200) -> Exchange:
    """A stream of events that ends after `parts`."""
    return Exchange(status=status, headers=(("content-type", "text/event-stream"), ("cache-control", "no-cache")), body=parts)


class Gateway:
    """What one run makes of MCP's HTTP requests."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._lost: dict[str, tuple[Message, Message]] = {}
        """By address: a request whose stream was cut where it can be resumed, and its answer."""

    def __call__(self, request: WireRequest) -> tuple[Exchange, OnEnd | None] | None:
        """Answer one request; None lets it through to a real server."""
        address = request.host
        served = self._board.served(address) is not None
        if request.method == "POST":
            return self._posted(request, address, served=served)
        if request.method == "GET" and "last-event-id" in request.headers and address in self._lost:
            return self._resumed(address)
        if not served:
            return None
        return Exchange(status=405 if request.method == "GET" else 200, headers=(("content-length", "0"),)), None

    def _posted(self, request: WireRequest, address: str, *, served: bool) -> tuple[Exchange, OnEnd | None] | None:
        message = _parsed(request.body)
        if "method" not in message or "id" not in message:
            return (Exchange(status=202, headers=(("content-length", "0"),)), None) if served else None
        attempt = self._board.begin(message, address, "http")
        if attempt is None:
            return (as_json(_bytes(self._board.plainly(message, address))), None) if served else None
        session = ((_SESSION, "agentlab"),) if message["method"] == "initialize" else ()
        if attempt.strike is None:
            if not served:
                attempt.ended("passed")
                return None
            return as_json(_bytes(attempt.answered()), headers=session), _ending(attempt)
        return self._struck(attempt, attempt.strike, message, address, session, served=served)

    def _struck(
        self, attempt: Request, strike: McpStrike, message: Message, address: str, session: tuple[tuple[str, str], ...], *, served: bool
    ) -> tuple[Exchange, OnEnd | None] | None:
        clean = attempt.answered() if served and strike.runs else {"jsonrpc": "2.0", "id": message["id"], "result": {}}
        if not served and _needs_the_answer(strike, clean):
            attempt.struck(changed=False)
            attempt.ended("passed")
            return None
        shown = strike.message(json.loads(_bytes(clean))) if strike.message else clean
        if not served:
            shown = completed(shown, message)
        if strike.http is not None:
            exchange = strike.http(_bytes(shown))
            if exchange.content.startswith(b"id: " + LOST_EVENT.encode()):
                self._lost[address] = message, clean
        elif strike.silent:
            exchange = _SILENT
        elif not served and strike.message is None:
            attempt.struck(changed=False)
            attempt.ended("passed")
            return None
        else:
            exchange = as_json(_bytes(shown), headers=session)
        spoiled = not served or exchange != as_json(_bytes(clean), headers=session)
        attempt.struck(changed=spoiled)
        return exchange, _ending(attempt, spoiled=spoiled)

    def _resumed(self, address: str) -> tuple[Exchange, OnEnd | None] | None:
        """The client comes back for what a cut stream had left; a fault that strikes again has nothing to give."""
        message, clean = self._lost[address]
        attempt = self._board.begin(message, address, "http")
        if attempt is None:
            return _SILENT, None
        if attempt.strike is not None:
            attempt.struck(changed=True)
            return Exchange(status=405, headers=(("content-length", "0"),)), _ending(attempt, spoiled=True)
        del self._lost[address]
        return as_sse(b"id: agentlab-2\ndata: " + _bytes(clean) + b"\n\n"), _ending(attempt)


def _needs_the_answer(strike: McpStrike, clean: Message) -> bool:
    """Whether the fault makes its answer out of the server's own, which a real one has not given. Under a wrong id nobody reads it."""
    if not strike.runs or strike.message is None:
        return False
    shown = strike.message(clean | {"result": {_PROBE: True}})
    result = shown.get("result")
    return shown.get("id") == clean["id"] and isinstance(result, dict) and _PROBE in result


def _ending(attempt: Request, *, spoiled: bool = False) -> Callable[[End], None]:
    return lambda end: attempt.ended(end, spoiled=spoiled or end != "delivered")


def _bytes(message: Message) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _parsed(body: bytes) -> dict[str, Any]:
    """One JSON-RPC message; anything else is none."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
