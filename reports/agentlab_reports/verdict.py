"""The verdict: one decision, why, and everything it rests on."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agentlab_reports.budget import ErrorBudget, error_budget
from agentlab_reports.changes import Changes, changes_between
from agentlab_reports.coverage import Coverage, coverage_of
from agentlab_reports.fixes import Fix, fixes_of
from agentlab_reports.gate import Condition, Decision, conditions_of, decide, is_below_best, removed_suites
from agentlab_reports.schema import CellLine, Outcome, SuiteResults
from agentlab_reports.score import RollUp, Score, cell_score, roll_up, score_suites
from agentlab_reports.sentence import Mention, sentence_of, strikes_of
from agentlab_reports.words import call_of, is_control, is_exercised

__all__ = ["CellRef", "Layer", "Verdict", "evaluate"]

_WORST_OF_OUTCOME = 3
EXIT_CODES: dict[Decision, int] = {"ship": 0, "dont_ship": 1, "undecidable": 3}


@dataclass(frozen=True, slots=True)
class CellRef:
    """A cell by name, with what a summary says of it."""

    suite: str
    id: str
    outcome: Outcome
    score: float | None
    """0 to 1."""
    why: str
    replay: str
    more: int = 0
    """How many more cells of the same scenario and fault ended like it."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of the degradation pipeline: in how many cells it answered, how many of them were judged, its confidence (least, most)."""

    name: str
    cells: int
    judged: int
    confidence: tuple[float, float] | None
    required: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a run. `sentence` is plain text; `parts` is the same with the cells that it names."""

    decision: Decision
    exit_code: int
    evaluated: bool
    """False if the gate was not evaluated: the run was narrowed or is not whole."""
    sentence: str
    parts: tuple[str | Mention, ...]
    conditions: tuple[Condition, ...]
    deciding: tuple[Condition, ...]
    score: Score
    suites: tuple[Score, ...]
    boundaries: tuple[RollUp, ...]
    families: tuple[RollUp, ...]
    coverage: Coverage
    layers: tuple[Layer, ...]
    """Empty where no agent says which layer answered, and no suite asks for any."""
    outcomes: dict[Outcome, int]
    """Cells by outcome; those of `exposure` are not among them."""
    exercised: int
    pairs: int
    """Different (point, fault) pairs that were exercised; modes are not among them."""
    left_out: int
    """Cells that the choice of shapes left out of the plan."""
    worst: tuple[CellRef, ...]
    exposure: tuple[CellRef, ...]
    """Cells whose fault no agent can detect: what the reply was, never scored."""
    fixes: tuple[Fix, ...]
    budget: ErrorBudget | None
    changes: Changes | None = None
    baseline: Score | None = None
    baseline_budget: ErrorBudget | None = None

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain data, for `--json`."""
        return dataclasses.asdict(self)


def evaluate(suites: Sequence[SuiteResults], baseline: Sequence[SuiteResults] | None = None, *, today: dt.date | None = None) -> Verdict:
    """Judge a run, and compare it with an earlier one.

    `today` (default: the day in UTC) decides whether waivers still hold. Raises ValueError if there is no suite to judge.
    """
    if not suites:
        raise ValueError("There are no results to judge; name a results file with at least one suite.")
    changes = None if baseline is None else changes_between(suites, baseline, today or dt.datetime.now(dt.UTC).date())
    coverage = coverage_of(suites)
    own = [(suite, coverage_of([suite])) for suite in suites]
    scores = [score_suites(suite.header.suite, [suite], covered.share) for suite, covered in own]
    conditions = [c for (suite, covered), score in zip(own, scores, strict=True) for c in conditions_of(suite, score, covered, changes)]
    conditions += removed_suites(changes, {suite.header.suite for suite in suites}) if changes else []
    decision, deciding = decide(conditions)
    cells = [cell for suite in suites for cell in suite.cells]
    parts = sentence_of(decision, deciding, suites, changes, coverage)
    return Verdict(
        decision=decision,
        exit_code=EXIT_CODES[decision],
        evaluated=not any(condition.key == "whole" for condition in conditions),
        sentence="".join(part if isinstance(part, str) else part.text for part in parts),
        parts=parts,
        conditions=tuple(conditions),
        deciding=tuple(deciding),
        score=score_suites("all", suites, coverage.share),
        suites=tuple(scores),
        boundaries=_roll_ups(cells, lambda cell: "mode" if cell.mode else cell.boundary or "other"),
        families=_roll_ups(cells, lambda cell: cell.mode or cell.family or "other"),
        coverage=coverage,
        layers=_layers(suites),
        outcomes=dict(Counter(cell.outcome for cell in cells if not is_control(cell) and not _is_exposed(cell))),
        exercised=sum(map(is_exercised, cells)),
        pairs=len({(cell.suite, call_of(cell), *cell.faults) for cell in cells if is_exercised(cell) and not cell.mode}),
        left_out=sum(suite.header.left_out for suite in suites),
        worst=_worst(cells),
        exposure=tuple(_ref(cell) for cell in cells if _is_exposed(cell)),
        fixes=fixes_of(suites),
        budget=error_budget(suites),
        changes=changes,
        baseline=score_suites("all", baseline, coverage_of(baseline).share) if baseline else None,
        baseline_budget=error_budget(baseline) if baseline else None,
    )


def _is_exposed(cell: CellLine) -> bool:
    return cell.best == "undetectable" and is_exercised(cell)


def _roll_ups(cells: Iterable[CellLine], group: Callable[[CellLine], str]) -> tuple[RollUp, ...]:
    groups: dict[str, list[tuple[float, float]]] = {}
    for cell in cells:
        score = cell_score(cell)
        if score is not None:
            groups.setdefault(group(cell), []).append((score, cell.weight))
    rolled = [roll_up(name, pairs) for name, pairs in sorted(groups.items())]
    return tuple(one for one in rolled if one.score is not None)  # none, where nothing of it weighs anything


def _ref(cell: CellLine, more: int = 0) -> CellRef:
    return CellRef(cell.suite, cell.id, cell.outcome, cell_score(cell), cell.why, cell.replay, more)


def _worst(cells: Sequence[CellLine], most: int = 10) -> tuple[CellRef, ...]:
    """The worst cells that fall short, one for each scenario and fault, three for each outcome: harm first, then by what they weigh."""
    short = [cell for cell in cells if is_below_best(cell) or (is_exercised(cell) and not cell.passed)]
    found: list[CellRef] = []
    for strike in strikes_of(short):
        if sum(ref.outcome == strike[0].outcome for ref in found) < _WORST_OF_OUTCOME:
            found.append(_ref(strike[0], len(strike) - 1))
    return tuple(found[:most])


def _layers(suites: Sequence[SuiteResults]) -> tuple[Layer, ...]:
    order = ["full", "reduced", "cached", "static", "safety_net", "unknown"]
    required = {layer for suite in suites for layer in suite.header.layers}
    answered: dict[str, list[CellLine]] = {layer: [] for layer in order if layer in required}
    for suite in suites:
        for cell in suite.cells:
            if is_exercised(cell):
                answered.setdefault(cell.answered_by, []).append(cell)
    if set(answered) == {"unknown"}:
        return ()
    names = sorted(answered, key=lambda name: (order.index(name) if name in order else len(order), name))
    return tuple(_layer(name, answered[name], name in required) for name in names)


def _layer(name: str, cells: Sequence[CellLine], required: bool) -> Layer:
    sure = [cell.confidence for cell in cells if cell.confidence is not None]
    return Layer(name, len(cells), sum(cell.judged for cell in cells), (min(sure), max(sure)) if sure else None, required)
