"""Fix these first: cells that fall short, grouped by their cause, with the points that each fix is worth.

A group's points are what the score before its cap gains when everything is scored again with the group's cells at their best. What the cap
holds is said beside them: only when every group that holds it is repaired does it go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agentlab_reports.gate import is_below_best
from agentlab_reports.schema import CellLine, FaultInfo, SuiteResults
from agentlab_reports.score import CRITICAL_CAP, STUCK_CAP, STUCK_WEIGHT, cell_score, roll_up
from agentlab_reports.words import CRITICAL, is_scored, strike_name, worseness

__all__ = ["Fix", "fixes_of"]

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fix:
    """One thing to repair. `points` is what the score before its cap (0 to 100) gains."""

    title: str
    advice: str
    cells: int
    points: float
    cap: Literal["", "holds", "lifts"]
    """`lifts`: the score's cap goes with it; `holds`: it goes once others are repaired too."""
    worst_suite: str
    worst_cell: str


@dataclass(frozen=True, slots=True)
class _Scored:
    cell: CellLine
    score: float
    heavy: bool
    key: _Key | None


def fixes_of(suites: Sequence[SuiteResults], most: int = 8) -> tuple[Fix, ...]:
    """The fixes that are worth most, at most `most` of them, dearest first."""
    faults = {fault.id: fault for suite in suites for fault in suite.header.faults.values()}
    scored = [row for suite in suites for row in _scored(suite, faults)]
    groups: dict[_Key, list[_Scored]] = {}
    for row in scored:
        if row.key:
            groups.setdefault(row.key, []).append(row)
    before = _raw(scored, None)
    holders = _holders(scored, before)
    found = [_fix(key, rows, _raw(scored, key) - before, holders, faults) for key, rows in groups.items()]
    found.sort(key=lambda fix: (not fix.cap, -round(fix.points, 6), -fix.cells, fix.title))
    return tuple(found[:most])


def _scored(suite: SuiteResults, faults: dict[str, FaultInfo]) -> list[_Scored]:
    heavy = {scenario.name for scenario in suite.header.scenarios if scenario.weight >= STUCK_WEIGHT}
    rows = []
    for cell in suite.cells:
        score = cell_score(cell)
        if score is not None and is_scored(cell):
            rows.append(_Scored(cell, score, cell.scenario in heavy, _cause(cell, score, faults)))
    return rows


def _cause(cell: CellLine, score: float, faults: dict[str, FaultInfo]) -> _Key | None:
    """What to put the shortfall down to: a finding, else the family of the fault, else the cost."""
    if is_below_best(cell):
        finding = next((finding.code for finding in cell.findings if finding.severity == "error"), "")
        if finding:
            return ("finding", finding)
        fault = faults.get(cell.mode or (cell.faults[0] if cell.faults else ""))
        return ("family", cell.mode or cell.family or (fault.family if fault else "") or strike_name(cell))
    return ("cost", "cost") if score < 1.0 else None


def _fix(key: _Key, rows: list[_Scored], points: float, holders: set[_Key | None], faults: dict[str, FaultInfo]) -> Fix:
    worst = max(rows, key=lambda row: (worseness(row.cell.outcome), row.cell.weight, row.cell.id)).cell
    fault = faults.get(worst.mode or (worst.faults[0] if worst.faults else ""))
    kind, name = key
    title = {"cost": "Spend less under faults", "finding": _spoken(name), "family": f"Survive {_spoken(name).lower()}"}[kind]
    advice = fault.agent_should if fault else worst.best_why
    if kind == "finding":
        advice = next(finding.text for finding in worst.findings if finding.code == name)
    if kind == "cost":
        advice = "These cells reach their best, at more than 1.5 times the fault-free tokens or requests, or after half of their deadline."
    cap: Literal["", "holds", "lifts"] = "" if key not in holders else "lifts" if len(holders) == 1 else "holds"
    return Fix(title, advice, len(rows), points, cap, worst.suite, worst.id)


def _spoken(name: str) -> str:
    text = name.replace("_", " ").replace("-", " ")
    return text[:1].upper() + text[1:]


def _raw(scored: Sequence[_Scored], repaired: _Key | None) -> float:
    """The score before its cap, with the cells of one cause at their best."""
    pairs = [(1.0 if repaired and row.key == repaired else row.score, row.cell.weight) for row in scored]
    return roll_up("", pairs).score or 0.0


def _holders(scored: Sequence[_Scored], score: float) -> set[_Key | None]:
    """The causes whose cells hold the score down at its cap."""
    critical = {row.key for row in scored if row.cell.outcome in CRITICAL}
    if critical and score > CRITICAL_CAP:
        return critical
    stuck = {row.key for row in scored if row.heavy and row.cell.outcome in {"crash", "hang"}}
    return stuck if score > STUCK_CAP else set()
