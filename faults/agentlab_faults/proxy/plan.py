"""What is to be broken, where and how often, and the dealer that decides it for each request."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from agentlab_faults.catalogue import UnknownFault, mode_schedule, select
from agentlab_faults.exchange import Break, Exchange, Pause, Timeouts, WireRequest
from agentlab_faults.fault import BreaksTool, Fault, Replaces, Shape
from agentlab_faults.injector import Injector, Target
from agentlab_faults.proxy.playing import break_kind
from agentlab_faults.schedule import FAULT_FREE, Injection, Schedule

__all__ = ["NOTHING", "Dealer", "Knock", "Plan", "at_the_door", "make_plan", "possible_part", "why_not"]

Knock = Literal["refuse", "untrusted", "cut", "silent"]
"""What becomes of a connection: the kernel refuses it, it is shown a certificate that nobody may trust, its handshake is reset, or never
ends."""
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
    globs: Sequence[str] = (),
    *,
    mode: str | None = None,
    rate: float | None = None,
    at: str | None = None,
    shape: str = "once",
    tls: bool = False,
) -> Plan:
    """A plan from a user's words, for a server that speaks TLS or does not. Raises ValueError with one sentence for what cannot be."""
    if mode is not None and (globs or rate is not None or at is not None):
        raise ValueError("A mode says by itself what breaks and when; leave out faults, rate and point, or the mode.")
    if rate is not None and not 0 <= rate <= 1:
        raise ValueError(f"The rate is a share of requests from 0 to 1, not {rate:g}.")
    if at is not None and rate is not None:
        raise ValueError("A point and a rate exclude each other; give one of them.")
    if shape not in get_args(Shape):
        raise ValueError(f"The shape is {', '.join(get_args(Shape))}; it is not {shape!r}.")
    if mode is not None:
        return _of_mode(mode, tls=tls)
    return _of_faults(tuple(globs), rate, at, shape, tls=tls)  # type: ignore[arg-type]  # just checked


def _of_mode(mode: str, *, tls: bool) -> Plan:
    whole = mode_schedule(mode)
    schedule = possible_part(whole, tls=tls)
    if not schedule.injections:
        reasons = dict.fromkeys(str(why_not(injection.fault, tls=tls)) for injection in whole.injections)
        raise ValueError(f"The mode {mode!r} cannot be made here: {'; '.join(reasons)}.")
    left = tuple(injection.fault.row.id for injection in whole.injections if injection not in schedule.injections)
    return Plan(name=mode, schedule=schedule, left_out=left)


def possible_part(schedule: Schedule, *, tls: bool = False) -> Schedule:
    """The schedule without what no server can make."""
    possible = tuple(injection for injection in schedule.injections if why_not(injection.fault, tls=tls) is None)
    return replace(schedule, injections=possible)


def _of_faults(globs: tuple[str, ...], rate: float | None, at: str | None, shape: Shape, *, tls: bool) -> Plan:
    chosen = [fault() for fault in select(globs)]
    reasons = {fault.row.id: why_not(fault, tls=tls, at=at) for fault in chosen}
    possible = tuple(fault for fault in chosen if reasons[fault.row.id] is None)
    if globs and not possible:
        raise UnknownFault(f"{chosen[0].row.id} cannot be made here: {reasons[chosen[0].row.id]}.")
    left = tuple(name for name, why in reasons.items() if why is not None)
    if at is None:
        return Plan(name=",".join(globs), faults=possible, rate=rate, left_out=left)
    injections = tuple(Injection(fault=fault, at=at, shape=shape) for fault in possible)
    return Plan(name=",".join(globs), schedule=Schedule(f"{at}-{','.join(globs)}", injections), left_out=left)


def why_not(fault: Fault, *, tls: bool = False, at: str | None = None) -> str | None:
    """Why a server cannot make this fault; None if it can."""
    if isinstance(fault, BreaksTool) or "llm" not in fault.row.kinds:
        return "it strikes inside the app, which `agentlab test` reaches"
    if not isinstance(fault, Replaces):
        return None
    if fault.row.family == "tls" and not tls:
        return "the app speaks plain HTTP to this server, unless it is started with --tls"
    if fault.row.family == "tls" and at is not None:
        return "it strikes a connection, before there is a call; leave out the point"
    parts = _parts(fault.answer(_PROBE))
    if any(isinstance(part, Pause) and part.phase == "pool" for part in parts):
        return "it is the client's own connection pool that is empty"
    if at_the_door(fault) is None and any(isinstance(part, Break) and break_kind(part) == "impossible" for part in parts):
        return "it happens on the client's side of the connection, in its resolver or its proxy"
    return None


