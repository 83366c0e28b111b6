"""The summary in a terminal: the verdict first, then why, what it rests on, and where to look next."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from agentlab_reports.schema import OUTCOMES
from agentlab_reports.verdict import CellRef, Verdict
from agentlab_reports.views import chips
from agentlab_reports.words import MARKS, NAMES

__all__ = ["summary"]

_TITLES = {"ship": ("✓ SHIP", "bold green"), "dont_ship": ("✕ DON'T SHIP", "bold red"), "undecidable": ("? UNDECIDABLE", "bold yellow")}
_STATES = {"pass": ("✓", "green"), "fail": ("✕", "red"), "open": ("?", "yellow")}
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_STYLES |= {f"bold {name}": f"1;{_STYLES[name]}" for name in ("red", "green", "yellow")}
_SHOWN = 8
_NARROWEST = 20

Line = list[tuple[str, str]]


def summary(verdict: Verdict, *, report: str | Path | None = None, color: bool = False, width: int = 100) -> str:
    """The summary as text. `report`: where the HTML file is. `color`: with ANSI colours, for a terminal only; `width`: its columns."""
    return "".join(f"{_render(line, color)}\n" for line in _lines(verdict, report, width))


def _render(line: Line, color: bool) -> str:
    return "".join(f"\x1b[{_STYLES[style]}m{_printable(words)}\x1b[0m" if color and style else _printable(words) for words, style in line)


def _printable(words: str) -> str:
    """On one line and without control characters: what an agent said may not steer a terminal, nor look like a line of the summary."""
    if words.isprintable():
        return words
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in words)


def _lines(verdict: Verdict, report: str | Path | None, width: int) -> Iterator[Line]:
    title, style = _TITLES[verdict.decision]
    yield [(title, style), (f"  (exit {verdict.exit_code})", "dim")]
    for sentence in textwrap.wrap(verdict.sentence, max(width, _NARROWEST)):
        yield [(sentence, "")]
    yield []
    yield from _conditions(verdict)
    yield []
    yield from _score(verdict)
    yield from _counts(verdict)
    yield from _changes(verdict)
    yield from _worst(verdict)
    yield from _fixes(verdict)
    if report is not None:
        yield []
        yield [("Report: ", "bold"), (str(report), "cyan")]


def _conditions(verdict: Verdict) -> Iterator[Line]:
    for chip in chips(verdict):
        mark, style = _STATES[chip.state]
        yield [(f"  {mark} ", style), (f"{chip.title}: ", ""), (chip.value, "bold")]


def _score(verdict: Verdict) -> Iterator[Line]:
    score = verdict.score
    value = "none" if score.value is None else f"{score.value:.0f}"
    letter = f"ungraded: {score.ungraded}" if score.ungraded else f"grade {score.grade}"
    before = f", baseline {verdict.baseline.value:.0f}" if verdict.baseline and verdict.baseline.value is not None else ""
    yield [("Score ", "bold"), (value, "bold"), (f" ({letter}{before})", ""), (f"  {score.arithmetic}", "dim")]


def _counts(verdict: Verdict) -> Iterator[Line]:
    parts = [f"{NAMES[outcome].lower()} {verdict.outcomes[outcome]:,}" for outcome in reversed(OUTCOMES) if verdict.outcomes.get(outcome)]
    yield [
        ("Cells ", "bold"),
        (f"{verdict.exercised:,} exercised, {verdict.pairs:,} different pairs of point and fault: ", ""),
        (", ".join(parts), ""),
    ]
    if verdict.left_out:
        why = "each pair was played in one of its shapes; play all with --shapes all (pytest: --agentlab-shapes all)"
        yield [("Left out ", "bold"), (f"{verdict.left_out:,} cells: {why}", "")]
    answered = [f"{layer.name} {layer.cells:,}" for layer in verdict.layers]
    if answered:
        yield [("Answered by ", "bold"), (", ".join(answered), "")]
    if verdict.exposure:
        yield [("Exposure ", "bold"), (f"{len(verdict.exposure):,} cells with a fault that no agent can detect (not scored)", "")]


def _changes(verdict: Verdict) -> Iterator[Line]:
    changes = verdict.changes
    if changes is None or not (changes.cells or changes.agent):
        return
    yield []
    yield [("Since the baseline", "bold")]
    shown = [(change, more) for change, more in changes.grouped() if change.kind not in {"waived", "exposure"}]
    for change, more in shown[:_SHOWN]:
        style = "red" if change.kind in {"regressed", "removed"} else "green" if change.kind == "fixed" else ""
        before, after = (NAMES[outcome] if outcome else "gone" for outcome in (change.before, change.after))
        again = f"  and {more} more like it" if more else ""
        yield [(f"  {change.kind:<10}", style), (change.id, "bold"), (f"  {before} -> {after}", ""), (again, "dim")]
    if len(shown) > _SHOWN:
        yield [(f"  and {len(shown) - _SHOWN} more", "dim")]
    for sentence in changes.agent:
        yield [("  agent     ", "dim"), (sentence, "")]


def _worst(verdict: Verdict) -> Iterator[Line]:
    if not verdict.worst:
        return
    yield []
    yield [("Worst cells", "bold")]
    for cell in verdict.worst[:_SHOWN]:
        yield _cell(cell)
        yield [(f"      {cell.why}", "dim")]
    if verdict.worst[0].replay:
        yield [("  Again: ", "dim"), (verdict.worst[0].replay, "cyan")]


def _cell(cell: CellRef) -> Line:
    more = f"  and {cell.more} more like it" if cell.more else ""
    return [(f"  {MARKS[cell.outcome]:>2} ", "red"), (cell.id, "bold"), (f"  {NAMES[cell.outcome]}", "red"), (more, "dim")]


def _fixes(verdict: Verdict) -> Iterator[Line]:
    if not verdict.fixes:
        return
    yield []
    yield [("Fix these first", "bold")]
    for fix in verdict.fixes[:4]:
        points = f"{fix.points:+.1f}" if fix.points >= 0.05 else "  - "
        lifts = f", {fix.cap} the cap" if fix.cap else ""
        yield [(f"  {points:>5} points ", "bold"), (f"{fix.title} ({fix.cells} cells{lifts}): ", ""), (fix.advice, "dim")]
