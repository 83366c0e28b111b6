"""What a failing item says: the fault and its point, what the agent saw, its reply, the row that decided, and how to see it again."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from agentlab_reports.schema import CellLine

__all__ = ["failure_text", "one_line"]

_SEEN = 6
"""Strikes that are told one by one."""


def one_line(line: CellLine) -> str:
    """The outcome and why."""
    return f"{line.outcome} (row {line.row}): {line.why}"


def failure_text(line: CellLine, where: str) -> str:
    """The whole story of a cell in a few lines. `where` is the scenario's file and line."""
    rows = [("cell", _title(line)), *_rows(line), ("scenario", where)]
    body = [_row(name, text) for name, text in rows if text]
    return "\n".join([*_wrapped(one_line(line), 120), *body, "", f"Reproduce: {line.replay}"])


def _title(line: CellLine) -> str:
    if line.mode:
        return f"{line.scenario} under {line.mode}"
    if line.faults:
        shape = {"once": "once", "x3": "three times", "always": "every time"}.get(line.shape, line.shape)
        return f"{line.scenario} under {' + '.join(line.faults)} at {line.point}, {shape}"
    return f"{line.scenario} without any fault"


def _rows(line: CellLine) -> Iterator[tuple[str, str]]:
    yield "expected", f"{' or '.join(line.allowed)} ({line.best_why.rstrip('.')})" if line.allowed else ""
    yield "agent saw", "\n".join(_seen(line))
    yield "reply", repr(line.reply) if line.reply else ""
    yield "error", line.error
    yield "answered", line.answered_by if line.answered_by != "unknown" else ""
    yield "findings", "\n".join(f"{one.severity}: {one.text}" for one in line.findings)
    counts = line.counts
    cost = f"{counts.requests} requests ({counts.clean_requests} without faults), {counts.tool_runs} tool runs, {counts.commits} commits"
    yield "cost", f"{cost}, {line.virtual_seconds:.1f} {line.time} s of {line.deadline:g}"


def _seen(line: CellLine) -> Iterator[str]:
    struck = [span for span in line.timeline if span.fault and span.kind in ("llm", "tool", "store", "mcp")]
    for span in struck[:_SEEN]:
        yield f"{span.label} at {span.start:.2f} s: {span.status or 'no answer'} ({span.fault})" + (
            f"  {span.detail}" if span.detail else ""
        )
    if len(struck) > _SEEN:
        yield f"... and {len(struck) - _SEEN} more strikes"


def _row(name: str, text: str) -> str:
    first, *rest = [piece for row in text.splitlines() for piece in _wrapped(row, 110) or [""]]
    return "\n".join([f"  {name:<10}{first}", *(f"  {'':<10}{row}" for row in rest)])


def _wrapped(text: str, width: int) -> list[str]:
    """`textwrap.wrap`, which takes its time over lines that fit as well: most do."""
    fits = len(text) <= width and text.isprintable() and not text.endswith(" ")
    return [text] if text and fits else textwrap.wrap(text, width)
