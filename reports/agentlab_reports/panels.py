"""A panel per cell: what happened, what the user saw, why it counts as it does, and how to see it again.

The worst panels are plain HTML in the page. The rest are rendered too, and packed (deflate, base64): the page's script unpacks them when
one is asked for, and without script the table of everything still holds their outcome.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentlab_reports.schema import CellLine, FaultInfo, Outcome, Span, SuiteResults
from agentlab_reports.score import cell_score
from agentlab_reports.waterfall import draw
from agentlab_reports.words import MARKS, is_control, is_scored, strike_name, worseness

__all__ = ["PLAIN_PANELS", "Panel", "anchor", "pack", "panels_of"]

PLAIN_PANELS = 200
_LONGEST = 4000
_SIBLINGS = 8


@dataclass(frozen=True, slots=True)
class Panel:
    """One cell with everything that its panel says. `score` is 0 to 100."""

    anchor: str
    cell: CellLine
    score: float | None
    before: Outcome | None
    facts: tuple[tuple[str, str], ...]
    """(name, value) of the figures beside the timeline."""
    faults: tuple[FaultInfo, ...]
    siblings: str
    """Links to the other points and shapes of the same scenario and fault, escaped: each is made once, not once for each panel."""
    more_siblings: int
    reply: str
    talk: tuple[Span, ...]
    """The user's turns and the agent's replies in order, where there was more than one."""
    drawing: str
    """The timeline as SVG. (Text, not its thousands of parts: the garbage collector would go through them again and again.)"""
    left_out: int
    """Rows that the drawing leaves out."""


def anchor(suite: str, cell: str) -> str:
    """The cell's id in the page: letters and digits only, the same in every report."""
    return "c" + hashlib.sha256(f"{suite}\0{cell}".encode()).hexdigest()[:12]


def panels_of(suites: Sequence[SuiteResults], baseline: Sequence[SuiteResults] | None) -> list[Panel]:
    """A panel for each cell, worst first, the controls last."""
    before = {(cell.suite, cell.id): cell for suite in baseline or () for cell in suite.cells}
    found: list[Panel] = []
    for suite in suites:
        together: dict[tuple[str, str], list[tuple[str, CellLine]]] = {}
        for cell in suite.cells:
            together.setdefault((cell.scenario, strike_name(cell)), []).append((anchor(cell.suite, cell.id), cell))
        for group in together.values():
            links = [_link(name, cell) for name, cell in group[: _SIBLINGS + 1]]
            for place, (name, cell) in enumerate(group):
                others = links[:place] + links[place + 1 :]
                found.append(_panel(name, cell, others[:_SIBLINGS], len(group) - 1, suite, before.get((cell.suite, cell.id))))
    return sorted(found, key=lambda panel: _order(panel.cell))


def pack(panels: dict[str, str]) -> str:
    """Panels by anchor, as base64 of deflated JSON: it holds no `<` whatever an agent said."""
    text = json.dumps(panels, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.b64encode(zlib.compress(text, 6)).decode() if panels else ""


def _facts(cell: CellLine, score: float | None, before: float | None) -> Iterator[tuple[str, str]]:
    counts = cell.counts
    was = f" (was {100 * before:.0f})" if score is not None and before is not None and round(100 * score) != round(100 * before) else ""
    yield "Cell score", "not scored" if score is None else f"{100 * score:.0f}{was}"
    if cell.answered_by != "unknown":
        yield "Answered by", cell.answered_by if cell.confidence is None else f"{cell.answered_by} (confidence {cell.confidence:.2g})"
    if counts.clean_requests:
        yield "Requests", f"{counts.requests:,} ({counts.requests / counts.clean_requests:.2f}\N{MULTIPLICATION SIGN})"
    if counts.clean_tokens:
        yield "Tokens", f"{counts.tokens:,} ({counts.tokens / counts.clean_tokens:.2f}\N{MULTIPLICATION SIGN})"
    yield f"{cell.time.capitalize()} time", f"{cell.virtual_seconds:.4g} s" + (f" of {cell.deadline:g} s" if cell.deadline else "")
    if counts.commits or counts.suppressed:
        yield "Effects", f"{counts.commits} committed" + (f", {counts.suppressed} repeats suppressed" if counts.suppressed else "")
    if cell.schedule:
        yield "Fault struck", f"{_times(cell.fired)}, seen {_times(cell.seen)}"
    yield "Weight", f"{cell.weight:g}"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _turns(cell: CellLine) -> int:
    return sum(span.kind == "turn" for span in cell.timeline)


def _order(cell: CellLine) -> tuple[bool, bool, int, float, float, str, str]:
    score = cell_score(cell)
    return (
        is_control(cell),
        not is_scored(cell),
        -worseness(cell.outcome),
        1.0 if score is None else score,
        -cell.weight,
        cell.suite,
        cell.id,
    )


def _link(name: str, cell: CellLine) -> str:
    shape = f" {cell.shape}" if cell.shape and cell.shape != "once" else ""
    return f'<a href="#{name}">{MARKS[cell.outcome]} {html.escape(f"{cell.point or cell.mode or cell.schedule}{shape}", quote=False)}</a> '


def _panel(name: str, cell: CellLine, links: Sequence[str], others: int, suite: SuiteResults, before: CellLine | None) -> Panel:
    score = cell_score(cell)
    drawn = draw(cell.timeline, cell.virtual_seconds)
    reply = cell.reply if len(cell.reply) <= _LONGEST else f"{cell.reply[:_LONGEST]} … and {len(cell.reply) - _LONGEST:,} more characters"
    return Panel(
        anchor=name,
        cell=cell,
        score=None if score is None else 100 * score,
        before=before.outcome if before else None,
        facts=tuple(_facts(cell, score, cell_score(before) if before else None)),
        faults=tuple(suite.header.faults[name] for name in dict.fromkeys((cell.mode or "", *cell.faults)) if name in suite.header.faults)[
            :3
        ],
        siblings="".join(links),
        more_siblings=max(0, others - _SIBLINGS),
        reply=reply,
        talk=tuple(span for span in cell.timeline if span.kind in {"turn", "reply"}) if _turns(cell) > 1 else (),
        drawing=drawn.__html__(),
        left_out=drawn.left_out,
    )
