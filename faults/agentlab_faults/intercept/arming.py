"""What is armed now: one handler for the whole process, or none, and what was seen under it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agentlab_faults.exchange import Exchange, WireRequest

__all__ = ["Armed", "End", "Handler", "Mocks", "OnEnd", "OnItsWay", "Watch", "current"]

End = Literal["delivered", "timeout", "broken", "abandoned"]
"""How an exchange ended: its body was read to the end; the client's own timeout fired; the connection broke; the client went away first."""

OnEnd = Callable[[End], None]
"""Told exactly once how an exchange ended, at the latest when the block of `armed` is left."""

Mocks = Literal["win", "inject", "replace"]
"""What becomes of requests that a user's mock would answer: the mock has them; the handler may put a fault over the mock (None: the mock
answers); the handler is meant to answer them all (None: the mock still answers, nothing goes to the network)."""


class Handler(Protocol):
    """Answers requests. Called in the thread that makes the request, outside of any lock."""

    def __call__(self, request: WireRequest) -> tuple[Exchange, OnEnd | None] | None:
        """The exchange to play, or None to let the request go where it was going (the guard still stands there)."""
        ...


class OnItsWay(Protocol):
    """An exchange on its way."""

    def gone(self) -> None:
        """The client has gone."""
        ...


@dataclass(slots=True)
class Watch:
    """What was seen while armed, apart from the requests that the handler got."""

    escaped: list[str] = field(default_factory=list)
    """Connections and look-ups that no seam saw, each once (`connect 93.184.216.34:443`, `lookup api.x.com:443`), and lost seams."""
    telemetry: list[str] = field(default_factory=list)
    """The same to known telemetry hosts: stopped too, but no reason to distrust the run."""
    mocked: list[str] = field(default_factory=list)
    """Requests that a user's own mock got without us (`POST api.openai.com/v1/chat/completions`)."""


@dataclass(slots=True)
class Armed:
    """One block of `armed`."""

    handler: Handler
    mocks: Mocks
    allow_hosts: frozenset[str]
    memoise: bool
    watch: Watch = field(default_factory=Watch)
    allowed_ports: set[int] = field(default_factory=set)
    """Ports for which an allowed host was looked up: connections go to addresses, not to names."""
    open: dict[OnItsWay, None] = field(default_factory=dict)
    """The exchanges that are still on their way, in the order of their requests (a set's order would differ from run to run)."""


class _Current:
    __slots__ = ("armed",)

    def __init__(self) -> None:
        self.armed: Armed | None = None


current = _Current()
"""The one global that every seam looks at; `current.armed is None` is idle."""
