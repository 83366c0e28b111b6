"""A cell's timeline as a drawing: where each bar, mark and label goes. Units are the SVG's own, `WIDTH` wide; text is 12 units high."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agentlab_reports.schema import Span

__all__ = ["WIDTH", "Bar", "Lane", "Tick", "Waterfall", "draw"]

WIDTH = 860.0
_LEFT, _RIGHT = 196.0, 16.0
_ROW, _TALL_ROW, _LANE = 24.0, 40.0, 26.0
_TOP = 24.0
_LETTER, _BOLD_LETTER = 6.7, 7.4
_LABEL_LETTERS = 27
_MOST_ROWS = 60
_TOUCHING = 12.0
"""Marks that are nearer than this cover each other."""
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_STYLES = {"llm": "llm", "tool": "tool", "store": "tool", "mcp": "tool", "wait": "wait", "fault": "hit", "reply": "out", "note": "note"}


class Bar(NamedTuple):
    """One row: its label at the left, a bar, and a text beside it (or below, where a fault struck)."""

    style: str
    label: str
    x: float
    y: float
    width: float
    text: str
    text_x: float
    text_y: float
    anchor: str
    strong: bool


class Lane(NamedTuple):
    """A strip under the rows: the states of a breaker, or the moments at which effects were committed."""

    label: str
    y: float
    parts: tuple[tuple[str, float, float, str], ...]
    """(style, x, width, text) of each part."""


class Tick(NamedTuple):
    """A line of the grid."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A whole drawing."""

    height: float
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]
    lanes: tuple[Lane, ...]
    turns: tuple[Tick, ...]
    left_out: int
    """Rows that were left out of the middle because there are too many."""

    def __html__(self) -> str:
        """The drawing as an SVG element, every text escaped. (Written here and not in a template: a report has thousands of them.)"""
        low = self.height - 4
        ticks = "".join(
            f'<path class="grid" d="M{t.x:g} 16V{low:g}"/><text class="tk" x="{t.x:g}" y="11">{t.text}</text>' for t in self.ticks
        )
        turns = "".join(f'<path class="turn" d="M{t.x:g} 16V{low:g}"/>' for t in self.turns)
        rows = "".join([*map(_bar_svg, self.bars), *map(_lane_svg, self.lanes)])
        head = f'<svg class="wf" viewBox="0 0 {WIDTH:g} {self.height:g}" role="img" aria-label="Timeline in seconds">'
        return f"{head}{ticks}{turns}{rows}</svg>"


def _bar_svg(bar: Bar) -> str:
    label = f'<text class="lb" x="{_LEFT - 8:g}" y="{bar.y + 13:g}">{html.escape(bar.label, quote=False)}</text>'
    rect = f'<rect class="b-{bar.style}" x="{bar.x:g}" y="{bar.y + 1:g}" width="{bar.width:g}" height="16"/>'
    style = ' class="st"' if bar.strong else ' class="e"' if bar.anchor == "end" else ""
    text = f'<text{style} x="{bar.text_x:g}" y="{bar.text_y:g}">{html.escape(bar.text, quote=False)}</text>' if bar.text else ""
    return f"{label}{rect}{text}"


def _lane_svg(lane: Lane) -> str:
    parts = [f'<text class="e" x="{_LEFT - 8:g}" y="{lane.y + 14:g}">{html.escape(lane.label, quote=False)}</text>']
    for style, x, width, text in lane.parts:
        if style == "commit":
            parts.append(f'<path class="b-commit" d="M{x:g} {lane.y + 3:g}l6 7-6 7-6-7z"/>')
        else:
            parts.append(f'<rect class="s-{style}" x="{x:g}" y="{lane.y + 1:g}" width="{width:g}" height="18"/>')
        indent = 10 if style == "commit" else 7
        parts.append(f'<text class="in" x="{x + indent:g}" y="{lane.y + 14:g}">{html.escape(text, quote=False)}</text>' if text else "")
    return "".join(parts)


def draw(spans: Sequence[Span], seconds: float) -> Waterfall:
    """The drawing of a timeline that lasts `seconds`."""
    total = max([seconds, 0.001, *(span.end for span in spans if math.isfinite(span.end))])
    scale = (WIDTH - _LEFT - _RIGHT) / total
    rows, left_out = _rows(spans)
    bars, y = [], _TOP
    for span in rows:
        bar = _bar(span, y, scale)
        bars.append(bar)
        y += _TALL_ROW if bar.strong else _ROW
    lanes = _lanes(spans, y + 6, scale)
    ticks = tuple(Tick(_x(second, scale), _seconds(second)) for second in _grid(total))
    turns = [span for span in spans if span.kind == "turn"]
    marks = tuple(Tick(_x(span.start, scale), span.label) for span in turns) if len(turns) > 1 else ()
    height = y + 6 + _LANE * len(lanes) + 4
    return Waterfall(round(height, 1), ticks, tuple(bars), lanes, marks, left_out)


