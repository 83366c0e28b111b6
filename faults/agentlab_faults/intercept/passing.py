"""A request that goes on to a real server: virtual time stands still while its answer is due, not while a stream has nothing to say.

A client that blocks its thread (sync httpx, urllib3) blocks the lab's, and time with it; this is for those that wait in an event loop.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from agentlab_faults.exchange import WireRequest
from agentlab_faults.intercept.endpoints import classify
from agentlab_faults.sim.active import standing_still

__all__ = ["Passage"]

_EVENTS: Final = "text/event-stream"
_PATIENCE: Final = 1.0
"""Real seconds for what may never come: the head of a subscription, and the next piece of a body whose length nobody knows."""


class Passage:
    """One request on its way, and its answer."""

    def __init__(self, request: WireRequest) -> None:
        self._subscribes = request.method == "GET" and _EVENTS in request.headers.get("accept", "")
        endpoint = classify(request) if request.method == "POST" else None
        self._owed = endpoint is not None and endpoint.kind == "mcp"
        """Messages of an MCP server are due on the body until one that has an id: the answer, or a question that comes before it."""
        self._line = b""
        self._patience = math.inf

    def head(self) -> AbstractContextManager[None]:
        """The block connects, sends the request and waits for the head."""
        return standing_still(_PATIENCE if self._subscribes else math.inf)

    def begins(self, headers: Mapping[str, str]) -> None:
        """The head is there."""
        events = headers.get("content-type", "").startswith(_EVENTS)
        self._owed = self._owed and events
        if not self._owed and "content-length" not in headers:
            self._patience = 0.0 if events and self._subscribes else _PATIENCE

    def read(self) -> AbstractContextManager[None]:
        """The block waits for the next piece of the body."""
        return standing_still(self._patience) if self._patience else nullcontext()

    def took(self, piece: bytes) -> None:
        """The piece is there."""
        if not self._owed:
            return
        *lines, self._line = (self._line + piece).split(b"\n")
        if any(_has_id(line) for line in lines):
            self._owed, self._patience = False, _PATIENCE


def _has_id(line: bytes) -> bool:
    """Whether a line of a stream of events is a message that answers or asks."""
    if not line.startswith(b"data:"):
        return False
    try:
        message: Any = json.loads(line[5:])
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and "id" in message
