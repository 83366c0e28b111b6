"""What a degradation mode is, and how to find one: a named schedule that means something to an operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentlab_faults.catalogue.select import UnknownFault, nearest
from agentlab_faults.fault import Best
from agentlab_faults.points import Point
from agentlab_faults.schedule import Injection, Schedule

__all__ = ["Mode", "UnknownMode", "add_mode", "all_modes", "mode_schedule", "modes_for"]


class UnknownMode(UnknownFault):
    """No mode has this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A named list of injections, what it simulates and when it happens for real."""

    name: str
    summary: str
    happens: str
    best: Best
    """The best outcome an agent can reach: the lowest of its rows, and `fatal` where the mode leaves no other provider either."""
    why: str
    injections: tuple[Injection, ...]

    def applies(self, points: Sequence[Point]) -> bool:
        """Whether each of its injections finds a point to strike in a run with these points."""
        return all(any(_reaches(injection, point) for point in points) for injection in self.injections)


def _reaches(injection: Injection, point: Point) -> bool:
    right_kind = injection.kind is None or point.kind == injection.kind
    right_tool = injection.tools is None or point.target in injection.tools
    return right_kind and right_tool and injection.fault.row.applies(point)


_modes: dict[str, Mode] = {}


def add_mode(mode: Mode) -> Mode:
    """Put a mode into the catalogue under its name. Raises ValueError if the name is taken."""
    if mode.name in _modes:
        raise ValueError(f"A mode named {mode.name!r} is there already; give this one another name.")
    _modes[mode.name] = mode
    return mode


def all_modes() -> Mapping[str, Mode]:
    """Every mode by name, in the catalogue's order."""
    return dict(_modes)


def mode_schedule(name: str) -> Schedule:
    """The schedule of a mode. Raises UnknownMode with the nearest name."""
    if name not in _modes:
        raise UnknownMode(f"No mode is named {name!r}{nearest(name, _modes)}")
    return Schedule(name, _modes[name].injections, mode=name)


def modes_for(points: Sequence[Point]) -> list[Mode]:
    """The modes that a run with these points can show, in the catalogue's order."""
    return [mode for mode in _modes.values() if mode.applies(points)]