def _rows(spans: Sequence[Span]) -> tuple[list[Span], int]:
    """The spans that get a row, in order; a fault's own span is left out where the call that it struck shows it."""
    struck = [span for span in spans if span.fault and span.kind in {"llm", "tool", "store", "mcp"}]
    rows = [span for span in spans if span.kind in _STYLES and not (span.kind == "fault" and _is_shown(span, struck))]
    rows.sort(key=lambda span: (span.start, span.end))
    if len(rows) <= _MOST_ROWS:
        return rows, 0
    keep = _MOST_ROWS * 3 // 4
    return rows[:keep] + rows[keep - _MOST_ROWS :], len(rows) - _MOST_ROWS


def _is_shown(mark: Span, struck: Sequence[Span]) -> bool:
    return any(span.fault == (mark.fault or mark.label) and span.start <= mark.start <= span.end for span in struck)


def _x(second: float, scale: float) -> float:
    return round(_LEFT + second * scale, 1)


def _bar(span: Span, y: float, scale: float) -> Bar:
    x = _x(span.start, scale)
    width = max(4.0, round((max(span.end, span.start) - span.start) * scale, 1))
    width = min(width, WIDTH - x)
    struck = bool(span.fault) or span.kind == "fault"
    words = [span.fault or span.label, span.status, span.detail] if struck else [span.status, span.detail]
    text = ": ".join(part for part in (("⚡ " + words[0]) if struck else "", ", ".join(filter(None, words[1 if struck else 0 :]))) if part)
    if span.kind == "wait":
        text = _seconds(span.end - span.start)
    label = _cut(span.label or span.kind, _LABEL_LETTERS)
    style = "hit" if struck else _STYLES[span.kind]
    text = _cut(text, 84)
    if struck:
        return Bar(style, label, x, y, width, text, round(max(_LEFT, min(x, WIDTH - len(text) * _BOLD_LETTER)), 1), y + 32, "start", True)
    return _beside(Bar(style, label, x, y, width, text, 0, y + 13, "start", False))


def _beside(bar: Bar) -> Bar:
    """The bar with its text to the right where it fits, else to the left, else cut."""
    needs = len(bar.text) * _LETTER
    right, left = WIDTH - (bar.x + bar.width + 6), bar.x - 6 - _LEFT
    anchor, x, room = ("start", bar.x + bar.width + 6, right) if needs <= right or right >= left else ("end", bar.x - 6, left)
    text = _cut(bar.text, int(room / _LETTER)) if needs > room else bar.text
    return Bar(bar.style, bar.label, bar.x, bar.y, bar.width, text, round(x, 1), bar.text_y, anchor, bar.strong)


def _lanes(spans: Sequence[Span], y: float, scale: float) -> tuple[Lane, ...]:
    breakers: dict[str, list[Span]] = {}
    for span in spans:
        if span.kind == "breaker":
            breakers.setdefault(span.label, []).append(span)
    lanes: list[Lane] = []
    commits = [span for span in spans if span.kind == "commit"]
    if commits:
        lanes.append(Lane("effects", y, tuple(_commits(commits, scale))))
    for name, states in breakers.items():
        lanes.append(Lane(_cut(f"breaker {name}", _LABEL_LETTERS), y + _LANE * len(lanes), tuple(_states(states, scale))))
    return tuple(lanes)


def _commits(commits: Sequence[Span], scale: float) -> Iterable[tuple[str, float, float, str]]:
    """A mark for each effect, or for several alike at one moment; its text only where the next mark leaves room."""
    marks: list[tuple[float, str, int]] = []
    for span in commits:
        x, text = _x(span.start, scale), _cut(f"{span.label} {span.status}", 30)
        if marks and marks[-1][1] == text and x - marks[-1][0] < _TOUCHING:
            marks[-1] = (marks[-1][0], text, marks[-1][2] + 1)
        else:
            marks.append((x, text, 1))
    for (x, text, count), end in zip(marks, [*(x for x, _, _ in marks[1:]), WIDTH], strict=True):
        said = text if count == 1 else f"{count} times {text}"
        yield "commit", x, 0.0, said if x + 12 + len(said) * _LETTER <= end else ""


def _states(states: Iterable[Span], scale: float) -> Iterable[tuple[str, float, float, str]]:
    for span in states:
        x, end = _x(span.start, scale), _x(span.end, scale)
        state = span.status.replace("-", "_") if span.status.replace("-", "_") in {"closed", "open", "half_open"} else "closed"
        width = max(2.0, round(min(end, WIDTH) - x, 1))
        yield state, x, width, span.status if width > len(span.status) * _LETTER + 8 else ""


def _grid(total: float) -> list[float]:
    step = next((step for step in _STEPS if total / step <= 7), _STEPS[-1] * math.ceil(total / _STEPS[-1] / 7))
    return [round(step * n, 3) for n in range(int(total / step) + 1)]


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value < 1000 else f"{value:,.0f} s"


def _cut(text: str, letters: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= letters else f"{flat[: max(0, letters - 1)]}…"
