"""From globs to faults, and from faults and points to schedules, in one canonical order."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import get_args

from agentlab_faults.fault import Boundary, Fault, Shape, all_faults
from agentlab_faults.points import CHUNK, Point
from agentlab_faults.schedule import Injection, Schedule

__all__ = ["SHAPES", "UnknownFault", "at_events", "nearest", "places", "schedule_name", "select", "shapes_in_turn", "singles"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
"""`once`, `x3`, `always`: the order in which a fault's shapes are tried."""

_AT_EVENT = re.compile(rf"(?P<call>.+){re.escape(CHUNK)}(?P<number>\d+)-(?P<fault>[^-]+?)(-(?P<shape>{'|'.join(SHAPES)}))?")
_BOUNDARIES: tuple[str, ...] = get_args(Boundary)


class UnknownFault(ValueError):  # noqa: N818 - named for the thing, as RateLimited is
    """No fault of the catalogue has this id, or matches this glob."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence that offers the likeliest right name, or says where to look."""
    close = difflib.get_close_matches(word.replace("*", ""), list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else "; `agentlab faults list` shows them all."


def select(globs: Iterable[str]) -> list[type[Fault]]:
    """The faults that match any of `globs` (`http_429*`), boundary by boundary, by id. Raises UnknownFault for a glob that matches none."""
    known = all_faults()
    chosen: set[str] = set()
    for glob in globs:
        matched = {name for name in known if fnmatchcase(name, glob)}
        if not matched:
            raise UnknownFault(f"No fault of the catalogue is named {glob!r}{nearest(glob, known)}")
        chosen |= matched
    return sorted((known[name] for name in chosen), key=lambda fault: (_BOUNDARIES.index(fault.row.boundary), fault.row.id))


def schedule_name(point: str, fault: str, shape: Shape) -> str:
    """The name of a single: `openai.chat.2-http_429_rate`, with `-x3` or `-always` for the shapes that are not `once`."""
    return f"{point}-{fault}" + ("" if shape == "once" else f"-{shape}")


def singles(points: Sequence[Point], faults: Iterable[type[Fault]]) -> list[Schedule]:
    """One schedule for each point, fault and shape that fit: point by point, then fault by fault as given, then by `SHAPES`.

    Every fault strikes with its default settings; one that strikes events of a stream does so at the first, a middle and the last one.
    """
    chosen = list(faults)
    return [
        Schedule(schedule_name(place, fault.row.id, shape), (Injection(fault=fault(), at=place, shape=shape),))
        for point in points
        for fault in chosen
        if fault.row.applies(point)
        for place in places(point, fault)
        for shape in SHAPES
        if shape in fault.row.best
    ]


def shapes_in_turn(schedules: Iterable[Schedule], first: int = 0) -> list[Schedule]:
    """Of `singles`, one for each fault and place: a fault's shapes are taken in turn from place to place, beginning with number `first`."""
    shapes: dict[tuple[str, str | None], list[Schedule]] = {}
    for schedule in schedules:
        [injection] = schedule.injections
        shapes.setdefault((injection.fault.row.id, injection.at), []).append(schedule)
    turns: Counter[str] = Counter()
    chosen = []
    for (fault, _), each in shapes.items():
        chosen.append(each[(first + turns[fault]) % len(each)])
        turns[fault] += 1
    return chosen


def at_events(points: Sequence[Point], name: str) -> list[Schedule]:
    """The schedules that a single's name with an event in it stands for: `openai.chat.2.chunk.5-stream_reset_midway`, as globs, in any
    shape if none is named. None for an event that the fault-free stream does not have. Raises UnknownFault for a name that cannot be.
    """
    read = _AT_EVENT.fullmatch(name)
    if read is None:
        raise UnknownFault(f"{name!r} names no event of a stream; write POINT.chunk.NUMBER-FAULT (openai.chat.2.chunk.5-stream_cut_clean).")
    call, number, shape = read["call"], int(read["number"]), read["shape"]
    return [
        Schedule(schedule_name(place, fault.row.id, each), (Injection(fault=fault(), at=place, shape=each),))
        for point in points
        if fnmatchcase(point.name, call) and 1 <= number <= point.chunks
        for place in (f"{point.name}{CHUNK}{number}",)
        for fault in select([read["fault"]])
        if fault.row.at_event and fault.row.applies(point)
        for each in SHAPES
        if each in fault.row.best and shape in (None, each)
    ]


def places(point: Point, fault: type[Fault]) -> list[str]:
    """Where at a point the fault strikes: at the point, or at the first, a middle and the last event of its stream."""
    if not (fault.row.at_event and point.chunks):
        return [point.name]
    numbers = dict.fromkeys((1, point.chunks // 2 + 1, point.chunks))
    return [f"{point.name}{CHUNK}{number}" for number in numbers]
