"""The journal: everything that crossed the agent's edge in one run, with virtual times."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Answered",
    "BreakerChanged",
    "Committed",
    "Event",
    "FaultStruck",
    "McpAnswered",
    "McpAsked",
    "Replied",
    "Requested",
    "StoreAnswered",
    "StoreAsked",
    "ToolEnded",
    "ToolStarted",
    "TurnBegan",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something at the agent's edge, `seconds` of virtual time after the run began."""

    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The event as plain data, its kind first."""
        return {"event": type(self).__name__, **dataclasses.asdict(self)}


@dataclass(frozen=True, slots=True)
class TurnBegan(Event):
    """A user's prompt was handed to the agent."""

    prompt: str
    run: int = 0
    """Of a session, the number of the run."""


@dataclass(frozen=True, slots=True)
class Requested(Event):
    """The agent sent a provider request. `sdk_retry`: the SDK's own retry count, from its header."""

    serial: int
    point: str
    attempt: int
    host: str
    model: str
    library: str
    size: int
    """Bytes of its body."""
    digest: str
    """SHA-256 of the body."""
    sdk_retry: int = 0


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """The request's exchange ended: `end` is `delivered`, `timeout`, `broken` or `abandoned`."""

    serial: int
    point: str
    attempt: int
    end: str
    status: int
    tokens: int
    fault: str
    retry_after: float | None = None
    """Seconds that the answer told the agent to wait."""
    calls: tuple[str, ...] = ()
    """Tools that a served answer called."""
    text: str = ""
    whole: bool = False
    """Whether it is the answer that would have come without a fault; it may have come late."""


@dataclass(frozen=True, slots=True)
class FaultStruck(Event):
    """A fault acted on a request or a tool."""

    fault: str
    point: str
    attempt: int
    changed: bool


@dataclass(frozen=True, slots=True)
class ToolStarted(Event):
    """A tool's execution began at the seam."""

    execution: str
    tool: str
    point: str
    attempt: int
    arguments: str
    """Canonical JSON."""


@dataclass(frozen=True, slots=True)
class Committed(Event):
    """A tool's effect happened (or was suppressed by its idempotency key)."""

    execution: str
    tool: str
    suppressed: bool


@dataclass(frozen=True, slots=True)
class ToolEnded(Event):
    """A tool's execution ended: `end` is `ok`, `raised`, `unknown` (it may have happened) or `cancelled`."""

    execution: str
    tool: str
    point: str
    end: str
    value: str
    fault: str


@dataclass(frozen=True, slots=True)
class StoreAsked(Event):
    """A client of the agent's began an attempt at a store's command."""

    serial: int
    command: str
    key: str
    """Without its numbers and ids."""
    point: str
    attempt: int


@dataclass(frozen=True, slots=True)
class StoreAnswered(Event):
    """The attempt ended: `end` is `delivered`, `error` (an error reply), `timeout`, `broken`, `refused` or `abandoned`."""

    serial: int
    point: str
    attempt: int
    end: str
    detail: str
    """What sort of reply, or which error; never what a store holds."""
    fault: str


@dataclass(frozen=True, slots=True)
class McpAsked(Event):
    """A client of the agent's began an attempt at a request to an MCP server."""

    serial: int
    method: str
    point: str
    attempt: int
    transport: str


@dataclass(frozen=True, slots=True)
class McpAnswered(Event):
    """The attempt ended: `end` is `delivered`, `timeout`, `broken`, `abandoned`, `exited`, or `passed` (on its way to a real server)."""

    serial: int
    point: str
    attempt: int
    end: str
    detail: str
    fault: str


@dataclass(frozen=True, slots=True)
class Replied(Event):
    """The agent answered a turn."""

    text: str
    run: int = 0
    """Of a session, the number of the run."""


@dataclass(frozen=True, slots=True)
class BreakerChanged(Event):
    """The agent said on a span that one of its circuit breakers is now `closed`, `open` or `half_open`."""

    name: str
    state: str