def at_the_door(fault: Fault) -> Knock | None:
    """What the fault does to a connection before there is a request; None if it strikes requests."""
    if not isinstance(fault, Replaces) or fault.row.boundary != "network":
        return None
    if fault.row.family == "tls":
        before = fault.answer(_PROBE).before
        causes = [part.cause for part in before if isinstance(part, Break)]
        if not causes:
            return "silent"
        return "untrusted" if isinstance(causes[0], ssl.SSLError) else "cut"
    breaks = [part for part in fault.answer(_PROBE).before if isinstance(part, Break)]
    return "refuse" if breaks and break_kind(breaks[0]) == "refuse" else None


def _parts(exchange: Exchange) -> list[object]:
    return [*exchange.before, *exchange.body]


class Dealer(Injector):
    """Deals the faults of a plan out to one scope's requests, and with `doors` to connections.

    The same seed and requests give the same faults.
    """

    def __init__(self, plan: Plan, chance: random.Random, paused: Callable[[], bool], *, doors: bool = False) -> None:
        super().__init__(plan.schedule)
        self._plan, self._chance, self._paused = plan, chance, paused
        self._dealt: dict[str, int] = {}
        """How often each fault had its turn."""
        self._by_api: dict[str, tuple[Fault, ...]] = {}
        self._since: float | None = None
        self._doors = tuple(fault for fault in plan.faults if doors and at_the_door(fault) is not None)
        lasting = [injection.fault for injection in plan.schedule.injections if doors and injection.at is None and injection.lasts]
        self._at_every = next((fault for fault in lasting if at_the_door(fault) not in {None, "refuse"}), None)
        self._turned_away = False
        """The next call has had its strike, before it was made."""
        self._api = "openai.chat"
        """Of the last request."""

    @property
    def at_doors(self) -> bool:
        """Whether connections can be struck, so that each call needs a new one."""
        return bool(self._doors) or self._at_every is not None

    def at_every_door(self) -> Fault | None:
        """The fault that a mode has for every connection."""
        return None if self._paused() else self._at_every

    def at_door(self) -> Fault | None:
        """What strikes the next connection, if anything."""
        if self._paused() or not self._doors:
            return None
        if self._plan.rate is not None:
            fault = self._chance.choice(self._plan.faults) if self._chance.random() < self._plan.rate else None
            return fault if fault in self._doors else None
        fault = min((*self._fitting(self._api), *self._doors), key=self._turns)
        if fault not in self._doors:
            return None
        self._deal(fault)
        self._turned_away = True
        return fault

    def _turns(self, fault: Fault) -> tuple[int, int]:
        return self._dealt.get(fault.row.id, 0), self._plan.faults.index(fault)

    def _deal(self, fault: Fault) -> None:
        self._dealt[fault.row.id] = self._dealt.get(fault.row.id, 0) + 1

    def pick(self, target: Target) -> Injection | None:
        """What strikes this request, if anything. The windows of a mode begin with the first request that it meets."""
        if self._paused():
            return None
        if self._since is None:
            self._since = target.seconds
        if not self._plan.faults:
            return super().pick(replace(target, seconds=target.seconds - self._since))
        self._api = target.point.rpartition(".")[0]
        fitting = self._fitting(self._api)
        if self._plan.rate is not None:
            struck = self._chance.random() < self._plan.rate
            return Injection(fault=self._chance.choice(fitting), kind="llm") if struck and fitting else None
        turned_away, self._turned_away = self._turned_away, False
        if target.attempt > 1 or turned_away or not fitting:
            return None
        fault = min(fitting, key=self._turns)
        self._deal(fault)
        return Injection(fault=fault, kind="llm")

    def _fitting(self, api: str) -> tuple[Fault, ...]:
        """The plan's faults that this wire API can have, those of connections left out."""
        known = self._by_api.get(api)
        if known is None:
            known = tuple(fault for fault in self._plan.faults if fault.row.apis is None or api in fault.row.apis)
            known = self._by_api[api] = tuple(
                fault for fault in known if fault not in self._doors and at_the_door(fault) in {None, "refuse"}
            )
        return known
