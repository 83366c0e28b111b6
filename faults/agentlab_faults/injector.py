"""The injector: decides for each request and each tool execution which fault of the schedule strikes it, if any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import assert_never

from agentlab_faults.fault import Scope
from agentlab_faults.points import PointKind
from agentlab_faults.schedule import Burst, Injection, Schedule, Window

__all__ = ["Injector", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """A request, a tool execution or a store's command, as far as schedules can tell them apart."""

    kind: PointKind
    point: str
    attempt: int
    seconds: float
    host: str = ""
    """Of a store or an MCP server: where it is."""
    model: str = ""
    key: str = ""
    """A digest of the API key."""
    tool: str = ""
    effect: str = ""
    method: str = ""
    transport: str = ""

    def in_scope(self, scope: Scope) -> tuple[str, ...]:
        """What must be equal for a later target to lie in the same scope; every scope but `tool` lies within one host."""
        match scope:
            case "call":
                return (self.point,)
            case "host" | "store" | "server":
                return (self.host,)
            case "key":
                return (self.host, self.key)
            case "model":
                return (self.host, self.model)
            case "tool":
                return (self.tool,)
        assert_never(scope)


@dataclass(slots=True)
class _Armed:
    """One injection and what it has done so far."""

    injection: Injection
    place: tuple[str, ...] | None = None
    host: str = ""
    strikes: int = 0
    met: int = 0
    seed: str = ""
    level: float = 0.0
    """What a ramp's share has added up to since the last strike."""
    spells: Iterator[Window] | None = None
    spell: Window = field(default_factory=Window)

    def strikes_at(self, target: Target, primary: str) -> bool:
        """Whether the injection strikes this target; asked once for each target, in order."""
        hit = self._in_mode(target, primary) if self.injection.at is None else self._at_point(target)
        self.strikes += hit
        return hit

    def _at_point(self, target: Target) -> bool:
        injection = self.injection
        scope = injection.scope or injection.fault.row.scope
        if target.kind not in ("llm", "tool") and not self._may_act_on(target):
            return False
        if self.place is None:
            if target.point != injection.call or target.attempt < injection.attempt:
                return False
            self.place, self.host = target.in_scope(scope), target.host
        elif target.in_scope(scope) != self.place:
            return False
        match injection.shape:
            case "once":
                return self.strikes == 0
            case "x3":
                return self.strikes < 3 and target.point == injection.call and target.host == self.host
            case "always":
                return True
        assert_never(injection.shape)

    def _in_mode(self, target: Target, primary: str) -> bool:
        injection = self.injection
        row = injection.fault.row
        if target.kind != injection.kind and not (injection.kind is None and target.kind in row.kinds):
            return False
        if target.seconds not in injection.window or (injection.primary and target.host != primary):
            return False
        if target.kind != "llm" and not self._may_act_on(target):
            return False
        if injection.burst is not None and not self._in_spell(injection.burst, target.seconds):
            return False
        if injection.ramp is not None:
            if self.met == 0:
                self.level = 1.0 - injection.ramp.low  # the first matching request is struck
            self.level += injection.ramp.at(target.seconds)
            if self.level < 1.0 - 1e-9:
                return False
            self.level -= 1.0
        self.met += 1
        return (self.met - 1) % injection.every == 0

    def _in_spell(self, burst: Burst, seconds: float) -> bool:
        if self.spells is None:
            self.spells = burst.spells(self.seed)
            self.spell = next(self.spells)
        while seconds >= self.spell.end:
            self.spell = next(self.spells)
        return seconds in self.spell

    def _may_act_on(self, target: Target) -> bool:
        tools, row = self.injection.tools, self.injection.fault.row
        if target.kind not in row.kinds or (tools is not None and target.tool not in tools):
            return False
        return row.strikes_on(effect=target.effect, method=target.method, transport=target.transport, tool=target.tool)


class Injector:
    """The schedule of one run, and how far it has come."""

    def __init__(self, schedule: Schedule, *, seed: int = 0) -> None:
        self._armed = [_Armed(injection, seed=f"{seed} {number}") for number, injection in enumerate(schedule.injections)]
        self._primary = ""

    def pick(self, target: Target) -> Injection | None:
        """The injection that strikes this target: the first in the schedule that matches."""
        if not self._primary and target.kind == "llm":
            self._primary = target.host
        for armed in self._armed:
            if armed.strikes_at(target, self._primary):
                return armed.injection
        return None
