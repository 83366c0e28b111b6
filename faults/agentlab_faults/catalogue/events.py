"""Streams as faults see them: the event that is struck, what comes before and after it, and how an event is read and written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agentlab_faults.exchange import Exchange, Part
from agentlab_faults.fault import Served, Spoils

__all__ = ["Json", "StrikesEvent", "events_of", "name_of", "told", "written"]

Json = dict[str, Any]


class StrikesEvent(Spoils):
    """Acts at one event of the stream: the named one, else the middle one. A stream that ends before it goes through untouched."""

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        """The parts of the body that the agent gets. `before` ends with the wait for `event`."""
        raise NotImplementedError

    def spoil(self, served: Served) -> Exchange:
        """The stream, struck."""
        places = [place for place, part in enumerate(served.exchange.body) if isinstance(part, bytes)]
        number = served.chunk or len(places) // 2 + 1
        if number > len(places):
            return served.exchange
        at = places[number - 1]
        body = served.exchange.body
        event = body[at]
        struck = self.strike(served, body[:at], event if isinstance(event, bytes) else b"", body[at + 1 :])
        return served.exchange._replace(body=tuple(struck))


def events_of(parts: Sequence[Part]) -> list[bytes]:
    """The events among the parts of a body."""
    return [part for part in parts if isinstance(part, bytes)]


def told(event: bytes) -> Json:
    """What an event holds; empty if it is no JSON object (`[DONE]`)."""
    data = event.partition(b"data: ")[2].strip()
    if not data.startswith(b"{"):
        return {}
    held: Json = json.loads(data)
    return held


def name_of(event: bytes) -> str:
    """The event's name; empty if the API gives it none."""
    first = event.splitlines()[0]
    return first.removeprefix(b"event: ").decode() if first.startswith(b"event: ") else ""


def written(data: Any, *, like: bytes, name: str | None = None) -> bytes:
    """An event with this data (JSON, or bytes as they are), its lines ended as those of `like`, and named as it unless `name` says else."""
    end = b"\r\n" if b"\r\n" in like else b"\n"
    name = name_of(like) if name is None else name
    text = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return (b"event: " + name.encode() + end if name else b"") + b"data: " + text + end + end
