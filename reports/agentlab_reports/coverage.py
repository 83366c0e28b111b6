"""Fault coverage: how much (by weight) of the applicable pairs of point and fault struck, was seen by the agent, and was judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agentlab_reports.schema import CellLine, Pair, SuiteResults
from agentlab_reports.waivers import waiver_of
from agentlab_reports.words import call_of, is_control, is_exercised, strike_name

__all__ = ["Coverage", "Uncovered", "coverage_of", "never_seen", "pairs_of"]

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Uncovered:
    """An applicable pair that proves nothing, and why."""

    suite: str
    scenario: str
    point: str
    fault: str
    why: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """`share` is covered weight / applicable weight, 0 to 1; None if nothing was applicable."""

    covered: int
    applicable: int
    share: float | None
    uncovered: tuple[Uncovered, ...]


def coverage_of(suites: Sequence[SuiteResults]) -> Coverage:
    """The coverage of the suites together."""
    covered, applicable, weight, covered_weight = 0, 0, 0.0, 0.0
    uncovered: list[Uncovered] = []
    for suite in suites:
        played = _played(suite.cells)
        for pair in pairs_of(suite):
            cells = played.get((pair.scenario, pair.point, pair.fault), [])
            applicable += 1
            weight += pair.weight
            if any(_proves(cell) for cell in cells):
                covered += 1
                covered_weight += pair.weight
            else:
                uncovered.append(Uncovered(suite.header.suite, pair.scenario, pair.point, pair.fault, _why(suite, pair, cells)))
    return Coverage(covered, applicable, covered_weight / weight if weight else None, tuple(uncovered))


def never_seen(suites: Sequence[SuiteResults]) -> list[str]:
    """Faults and modes that struck, but whose strikes changed nothing that any agent saw: their proof of delivery is missing."""
    struck: dict[str, bool] = {}
    for suite in suites:
        for cell in suite.cells:
            if not is_control(cell) and cell.fired and cell.outcome != "error":
                name = strike_name(cell)
                struck[name] = struck.get(name, False) or (cell.seen > 0 and is_exercised(cell))
    return sorted(name for name, seen in struck.items() if not seen)


def pairs_of(suite: SuiteResults) -> list[Pair]:
    """Discovery's pairs; where the file has none, those of its own cells."""
    if suite.header.pairs:
        return suite.header.pairs
    own = {(cell.scenario, call_of(cell), strike_name(cell)): cell.weight for cell in suite.cells if not is_control(cell)}
    return [Pair(scenario=scenario, point=point, fault=fault, weight=weight) for (scenario, point, fault), weight in own.items()]


def _played(cells: Sequence[CellLine]) -> dict[_Key, list[CellLine]]:
    played: dict[_Key, list[CellLine]] = {}
    for cell in cells:
        if not is_control(cell):
            for name in {strike_name(cell), *cell.faults} if not cell.mode else {cell.mode}:
                played.setdefault((cell.scenario, call_of(cell), name), []).append(cell)
    return played


def _proves(cell: CellLine) -> bool:
    return is_exercised(cell) and cell.fired > 0 and cell.seen > 0 and cell.judged


def _why(suite: SuiteResults, pair: Pair, cells: Sequence[CellLine]) -> str:
    if not cells:
        if pair.scenario in suite.header.discovery_errors:
            return f"the scenario's fault-free run failed: {suite.header.discovery_errors[pair.scenario]}"
        waiver = waiver_of(suite.header.waivers, pair.scenario, [pair.fault])
        return f"waived until {waiver.until}: {waiver.reason}" if waiver else "no cell was played"
    lab = next((cell for cell in cells if cell.outcome == "error"), None)
    if lab:
        return f"the lab failed: {lab.why}"
    silent = next((cell for cell in cells if cell.outcome == "not_exercised"), None)
    if silent:
        return silent.why
    return (
        "nothing to check the reply against"
        if any(not cell.judged for cell in cells)
        else "the fault struck, but the agent saw nothing of it"
    )
