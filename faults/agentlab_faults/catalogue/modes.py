"""Degradation modes: named schedules that mean something to an operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentlab_faults.catalogue.rate_limits import InsufficientQuota
from agentlab_faults.catalogue.select import UnknownFault, nearest
from agentlab_faults.catalogue.server_errors import ServiceUnavailable
from agentlab_faults.catalogue.tools import ToolTimeout
from agentlab_faults.fault import Best
from agentlab_faults.points import Point
from agentlab_faults.schedule import Injection, Schedule

__all__ = ["Mode", "UnknownMode", "all_modes", "mode_schedule", "modes_for"]


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
        """Whether each injection finds enough points in the fault-free run to strike."""
        return all(_reaches(injection, points) for injection in self.injections)


def _reaches(injection: Injection, points: Sequence[Point]) -> bool:
    fitting = [
        point
        for point in points
        if injection.fault.row.applies(point)
        and (injection.kind is None or point.kind == injection.kind)
        and (injection.tools is None or point.target in injection.tools)
    ]
    return len(fitting) >= injection.every


_MODES: tuple[Mode, ...] = (
    Mode(
        name="primary-provider-outage",
        summary="The first provider answers 503 to every request; others are well.",
        happens="A provider's incident: hours, a few times a year, more often at weekday peaks.",
        best="needs_fallback",
        why="The provider stays away for the whole run.",
        injections=(Injection(fault=ServiceUnavailable(), kind="llm", primary=True, shape="always"),),
    ),
    Mode(
        name="all-providers-outage",
        summary="Every provider answers 503 to every request.",
        happens="The agent's own network or gateway fails, or its providers share a cloud region.",
        best="fatal",
        why="No model can be reached, so what is left is a cached, static or honest answer.",
        injections=(Injection(fault=ServiceUnavailable(), kind="llm", shape="always"),),
    ),
    Mode(
        name="quota-exhausted",
        summary="The first provider's account has no credit left.",
        happens="The month's spending limit is reached, or a prepaid balance runs out overnight.",
        best="needs_fallback",
        why="Nothing passes on that account until someone pays.",
        injections=(Injection(fault=InsufficientQuota(), kind="llm", primary=True, shape="always"),),
    ),
    Mode(
        name="tool-timeouts",
        summary="Every tool hangs whenever it is called.",
        happens="The backend behind all tools is down or deadlocked.",
        best="needs_fallback",
        why="Only another tool, where there is one, can do the work.",
        injections=(Injection(fault=ToolTimeout(), kind="tool", shape="always"),),
    ),
)


def all_modes() -> Mapping[str, Mode]:
    """Every mode by name, in the catalogue's order."""
    return {mode.name: mode for mode in _MODES}


def mode_schedule(name: str) -> Schedule:
    """The schedule of a mode. Raises UnknownMode with the nearest name."""
    known = all_modes()
    if name not in known:
        raise UnknownMode(f"No mode is named {name!r}{nearest(name, known)}")
    return Schedule(name, known[name].injections, mode=name)


def modes_for(points: Sequence[Point]) -> list[Mode]:
    """The modes that a run with these points can show, in the catalogue's order."""
    return [mode for mode in _MODES if mode.applies(points)]
