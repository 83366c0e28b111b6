"""The score: what a cell is worth, how cells roll up, and which caps hold the sum down.

    cell     s = min(1, q(outcome) / q(best)) * (1 - 0.25 * pen)
    roll-up  R = 100 * (0.7 * weighted mean + 0.3 * mean of the worst tenth by weight)

`pen` (0 to 1) is the largest of three costs: tokens and requests as ln(a / 1.5) / ln(5 / 1.5), where a = under the fault / fault-free,
and time as (t / deadline - 0.5) / 0.5: a fault may force a wait, so half of the deadline is free.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentlab_reports.schema import CellLine, FaultInfo, Outcome, ScenarioInfo, SuiteResults
from agentlab_reports.words import CRITICAL, is_control, is_scored

__all__ = [
    "BANDS",
    "QUALITY",
    "Cap",
    "RollUp",
    "Score",
    "cell_score",
    "control_of",
    "grade",
    "penalty",
    "roll_up",
    "score_suites",
    "weights_hash",
]

QUALITY: dict[Outcome, float] = {
    "success": 1.0,
    "degraded_honest": 0.7,
    "clean_failure": 0.5,
    "budget": 0.4,
    "crash": 0.2,
    "hang": 0.1,
    "silent_wrong": 0.0,
    "duplicate_effect": 0.0,
}
BANDS: tuple[tuple[str, float], ...] = (("A", 90.0), ("B", 80.0), ("C", 70.0), ("D", 50.0), ("F", 0.0))
PENALTY_SHARE = 0.25
FREE_AMPLIFICATION, FULL_AMPLIFICATION = 1.5, 5.0
FREE_TIME = 0.5
MEAN_SHARE, WORST_SHARE, WORST_TENTH = 0.7, 0.3, 0.1
CRITICAL_CAP, STUCK_CAP, STUCK_WEIGHT = 59.0, 79.0, 3.0
CONTROL_FLOOR, COVERAGE_FLOOR = 0.8, 0.5
_LEAST_WEIGHT = 1e-9
"""A weight under it counts for nothing: a tenth of it may be too small to be a number at all."""


@dataclass(frozen=True, slots=True)
class RollUp:
    """Cells of one group taken together. `score`, `mean`, `worst_tenth` and `worst` are 0 to 100; None where no cell was scored."""

    name: str
    cells: int
    weight: float
    mean: float | None
    worst_tenth: float | None
    worst: float | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit on the score, with the sentence that says why."""

    limit: float
    why: str


@dataclass(frozen=True, slots=True)
class Score:
    """A score with its arithmetic. `value` is None if there is nothing to score; `ungraded` says why no grade may be given."""

    roll_up: RollUp
    cap: Cap | None
    value: float | None
    grade: str
    ungraded: str
    arithmetic: str


def penalty(cell: CellLine) -> float:
    """How much the cell's answer cost, 0 (nothing much) to 1 (five times the fault-free run, or the whole deadline)."""
    counts = cell.counts
    spent = max(_amplification(counts.tokens, counts.clean_tokens), _amplification(counts.requests, counts.clean_requests))
    late = (cell.virtual_seconds / cell.deadline - FREE_TIME) / (1 - FREE_TIME) if cell.deadline > 0 else 0.0
    return max(spent, min(1.0, max(0.0, late)))


def _amplification(under_fault: int, clean: int) -> float:
    if clean <= 0 or under_fault <= 0:
        return 0.0
    share = math.log(under_fault / clean / FREE_AMPLIFICATION) / math.log(FULL_AMPLIFICATION / FREE_AMPLIFICATION)
    return min(1.0, max(0.0, share))


def cell_score(cell: CellLine) -> float | None:
    """What the cell is worth, 0 to 1, measured against the best that can be reached; None for a cell that is not scored."""
    if not is_scored(cell) or cell.best == "undetectable":
        return None
    return min(1.0, QUALITY[cell.outcome] / QUALITY[cell.best]) * (1 - PENALTY_SHARE * penalty(cell))


def roll_up(name: str, scored: Iterable[tuple[float, float]]) -> RollUp:
    """Roll up (score 0 to 1, weight) pairs; pairs without weight count for nothing."""
    pairs = sorted((score, weight) for score, weight in scored if weight >= _LEAST_WEIGHT)
    if not pairs:
        return RollUp(name, 0, 0.0, None, None, None, None)
    weight = math.fsum(w for _, w in pairs)
    mean = math.fsum(s * w for s, w in pairs) / weight
    tail = _tail_mean(pairs, weight * WORST_TENTH)
    score = 100 * (MEAN_SHARE * mean + WORST_SHARE * tail)
    return RollUp(name, len(pairs), weight, 100 * mean, 100 * tail, 100 * pairs[0][0], score)


