"""The picture of a cell: its journal as spans of virtual time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypedDict

from agentlab_faults.journal import (
    Answered,
    BreakerChanged,
    Committed,
    Event,
    FaultStruck,
    McpAnswered,
    McpAsked,
    Replied,
    Requested,
    StoreAnswered,
    StoreAsked,
    ToolEnded,
    ToolStarted,
    TurnBegan,
)
from agentlab_reports.schema import Span
from pydantic import TypeAdapter

__all__ = ["MAX_DETAIL", "MAX_SPANS", "timeline"]

MAX_SPANS = 200
"""A longer timeline keeps its first spans and says how many it left out."""
MAX_DETAIL = 300
"""Characters kept of a text in a span."""
_WAIT = 0.05
"""Virtual seconds of silence between two attempts at a call that are drawn as a wait."""


class _Bar(TypedDict):
    """A span as plain data: all of a timeline are made into `Span` in one go."""

    kind: str
    start: float
    end: float
    label: str
    status: str
    detail: str
    fault: str


_SPANS = TypeAdapter(list[Span])


def timeline(journal: Sequence[Event], replies: Iterable[str], seconds: float, mask: Callable[[str], str]) -> list[Span]:
    """Spans in order of their start; everything that never ended ends with the run. `replies` are the texts of the replies in order."""
    spans = _Spans(iter(replies), seconds, mask)
    for event in journal:
        spans.add(event)
    found = sorted(spans.done, key=lambda bar: bar["start"])
    if len(found) > MAX_SPANS:
        left = len(found) - MAX_SPANS
        last = found[MAX_SPANS]["start"]
        found = [*found[:MAX_SPANS], _bar("note", last, last, f"{left} more spans left out")]
    return _SPANS.validate_python(found)


def _bar(kind: str, start: float, end: float, label: str, *, status: str = "", detail: str = "", fault: str = "") -> _Bar:
    return {"kind": kind, "start": start, "end": end, "label": label, "status": status, "detail": detail, "fault": fault}


def _round(seconds: float) -> float:
    return round(seconds, 6) if math.isfinite(seconds) else 0.0


class _Spans:
    def __init__(self, replies: Iterator[str], seconds: float, mask: Callable[[str], str]) -> None:
        self._replies = replies
        self.done: list[_Bar] = []
        self._end = _round(seconds)
        self._mask = mask
        self._open: dict[str, _Bar] = {}
        self._idle_since: dict[str, float] = {}
        """When the last attempt at a point ended."""

    def add(self, event: Event) -> None:
        now = _round(event.seconds)
        match event:
            case TurnBegan():
                self._mark("turn", now, "user", detail=event.prompt)
            case Requested():
                self._wait(event.point, now)
                span = self._begin(f"llm:{event.serial}", "llm", now, _label(event.point, event.attempt))
                span["detail"] = f"{event.model} at {event.host}" + (f", SDK retry {event.sdk_retry}" if event.sdk_retry else "")
            case Answered():
                self._answered(event, now)
            case FaultStruck():
                seen = "changed" if event.changed else "unchanged"
                self._mark("fault", now, event.fault, status=seen, detail=event.point, fault=event.fault)
            case ToolStarted():
                self._wait(event.point, now)
                span = self._begin(f"tool:{event.execution}", "tool", now, _label(event.point, event.attempt))
                span["detail"] = self._cut(event.arguments)
            case ToolEnded():
                self._end_span(f"tool:{event.execution}", now, event.end, event.value, event.fault)
                self._idle_since[event.point] = now
            case StoreAsked() | McpAsked() | StoreAnswered() | McpAnswered():
                self._outside(event, now)
            case Committed() | BreakerChanged() | Replied():
                self._noted(event, now)

    def _noted(self, event: Committed | BreakerChanged | Replied, now: float) -> None:
        match event:
            case Committed():
                self._mark("commit", now, event.tool, status="suppressed" if event.suppressed else "committed")
            case Replied():
                self._mark("reply", now, "reply", detail=next(self._replies, event.text))
            case BreakerChanged():
                self._breaker(event, now)

    def _breaker(self, event: BreakerChanged, now: float) -> None:
        """A part of a breaker's strip, until its next change; it was closed before the first."""
        key = f"breaker:{event.name}"
        if key not in self._open:
            self._begin(key, "breaker", 0.0, event.name)["status"] = "closed"
        self._open[key]["end"] = now
        self._begin(key, "breaker", now, event.name)["status"] = event.state

    def _outside(self, event: StoreAsked | McpAsked | StoreAnswered | McpAnswered, now: float) -> None:
        """A store or an MCP server was asked, or has answered."""
        kind = "store" if isinstance(event, StoreAsked | StoreAnswered) else "mcp"
        if isinstance(event, StoreAsked | McpAsked):
            self._wait(event.point, now)
            detail = event.key if isinstance(event, StoreAsked) else f"{event.method} over {event.transport}"
            self._begin(f"{kind}:{event.serial}", kind, now, _label(event.point, event.attempt))["detail"] = self._cut(detail)
            return
        status, detail = (event.detail, "") if event.end == "error" else (event.end, event.detail)
        self._end_span(f"{kind}:{event.serial}", now, status, detail, event.fault)
        self._idle_since[event.point] = now

    def _answered(self, event: Answered, now: float) -> None:
        calls = f"calls {', '.join(event.calls)}" if event.calls else event.text
        status = str(event.status) if event.end == "delivered" else event.end
        self._end_span(f"llm:{event.serial}", now, status, calls, event.fault)
        self._idle_since[event.point] = now

    def _cut(self, text: str) -> str:
        text = self._mask(text)
        return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 3] + "..."

    def _begin(self, key: str, kind: str, now: float, label: str) -> _Bar:
        span = _bar(kind, now, self._end, label)
        self._open[key] = span
        self.done.append(span)
        return span

    def _end_span(self, key: str, now: float, status: str, detail: str, fault: str) -> None:
        span = self._open.pop(key, None)
        if span is None:
            return
        span["end"], span["status"], span["fault"] = now, status, fault
        if detail:
            span["detail"] = f"{span['detail']} -> {self._cut(detail)}" if span["detail"] else self._cut(detail)

    def _wait(self, point: str, now: float) -> None:
        since = self._idle_since.get(point)
        if since is not None and now - since > _WAIT:
            self.done.append(_bar("wait", since, now, "backoff", detail=point))

    def _mark(self, kind: str, now: float, label: str, *, status: str = "", detail: str = "", fault: str = "") -> None:
        self.done.append(_bar(kind, now, now, label, status=status, detail=self._cut(detail), fault=fault))


def _label(point: str, attempt: int) -> str:
    return point if attempt == 1 else f"{point}@{attempt}"
