"""Plays one cell and writes its line."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from agentlab_faults.catalogue import all_modes
from agentlab_faults.played import Played
from agentlab_faults.schedule import Schedule
from agentlab_reports.schema import CellLine, Counts

from agentlab_suites.agents import Agent
from agentlab_suites.best import best_of
from agentlab_suites.findings import find, finding
from agentlab_suites.masking import Masker
from agentlab_suites.outages import find_outages
from agentlab_suites.plan import PlannedCell, journal_digest
from agentlab_suites.replies import words_of
from agentlab_suites.session_runs import Judged
from agentlab_suites.stage import perform
from agentlab_suites.timeline import timeline

__all__ = ["CellResult", "play_cell", "schedule_weight"]

MAX_TEXT = 4_000
"""Characters kept of a reply or an error."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """A cell's line, and the run behind it."""

    line: CellLine
    played: Played


def play_cell(
    cell: PlannedCell, agent: Agent, *, seed: int = 0, mask: Callable[[str], str] | None = None, on_stuck: Callable[[], None] | None = None
) -> CellResult:
    """Play a cell once and judge it: in virtual time, or in real time if the agent is outside this process."""
    scene, clean = cell.scene, cell.discovered.clean
    mask, session = mask or Masker(), scene.scenario.session
    played = perform(agent, scene.limited(clean), cell.schedule, seed=seed, clean=clean, on_stuck=on_stuck, session=session)
    return CellResult(_line(cell, played, scene.judged(played, cell.schedule, mask), mask), played)


def schedule_weight(schedule: Schedule) -> float:
    """The weight of a schedule's heaviest fault; 1 for the fault-free one."""
    return max((injection.fault.row.weight for injection in schedule.injections), default=1.0)


def _line(cell: PlannedCell, played: Played, judging: Judged, mask: Callable[[str], str]) -> CellLine:
    scene, schedule, clean, judged = cell.scene, cell.schedule, cell.discovered.clean, judging.worst
    best, best_why = best_of(
        schedule, scene.loaded.suite.fallback, {point.target for point in cell.discovered.points if point.kind == "tool"}
    )
    allowed = scene.allowed(schedule, best)
    found = [*find(played, scene.setup.deadline), *find_outages(played, schedule)]
    if cell.kind == "control" and played.time == "virtual" and journal_digest(played) != cell.discovered.journal:
        found.append(finding("not_deterministic", "the journal of this fault-free run is not that of discovery"))
    boundary, family = _group(schedule)
    last = judged.said[-1].reply if judged.said else None
    return CellLine(
        suite=scene.loaded.name,
        id=cell.id,
        scenario=scene.name,
        schedule=schedule.name,
        faults=[injection.fault.row.id for injection in schedule.injections],
        point=schedule.injections[0].at or "" if schedule.injections else "",
        shape=schedule.injections[0].shape if schedule.injections and not schedule.mode else "",
        mode=schedule.mode,
        boundary=boundary,
        family=family,
        outcome=judged.outcome,
        row=judged.row,
        why=mask(judged.why),
        best=best,
        best_why=best_why,
        allowed=allowed,
        passed=judged.outcome in allowed and not any(one.severity == "error" for one in found),
        answered_by=last.answered_by if last else "unknown",
        confidence=last.confidence if last else None,
        weight=scene.scenario.weight * schedule_weight(schedule),
        fired=len(played.strikes),
        seen=sum(strike.changed for strike in played.strikes),
        judged=scene.case.judged,
        counts=_counts(played, clean.requests, clean.tokens),
        time=played.time,
        virtual_seconds=round(played.seconds, 6),
        deadline=scene.setup.deadline,
        reply=mask(last.text)[:MAX_TEXT] if last else "",
        error=mask(_error(judging.played))[:MAX_TEXT],
        findings=found,
        timeline=timeline(judging.played.journal, [one.reply.text for one in judged.said], played.seconds, mask),
        runs=list(judging.runs),
        replay=f"agentlab replay {shlex.quote(cell.id)}",
    )


def _error(played: Played) -> str:
    """What the agent raised; of a deadlock, where everything stood."""
    if played.error is not None:
        return f"{type(played.error).__name__}: {words_of(played.error)}"
    return played.detail if played.ending == "deadlock" else ""


def _group(schedule: Schedule) -> tuple[str, str]:
    """(boundary, family) under which reports show the schedule."""
    if schedule.mode in all_modes():
        return "mode", "mode"
    if not schedule.injections:
        return "", ""
    row = schedule.injections[0].fault.row
    return row.boundary, row.family


def _counts(played: Played, clean_requests: int, clean_tokens: int) -> Counts:
    return Counts(
        requests=played.requests,
        tokens=played.tokens,
        clean_requests=clean_requests,
        clean_tokens=clean_tokens,
        tool_runs=len(played.ledger.executions),
        commits=len(played.ledger.commits),
        suppressed=played.ledger.suppressed,
    )
