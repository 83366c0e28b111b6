"""From globs to faults, and from faults and points to schedules, in one canonical order."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from agentlab_faults.fault import Fault, Shape, all_faults
from agentlab_faults.points import Point
from agentlab_faults.schedule import Injection, Schedule

__all__ = ["SHAPES", "UnknownFault", "nearest", "schedule_name", "select", "singles"]

SHAPES: tuple[Shape, ...] = ("once", "x3", "always")
"""The order in which a fault's shapes are tried."""


class UnknownFault(ValueError):
    """No fault of the catalogue has this id, or matches this glob."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence that offers the likeliest right name; empty if none is near."""
    close = difflib.get_close_matches(word.replace("*", ""), list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else "; `agentlab faults list` shows them all."


def select(globs: Iterable[str]) -> list[type[Fault]]:
    """The faults that match any of `globs` (`http_429*`), in the catalogue's order. Raises UnknownFault for a glob that matches none."""
    known = all_faults()
    chosen: set[str] = set()
    for glob in globs:
        matched = {name for name in known if fnmatchcase(name, glob)}
        if not matched:
            raise UnknownFault(f"No fault of the catalogue is named {glob!r}{nearest(glob, known)}")
        chosen |= matched
    return [fault for name, fault in known.items() if name in chosen]


def schedule_name(point: str, fault: str, shape: Shape) -> str:
    """The name of a single: `openai.chat.2-http_429_rate`, with `-x3` or `-always` for the shapes that are not `once`."""
    return f"{point}-{fault}" + ("" if shape == "once" else f"-{shape}")


def singles(points: Sequence[Point], faults: Sequence[type[Fault]]) -> list[Schedule]:
    """One schedule for each fault, shape and point that fit: point by point, then in the order of `faults`, then `SHAPES`."""
    return [
        Schedule(schedule_name(point.name, fault.row.id, shape), (Injection(fault=fault(), at=point.name, shape=shape),))
        for point in points
        for fault in faults
        if fault.row.applies(point)
        for shape in SHAPES
        if shape in fault.row.best
    ]
