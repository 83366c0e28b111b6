"""Conformance: an app that was watched from outside, on real sockets, as results that reports can show.

Only the traffic is seen: whether a call that was struck was made again and answered. What the app told its user, and what its tools did, is
not; so a call that the app did not make again is judged by the app's exit code alone, or not at all.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import groupby

from agentlab_faults.fault import all_faults
from agentlab_faults.proxy import Blow
from agentlab_faults.schedule import Injection, Schedule
from agentlab_reports.schema import CellLine, Control, Counts, GateSettings, Header, Outcome, ScenarioInfo, Span, SuiteResults
from agentlab_reports.score import weights_hash

from agentlab_suites.best import best_of
from agentlab_suites.headers import fault_info
from agentlab_suites.model import Fallback

__all__ = ["Watched", "results_of"]

_NO_DEADLINE = 0.0
"""An app under chaos may take as long as it likes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was seen of one app."""

    name: str
    agent: str
    """The app's command, or how it was reached."""
    seed: int
    blows: Sequence[Blow]
    seconds: float
    exit_code: int | None
    """None if the server ran alone."""


def results_of(watched: Watched, mask: Callable[[str], str]) -> SuiteResults:
    """One line for each call that was struck. Times are real seconds."""
    keyed = sorted(watched.blows, key=lambda blow: (blow.scope, blow.point, blow.at))
    cells = [_line(watched, list(blows), mask) for _, blows in groupby(keyed, key=lambda blow: (blow.scope, blow.point))]
    names = list(dict.fromkeys(cell.scenario for cell in cells)) or [watched.name]
    scenarios = [ScenarioInfo(name=name) for name in names]
    infos = {name: fault_info(all_faults()[name]) for name in sorted({blow.fault for blow in watched.blows})}
    header = Header(
        suite=watched.name,
        agent=mask(watched.agent),
        seed=watched.seed,
        weights_hash=weights_hash(scenarios, infos.values()),
        python=platform.python_version(),
        versions={"agentlab-chaos": metadata.version("agentlab-chaos")},
        scenarios=scenarios,
        faults=infos,
        gate=GateSettings(),
        control=Control(),
        planned=len(cells),
        extra={"kind": "conformance", "time": "real"},
    )
    return SuiteResults(header=header, cells=cells)


def _line(watched: Watched, blows: list[Blow], mask: Callable[[str], str]) -> CellLine:
    first, last = blows[0], blows[-1]
    row = all_faults()[first.fault].row
    shape = "once" if len(blows) == 1 else next((shape for shape in ("x3", "always") if shape in row.best), "once")
    schedule = Schedule(f"{first.point}-{first.fault}", (Injection(fault=all_faults()[first.fault](), at=first.point, shape=shape),))  # type: ignore[arg-type]  # one of the row's own
    best, best_why = best_of(schedule, Fallback(), ())
    outcome, number, why = _judged(watched, blows)
    allowed: list[Outcome] = ["success"] if best == "success" else ["success", "degraded_honest", "clean_failure"]
    scenario = first.scope or watched.name
    end = last.recovered_at or last.ended or watched.seconds
    return CellLine(
        suite=watched.name,
        id=f"{scenario}[{schedule.name}]",
        scenario=scenario,
        schedule=schedule.name,
        faults=list(dict.fromkeys(blow.fault for blow in blows)),
        point=first.point,
        shape=shape,
        boundary=row.boundary,
        family=row.family,
        outcome=outcome,
        row=number,
        why=mask(why),
        best=best,
        best_why=best_why,
        allowed=allowed,
        passed=outcome in allowed,
        weight=row.weight,
        fired=len(blows),
        seen=sum(1 for blow in blows if blow.known),
        judged=False,
        counts=Counts(requests=last.attempt + (last.recovered_at is not None)),
        time="real",
        virtual_seconds=round(end - first.at, 3),
        deadline=_NO_DEADLINE,
        timeline=_spans(blows, end),
    )


def _judged(watched: Watched, blows: Sequence[Blow]) -> tuple[Outcome, int, str]:
    """Outcome, row of the deciding table, and the evidence. An outcome that the traffic cannot show is `not_exercised`."""
    last = blows[-1]
    code = watched.exit_code
    match last.taken:
        case "recovered":
            how = "answered, if late," if last.retried_after is None else "made again and answered"
            return "success", 8, f"The call was {how} {(last.recovered_at or last.at) - blows[0].at:.2f} s after it was struck."
        case "accepted":
            return "silent_wrong", 11, "The app went on with a server whose certificate nobody vouches for; it must check certificates."
        case "not known":
            return "not_exercised", 2, "The port was shut; whether the app was refused cannot be seen from outside, unless its SDK says so."
        case "waiting":
            return "not_exercised", 2, "The app was still waiting when it was ended; what it would have done was not seen."
        case "retried" | "kept it" | "gave up" if code:
            return "crash", 7, f"The call was never answered well, and the app ended with exit code {code}."
    return "not_exercised", 2, "The call was never answered well; what the app told its user then cannot be seen from outside."


def _spans(blows: Sequence[Blow], end: float) -> list[Span]:
    begin = blows[0].at
    spans: list[Span] = []
    for blow in blows:
        at, ended = blow.at - begin, (blow.ended or end) - begin
        label = blow.point if blow.attempt == 1 else f"{blow.point}@{blow.attempt}"
        spans.append(_span("llm", at, ended, label, status=blow.saw, fault=blow.fault))
        if blow.retried_after is not None:
            spans.append(_span("wait", ended, ended + blow.retried_after, "backoff", status=""))
    last = blows[-1]
    if last.recovered_at is not None and last.retried_after is not None and last.ended is not None:
        spans.append(_span("llm", last.ended + last.retried_after - begin, last.recovered_at - begin, last.point, status="200"))
    return spans


def _span(kind: str, start: float, end: float, label: str, *, status: str, fault: str = "") -> Span:
    start = round(max(0.0, start), 3)
    return Span.model_validate(
        {"kind": kind, "start": start, "end": round(max(start, end), 3), "label": label, "status": status, "fault": fault}
    )
