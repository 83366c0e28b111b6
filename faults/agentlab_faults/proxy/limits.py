"""What one client may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection and of all of them; times in real seconds, sizes in bytes."""

    head: int = 64 * 1024
    """Request line and headers."""
    body: int = 32 * 1024 * 1024
    """A request's body: the largest that Anthropic's API takes; a larger one is answered 413."""
    head_seconds: float = 20.0
    """From a request's first byte to the end of its headers."""
    body_seconds: float = 120.0
    """For the whole body."""
    stall_seconds: float = 20.0
    """Between two pieces of a body."""
    idle_seconds: float = 75.0
    """A kept connection without a request."""
    connections: int = 512
    """At the same time; what comes beyond is closed at once."""
    discarded: int = 256 * 1024 * 1024
    """Of a body that is too large, thrown away so that the client reads the answer."""
