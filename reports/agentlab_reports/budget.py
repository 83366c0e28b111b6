"""The error budget: how often real users would meet a failure, if faults come as often as their sources say.

Each point of a scenario is struck by each fault at the fault's real rate (a share of calls), one fault at a time; what then becomes of the
task is what the cell showed. Faults that come together, and points that more traffic would add, are not in the figure: it is an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agentlab_reports.schema import CellLine, SuiteResults
from agentlab_reports.words import is_exercised

__all__ = ["ErrorBudget", "error_budget"]

_SHAPES = {"once": 0, "x3": 1, "always": 2}
TARGETS = (0.99, 0.995, 0.999)


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """`success` and `harm` are shares of tasks, 0 to 1; `causes` are (fault, its rate, the share of tasks it costs), dearest first."""

    success: float
    harm: float
    causes: tuple[tuple[str, float, float], ...]
    rates: int
    """How many faults had a rate."""

    def spent(self, target: float) -> float:
        """Share of the budget that a target success of `target` leaves (1 = all of it)."""
        return (1 - self.success) / (1 - target)


def error_budget(suites: Sequence[SuiteResults]) -> ErrorBudget | None:
    """The estimate over all scenarios by their weight; None if no exercised cell has a fault with a rate."""
    weight, success, harm = 0.0, 0.0, 0.0
    causes: dict[str, float] = {}
    rates: dict[str, float] = {}
    for suite in suites:
        first = _first_shapes(suite)
        for scenario in suite.header.scenarios:
            mine = [cell for (name, _, _), cell in first.items() if name == scenario.name]
            if not mine:
                continue
            weight += scenario.weight
            kept, harmless = 0.0, 0.0
            for cell in mine:
                rate = rates.setdefault(cell.faults[0], min(1.0, suite.header.faults[cell.faults[0]].rate))
                if cell.outcome != "success" and rate > 0:
                    kept += math.log1p(-min(rate, 1 - 1e-12))
                    causes[cell.faults[0]] = causes.get(cell.faults[0], 0.0) + rate * scenario.weight
                if cell.outcome in {"silent_wrong", "duplicate_effect"}:
                    harmless += math.log1p(-min(rate, 1 - 1e-12))
            success += scenario.weight * math.exp(kept)
            harm += scenario.weight * -math.expm1(harmless)
    if not weight:
        return None
    dearest = sorted(((fault, rates[fault], cost / weight) for fault, cost in causes.items()), key=lambda cause: (-cause[2], cause[0]))
    return ErrorBudget(success / weight, harm / weight, tuple(dearest), sum(rate > 0 for rate in rates.values()))


def _first_shapes(suite: SuiteResults) -> dict[tuple[str, str, str], CellLine]:
    """The mildest shape that was exercised for each scenario, point and fault with a rate."""
    first: dict[tuple[str, str, str], CellLine] = {}
    for cell in suite.cells:
        if cell.mode or len(cell.faults) != 1 or cell.faults[0] not in suite.header.faults or not is_exercised(cell):
            continue
        if cell.best == "undetectable":
            continue
        key = (cell.scenario, cell.point, cell.faults[0])
        if key not in first or _SHAPES.get(cell.shape, 3) < _SHAPES.get(first[key].shape, 3):
            first[key] = cell
    return first
