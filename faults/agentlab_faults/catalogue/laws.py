"""The laws that every row keeps, ours and yours: `complaints` says what a fault breaks of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from agentlab_faults.fault import Best, BreaksMcp, BreaksQueue, BreaksStore, BreaksTool, Fault, Replaces, Row, Shape, Spoils

__all__ = ["complaints", "unset_setting"]

_ORDER: tuple[Best, ...] = ("recoverable", "needs_fallback", "fatal")
_ACTS = (Replaces, Spoils, BreaksTool, BreaksStore, BreaksMcp, BreaksQueue)
_NO_RETRY = ("auth", "budget", "content_filter", "permanent")


def complaints(fault: type[Fault]) -> list[str]:
    """One sentence for each law that the fault's row breaks; none if it is fit for the catalogue."""
    row = fault.row
    return [f"{row.id}: {sentence}" for sentence in (*_of_words(fault), *_of_best(row), *_of_rate(row))]


def unset_setting(fault: type[Fault]) -> str:
    """The first of its settings that has no default; empty if all have one."""
    return next((name for name, field in fault.model_fields.items() if field.is_required()), "")


def _of_words(fault: type[Fault]) -> Iterator[str]:
    row = fault.row
    for name in ("why", "happens", "agent_should"):
        if len(text := getattr(row, name)) < 5 or not text.endswith("."):
            yield f"`{name}` is no sentence; write one that ends with a full stop."
    if not (fault.__doc__ or "").strip().endswith("."):
        yield "the docstring is no sentence; say in one what the fault simulates."
    if unset := unset_setting(fault):
        yield f"`{unset}` has no default; give it one, for suites play every fault with its default settings."
    if not issubclass(fault, _ACTS):
        yield "it is of no kind that acts; derive it from Replaces, Spoils, Rewrites or BreaksTool."


def _of_best(row: Row) -> Iterator[str]:
    bests = [row.best[shape] for shape in get_args(Shape) if shape in row.best]
    if not bests:
        yield "`best` names no shape, so it is never offered; give it at least `once`."
    elif "undetectable" in bests:
        if set(bests) != {"undetectable"}:
            yield "what cannot be detected once cannot be detected at all; make every shape `undetectable`."
    elif bests != sorted(bests, key=_ORDER.index):
        yield "striking longer cannot be easier; let `best` not rise from `once` over `x3` to `always`."
    if row.boundary == "provider-http" and row.category in _NO_RETRY and "recoverable" in bests:
        yield f"who must not retry ({row.category}) cannot recover alone; make it `needs_fallback`."


def _of_rate(row: Row) -> Iterator[str]:
    if not 0 < row.rate.share < 1:
        yield "`rate.share` is no share of calls; give one between 0 and 1."
    if not row.rate.source:
        yield "`rate.source` is empty; say where the figure comes from, if only from yourself."
