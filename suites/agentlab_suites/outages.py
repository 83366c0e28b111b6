"""How an agent behaved towards a dead provider: what reached it once a breaker had opened, what its probes did, how fast it was back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentlab_faults.journal import Answered, BreakerChanged, FaultStruck, Requested
from agentlab_faults.played import Played
from agentlab_faults.schedule import Schedule
from agentlab_reports.schema import Finding

from agentlab_suites.findings import finding

__all__ = ["find_outages"]

LONG = 60.0
"""Virtual seconds from which on an agent should have stopped asking."""
PATIENCE = 20.0
"""Virtual seconds in which an agent may find out."""
MANY = 10
"""Requests after that which nothing held back."""
TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class _Call:
    """One request to the dead host."""

    began: float
    ended: float
    well: bool
    place: int
    """Its place in the journal."""


@dataclass(frozen=True, slots=True)
class _Outage:
    """A host that a session's mode struck, and when."""

    host: str
    first: float
    end: float
    calls: tuple[_Call, ...]
    changes: tuple[tuple[int, BreakerChanged], ...]
    """Of the breakers that guard it, with their places in the journal."""

    @property
    def opened(self) -> tuple[int, float] | None:
        """Place and time at which a breaker first opened."""
        return next(((place, one.seconds) for place, one in self.changes if one.state == "open" and one.seconds < self.end), None)

    def state_at(self, place: int) -> str:
        """The breaker's state just before a place in the journal."""
        return next((one.state for at, one in reversed(self.changes) if at < place), "closed")


def find_outages(played: Played, schedule: Schedule) -> list[Finding]:
    """The findings about outages of a session; none for a single run."""
    if not played.runs:
        return []
    found: dict[str, str] = {}
    for outage in _outages(played, schedule):
        for code, text in _of(outage, played):
            found.setdefault(code, text)
    return [finding(code, text) for code, text in found.items()]


def _outages(played: Played, schedule: Schedule) -> Iterator[_Outage]:
    ends = [injection.window.end for injection in schedule.injections if injection.kind == "llm" and injection.at is None]
    asked = {event.point: event.host for event in played.journal if isinstance(event, Requested)}
    requests = [(place, event) for place, event in enumerate(played.journal) if isinstance(event, Requested)]
    struck: dict[str, float] = {}
    for place, event in enumerate(played.journal):
        if isinstance(event, FaultStruck) and event.point in asked:
            host = next(one.host for at, one in reversed(requests) if at < place and one.point == event.point)
            struck.setdefault(host, event.seconds)
    for host, first in struck.items() if ends else ():
        end = min(max(ends), played.seconds)
        models = {event.model for _, event in requests if event.host == host}
        said = [(at, one) for at, one in enumerate(played.journal) if isinstance(one, BreakerChanged)]
        changes = [(at, one) for at, one in said if _guards(one.name, host, models)]
        yield _Outage(host, first, end, tuple(_calls(played, requests, host)), tuple(changes))


def _guards(breaker: str, host: str, models: set[str]) -> bool:
    return host in breaker or any(model and model in breaker for model in models)


def _calls(played: Played, requests: Sequence[tuple[int, Requested]], host: str) -> Iterator[_Call]:
    answers = {event.serial: event for event in played.journal if isinstance(event, Answered)}
    for place, request in requests:
        if request.host == host:
            answer = answers.get(request.serial)
            well = answer is not None and answer.end == "delivered" and not answer.fault
            yield _Call(request.seconds, answer.seconds if answer else math.inf, well, place)


def _of(outage: _Outage, played: Played) -> Iterator[tuple[str, str]]:
    if outage.opened is None:
        late = [call for call in outage.calls if outage.first + PATIENCE <= call.began < outage.end]
        if outage.end - outage.first >= LONG and len(late) >= MANY:
            yield "no_breaker", f"{outage.host} was dead for {outage.end - outage.first:.0f} s and was still sent {len(late)} requests"
        return
    place, opened = outage.opened
    after = [call for call in outage.calls if call.place > place and call.began < outage.end]
    leaked = [call for call in after if outage.state_at(call.place) != "half_open"]
    most = max((sum(one.began <= call.began < one.ended for one in after) for call in after), default=0)
    if leaked:
        yield "breaker_leaks", f"{len(leaked)} of {len(after)} requests reached {outage.host} past its open breaker, and were no probes"
    if most > 1:
        yield "probes_overlap", f"{most} requests were at {outage.host} at the same time after its breaker had opened"
    back = next((call for call in outage.calls if call.began >= outage.end and call.well), None)
    reset = max(_resets(outage), default=0.0)
    yield from _recovery(outage, back, reset, played)
    when = f"{back.began - outage.end:.1f} s after the outage it answered again" if back else "it was not asked again"
    told = (
        f"its breaker opened {opened - outage.first:.1f} s into the outage; in the {outage.end - opened:.0f} s that were left "
        f"{len(after)} requests reached {outage.host}, {len(after) - len(leaked)} of them probes, {most} at a time at most; {when}"
    )
    yield "outage_conduct", told


def _resets(outage: _Outage) -> Iterator[float]:
    """How long the breaker stayed open each time, until it let a probe through."""
    since: float | None = None
    for _, change in outage.changes:
        if change.state == "open":
            since = change.seconds
        elif since is not None:
            yield change.seconds - since
            since = None


def _recovery(outage: _Outage, back: _Call | None, reset: float, played: Played) -> Iterator[tuple[str, str]]:
    allowed = reset + TOLERANCE
    waited = (back.began if back else played.seconds) - outage.end
    if (back is not None and waited > allowed) or (back is None and waited > max(LONG, allowed)):
        yield "slow_recovery", f"{outage.host} was well again, and was not asked for {waited:.0f} s (its breaker waits {reset:.0f} s)"
