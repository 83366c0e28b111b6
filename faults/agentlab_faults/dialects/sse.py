"""Server-sent events: how a stream's answer is cut into pieces, and when each of them comes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agentlab_faults.exchange import Exchange, Part, Pause

__all__ = ["FIRST", "data", "event", "pieces", "streamed"]

FIRST = 0.4
"""Share of an answer's time until its first event; the rest passes between the others, evenly."""
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def data(payload: Any) -> bytes:
    """An event without a name."""
    return f"data: {_COMPACT(payload)}\n\n".encode()


def event(name: str, payload: Any) -> bytes:
    """An event with a name."""
    return f"event: {name}\ndata: {_COMPACT(payload)}\n\n".encode()


def pieces(text: str, count: int = 3) -> list[str]:
    """The text cut into at most `count` pieces of about the same length, at least one."""
    size = max(1, -(-len(text) // count))
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]


def streamed(status_headers: tuple[tuple[str, str], ...], events: Sequence[bytes], *, latency: float) -> Exchange:
    """Status 200 and the events, one part of the body each; the last one comes `latency` virtual seconds after the request."""
    if not latency:
        return Exchange(200, status_headers, tuple(events))
    gap = Pause(latency * (1 - FIRST) / max(1, len(events) - 1))
    body: list[Part] = []
    for chunk in events:
        body += [gap, chunk] if body else [chunk]
    return Exchange(200, status_headers, tuple(body), (Pause(latency * FIRST),))