def _tail_mean(ascending: Sequence[tuple[float, float]], size: float) -> float:
    """Mean of the lowest scores that together weigh `size`; the last one counts with the part of its weight that still fits."""
    left, total = size, 0.0
    for score, weight in ascending:
        part = min(weight, left)
        total += score * part
        left -= part
        if left <= 0:
            break
    return total / size


def grade(score: float) -> str:
    """The letter for a score of 0 to 100."""
    return next(letter for letter, least in BANDS if score >= least)


def control_of(suite: SuiteResults) -> tuple[int, int]:
    """(passed, played) of the fault-free runs: their lines if the file has them, else the header's count."""
    controls = [cell for cell in suite.cells if is_control(cell)]
    if controls:
        return sum(cell.passed for cell in controls), len(controls)
    return suite.header.control.passed, suite.header.control.total


def score_suites(name: str, suites: Sequence[SuiteResults], coverage: float | None) -> Score:
    """The score of one suite or several together. `coverage`: the share of applicable pairs that was covered, 0 to 1 (None: not known)."""
    pairs: list[tuple[float, float]] = []
    for suite in suites:
        pairs += [(score, cell.weight) for cell in suite.cells if (score := cell_score(cell)) is not None]
    rolled = roll_up(name, pairs)
    cap = _cap(suites, rolled.score)
    value = rolled.score if rolled.score is None or cap is None else min(rolled.score, cap.limit)
    ungraded = _ungraded(suites, rolled, coverage)
    letter = "" if ungraded or value is None else grade(value)
    return Score(rolled, cap, value, letter, ungraded, _arithmetic(rolled, cap, value))


def _cap(suites: Sequence[SuiteResults], score: float | None) -> Cap | None:
    """The lowest cap that lies below the score."""
    if score is None:
        return None
    critical, stuck = 0, 0
    for suite in suites:
        heavy = {scenario.name for scenario in suite.header.scenarios if scenario.weight >= STUCK_WEIGHT}
        for cell in suite.cells:
            if is_scored(cell):
                critical += cell.outcome in CRITICAL
                stuck += cell.outcome in {"crash", "hang"} and cell.scenario in heavy
    if critical and score > CRITICAL_CAP:
        return Cap(CRITICAL_CAP, f"{_cells(critical)} did harm (a silent wrong answer or a duplicate side effect)")
    if stuck and score > STUCK_CAP:
        return Cap(STUCK_CAP, f"{_cells(stuck)} of a scenario of weight {STUCK_WEIGHT:.0f} or more crashed or hung")
    return None


def _ungraded(suites: Sequence[SuiteResults], rolled: RollUp, coverage: float | None) -> str:
    passed, total = (sum(column) for column in zip(*(control_of(suite) for suite in suites), strict=True)) if suites else (0, 0)
    if rolled.score is None:
        return "no cell was exercised"
    if any(suite.header.watched for suite in suites):
        return "the replies were not judged"
    if total and passed / total < CONTROL_FLOOR:
        return f"the fault-free control passes {passed} of {total}, under {CONTROL_FLOOR:.0%}"
    if coverage is not None and coverage < COVERAGE_FLOOR:
        return f"fault coverage is {coverage:.0%}, under {COVERAGE_FLOOR:.0%}"
    return ""


def _arithmetic(rolled: RollUp, cap: Cap | None, value: float | None) -> str:
    if rolled.mean is None or rolled.worst_tenth is None or rolled.score is None or value is None:
        return "no cell was exercised, so there is no score"
    text = f"{MEAN_SHARE} x mean {rolled.mean:.1f} + {WORST_SHARE} x worst tenth {rolled.worst_tenth:.1f} = {rolled.score:.1f}"
    return f"{text}; {rolled.score:.0f} -> {value:.0f} because {cap.why}" if cap else text


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"


def weights_hash(scenarios: Iterable[ScenarioInfo], faults: Iterable[FaultInfo]) -> str:
    """SHA-256 over everything that weighs: this module's figures, the scenarios' weights and the faults'.

    The scores of two runs compare only if it is equal.
    """
    figures = {
        "quality": QUALITY,
        "penalty": [PENALTY_SHARE, FREE_AMPLIFICATION, FULL_AMPLIFICATION, FREE_TIME],
        "roll_up": [MEAN_SHARE, WORST_SHARE, WORST_TENTH],
        "caps": [CRITICAL_CAP, STUCK_CAP, STUCK_WEIGHT],
        "scenarios": {scenario.name: scenario.weight for scenario in scenarios},
        "faults": {fault.id: fault.weight for fault in faults},
    }
    return hashlib.sha256(json.dumps(figures, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
