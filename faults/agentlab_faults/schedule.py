"""Schedules: which faults strike where, how often and when."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from agentlab_faults.fault import Fault, Scope, Shape
from agentlab_faults.points import CHUNK, PointKind

__all__ = ["FAULT_FREE", "Burst", "Injection", "Ramp", "Schedule", "Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """A span of virtual time in seconds since the run began; the end is not in it.

    >>> [seconds in Window(60.0, 360.0) for seconds in (59.9, 60.0, 360.0)]
    [False, True, False]
    """

    start: float = 0.0
    end: float = math.inf

    def __contains__(self, seconds: float) -> bool:
        return self.start <= seconds < self.end


@dataclass(frozen=True, slots=True)
class Burst:
    """Trouble that comes and goes: spells of about `on` virtual seconds with about `off` between them, the first one from the start.

    Each spell and each pause is between half and one and a half times as long as told, drawn from the run's seed.
    """

    on: float
    off: float

    def spells(self, seed: str) -> Iterator[Window]:
        """The spells in order, without end."""
        draw = random.Random(seed)  # noqa: S311 - chance for a simulation, not for a secret
        start = 0.0
        while True:
            end = start + self.on * draw.uniform(0.5, 1.5)
            yield Window(start, end)
            start = end + self.off * draw.uniform(0.5, 1.5)


@dataclass(frozen=True, slots=True)
class Ramp:
    """A share of the requests, 0 to 1, that goes from `low` to `high` within `seconds` virtual seconds and stays there.

    Which ones are struck follows from the share alone: at one half it is each second one.
    """

    low: float
    high: float
    seconds: float

    def at(self, seconds: float) -> float:
        """The share at this time."""
        return self.low + (self.high - self.low) * min(1.0, seconds / self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """One fault and where it strikes.

    With `at` (a point, or an event of its stream: `openai.chat.2.chunk.3`), from that attempt at that point on:
    `once`, three attempts (`x3`) or every later request in the scope (`always`).
    Without `at` (a mode), at every request of `kind` that lies in `window`; `primary` narrows it to the first provider that the run called.
    """

    fault: Fault
    at: str | None = None
    attempt: int = 1
    shape: Shape = "once"
    scope: Scope | None = None
    window: Window = Window()
    kind: PointKind | None = None
    primary: bool = False
    tools: frozenset[str] | None = None
    """Only these tools (a mode on tools)."""
    every: int = 1
    """Strike each n-th matching request only (a mode)."""
    burst: Burst | None = None
    """Strike in its spells only (a mode)."""
    ramp: Ramp | None = None
    """Strike this share of the matching requests only (a mode)."""

    @property
    def lasts(self) -> bool:
        """Whether every matching request is struck until the run ends."""
        return self.every == 1 and self.window.end == math.inf and self.burst is None and self.ramp is None

    @property
    def call(self) -> str | None:
        """The point without a chunk: `openai.chat.2` of `openai.chat.2.chunk.3`."""
        return self.at.partition(CHUNK)[0] if self.at is not None else None

    @property
    def chunk(self) -> int | None:
        """The event of the stream that `at` names, from 1."""
        number = self.at.partition(CHUNK)[2] if self.at is not None else ""
        return int(number) if number else None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named set of injections. The name is the part of a cell's id in brackets; the fault-free schedule has none."""

    name: str = ""
    injections: tuple[Injection, ...] = ()
    mode: str = ""


FAULT_FREE = Schedule()
