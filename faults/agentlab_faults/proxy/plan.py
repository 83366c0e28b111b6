"""What is to be broken, where and how often, and the dealer that decides it for each request."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

from agentlab_faults.catalogue import UnknownFault, mode_schedule, select
from agentlab_faults.exchange import Break, Exchange, Pause, Timeouts, WireRequest
from agentlab_faults.fault import BreaksTool, Fault, Replaces, Shape
from agentlab_faults.injector import Injector, Target
from agentlab_faults.proxy.playing import break_kind
from agentlab_faults.schedule import FAULT_FREE, Injection, Schedule

__all__ = ["NOTHING", "Dealer", "Plan", "make_plan"]

_PROBE: Final = WireRequest("socket", "POST", "http://localhost/", "localhost", "/", {}, b"{}", Timeouts(), sync=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Faults by turns, or a schedule (a mode, or faults at one point)."""

    name: str = ""
    """As a user would say it: a mode's name, or globs."""
    faults: tuple[Fault, ...] = ()
    schedule: Schedule = FAULT_FREE
    rate: float | None = None
    """Share of requests that are struck, 0 to 1; None strikes the first attempt at each logical call."""
    left_out: tuple[str, ...] = ()
    """Faults that the globs match and that no server can make."""

    @property
    def breaks(self) -> bool:
        """Whether there is anything to break."""
        return bool(self.faults or self.schedule.injections)


NOTHING: Final = Plan()


def make_plan(
    globs: Sequence[str] = (), *, mode: str | None = None, rate: float | None = None, at: str | None = None, shape: str = "once"
) -> Plan:
    """A plan from a user's words. Raises ValueError with one sentence for what cannot be."""
    if mode is not None and (globs or rate is not None or at is not None):
        raise ValueError("A mode says by itself what breaks and when; leave out faults, rate and point, or the mode.")
    if rate is not None and not 0 <= rate <= 1:
        raise ValueError(f"The rate is a share of requests from 0 to 1, not {rate:g}.")
    if at is not None and rate is not None:
        raise ValueError("A point and a rate exclude each other; give one of them.")
    if shape not in get_args(Shape):
        raise ValueError(f"The shape is {', '.join(get_args(Shape))}; it is not {shape!r}.")
    if mode is not None:
        return _of_mode(mode)
    return _of_faults(tuple(globs), rate, at, shape)  # type: ignore[arg-type]  # just checked


def _of_mode(mode: str) -> Plan:
    schedule = mode_schedule(mode)
    possible = tuple(injection for injection in schedule.injections if _why_not(injection.fault) is None)
    if not possible:
        raise ValueError(f"The mode {mode!r} breaks tools only, which run inside the app; `agentlab test` reaches them.")
    left = tuple(injection.fault.row.id for injection in schedule.injections if injection not in possible)
    return Plan(name=mode, schedule=replace(schedule, injections=possible), left_out=left)


def _of_faults(globs: tuple[str, ...], rate: float | None, at: str | None, shape: Shape) -> Plan:
    chosen = [fault() for fault in select(globs)]
    possible = tuple(fault for fault in chosen if _why_not(fault) is None)
    if globs and not possible:
        raise UnknownFault(f"{chosen[0].row.id} cannot be made here: {_why_not(chosen[0])}.")
    left = tuple(fault.row.id for fault in chosen if _why_not(fault) is not None)
    if at is None:
        return Plan(name=",".join(globs), faults=possible, rate=rate, left_out=left)
    injections = tuple(Injection(fault=fault, at=at, shape=shape) for fault in possible)
    return Plan(name=",".join(globs), schedule=Schedule(f"{at}-{','.join(globs)}", injections), left_out=left)


def _why_not(fault: Fault) -> str | None:
    """Why a server cannot make this fault; None if it can."""
    if isinstance(fault, BreaksTool) or "llm" not in fault.row.kinds:
        return "it strikes inside the app, which `agentlab test` reaches"
    if not isinstance(fault, Replaces):
        return None
    parts = _parts(fault.answer(_PROBE))
    if any(isinstance(part, Pause) and part.phase == "pool" for part in parts):
        return "it is the client's own connection pool that is empty"
    breaks = [part for part in parts if isinstance(part, Break)]
    if any(break_kind(part) == "impossible" for part in breaks):
        return "it happens on the client's side of the connection, in its resolver or its proxy"
    if any(isinstance(part.cause, ssl.SSLError) for part in breaks):
        return "the app speaks plain HTTP to this server"
    return None


def _parts(exchange: Exchange) -> list[object]:
    return [*exchange.before, *exchange.body]


class Dealer(Injector):
    """Deals the faults of a plan out to one scope's requests. The same seed and requests give the same faults."""

    def __init__(self, plan: Plan, chance: random.Random, paused: Callable[[], bool]) -> None:
        super().__init__(plan.schedule)
        self._plan, self._chance, self._paused = plan, chance, paused
        self._dealt: dict[str, int] = {}
        """How often each fault had its turn."""
        self._by_api: dict[str, tuple[Fault, ...]] = {}
        self._since: float | None = None

    def pick(self, target: Target) -> Injection | None:
        """What strikes this request, if anything. The windows of a mode begin with the first request that it meets."""
        if self._paused():
            return None
        if self._since is None:
            self._since = target.seconds
        if not self._plan.faults:
            return super().pick(replace(target, seconds=target.seconds - self._since))
        fitting = self._fitting(target.point.rpartition(".")[0])
        if self._plan.rate is not None:
            struck = self._chance.random() < self._plan.rate
            return Injection(fault=self._chance.choice(fitting), kind="llm") if struck and fitting else None
        if target.attempt > 1 or not fitting:
            return None
        fault = min(fitting, key=lambda one: self._dealt.get(one.row.id, 0))
        self._dealt[fault.row.id] = self._dealt.get(fault.row.id, 0) + 1
        return Injection(fault=fault, kind="llm")

    def _fitting(self, api: str) -> tuple[Fault, ...]:
        """The plan's faults that this wire API can have."""
        known = self._by_api.get(api)
        if known is None:
            known = self._by_api[api] = tuple(fault for fault in self._plan.faults if fault.row.apis is None or api in fault.row.apis)
        return known
