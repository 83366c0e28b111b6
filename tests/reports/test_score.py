"""The score, against page figures worked out by hand."""

from __future__ import annotations

import math

import pytest
from agentlab_reports.schema import Counts, Outcome, ScenarioInfo
from agentlab_reports.score import cell_score, grade, penalty, roll_up, score_suites, weights_hash
from hypothesis import given, settings
from hypothesis import strategies as st

from .build import cell, control, fault, suite


@pytest.mark.parametrize(
    ("outcome", "worth"),
    [
        ("success", 1.0),
        ("degraded_honest", 0.7),
        ("clean_failure", 0.5),
        ("budget", 0.4),
        ("crash", 0.2),
        ("hang", 0.1),
        ("silent_wrong", 0.0),
        ("duplicate_effect", 0.0),
        ("not_exercised", None),
        ("error", None),
    ],
)
def test_a_cell_is_worth_its_outcome(outcome: Outcome, worth: float | None) -> None:
    assert cell_score(cell(outcome=outcome)) == worth


def test_a_cell_is_measured_against_the_best_that_can_be_reached() -> None:
    assert cell_score(cell(outcome="degraded_honest", best="degraded_honest")) == 1.0
    assert cell_score(cell(outcome="success", best="degraded_honest")) == 1.0
    assert cell_score(cell(outcome="clean_failure", best="degraded_honest")) == pytest.approx(5 / 7)


def test_what_no_agent_can_detect_is_never_scored() -> None:
    assert cell_score(cell(outcome="silent_wrong", best="undetectable")) is None
    assert cell_score(control(passed=False)) is None


@pytest.mark.parametrize(
    ("counts", "seconds", "share"),
    [
        (Counts(requests=3, clean_requests=3), 0, 0.0),
        (Counts(requests=6, clean_requests=4), 0, 0.0),
        (Counts(requests=15, clean_requests=3), 0, 1.0),
        (Counts(requests=300, clean_requests=3), 0, 1.0),
        (Counts(tokens=3000, clean_tokens=1000), 0, math.log(2) / math.log(5 / 1.5)),
        (Counts(tokens=2000, clean_tokens=1000, requests=15, clean_requests=3), 0, 1.0),
        (Counts(), 60, 0.0),
        (Counts(), 90, 0.5),
        (Counts(), 132, 1.0),
        (Counts(requests=5), 0, 0.0),
    ],
)
def test_the_penalty_is_the_largest_of_three_costs(counts: Counts, seconds: float, share: float) -> None:
    assert penalty(cell(counts=counts, virtual_seconds=seconds, deadline=120)) == pytest.approx(share)


def test_the_penalty_takes_a_quarter_at_most() -> None:
    assert cell_score(cell(counts=Counts(requests=99, clean_requests=1))) == 0.75


def test_a_roll_up_is_seven_tenths_of_the_mean_and_three_of_the_worst_tenth() -> None:
    rolled = roll_up("all", [(1.0, 1.0)] * 18 + [(0.5, 1.0), (0.0, 1.0)])
    assert (rolled.mean, rolled.worst_tenth, rolled.worst) == (92.5, 25.0, 0.0)
    assert rolled.score == pytest.approx(0.7 * 92.5 + 0.3 * 25.0)


def test_the_worst_tenth_goes_by_weight() -> None:
    rolled = roll_up("all", [(0.0, 0.5), (1.0, 9.5)])
    assert rolled.worst_tenth == pytest.approx(50.0)


def test_nothing_scored_rolls_up_to_nothing() -> None:
    assert roll_up("all", []).score is None
    assert roll_up("all", [(1.0, 0.0)]).score is None


pairs = st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 9)), min_size=1, max_size=30)


@settings(deadline=None)
@given(pairs, st.data())
def test_a_better_cell_never_lowers_the_score(scored: list[tuple[float, float]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(scored) - 1))
    better = [*scored]
    better[place] = (data.draw(st.floats(scored[place][0], 1)), scored[place][1])
    before, after = roll_up("", scored).score, roll_up("", better).score
    assert before is not None
    assert after is not None
    assert after >= before - 1e-9


@settings(deadline=None)
@given(pairs)
def test_a_score_lies_between_the_worst_cell_and_the_best(scored: list[tuple[float, float]]) -> None:
    score = roll_up("", scored).score
    assert score is not None
    assert 100 * min(s for s, _ in scored) - 1e-9 <= score <= 100 * max(s for s, _ in scored) + 1e-9


def many(outcome: Outcome, *, weight: float = 1.0) -> object:
    good = [cell(f"http_{n}") for n in range(99)]
    return suite([*good, cell("bad", outcome)], scenarios=[ScenarioInfo(name="refund", weight=weight)])


@pytest.mark.parametrize(
    ("outcome", "weight", "value", "letter"),
    [("silent_wrong", 1, 59, "D"), ("duplicate_effect", 1, 59, "D"), ("crash", 3, 79, "C"), ("hang", 3, 79, "C"), ("crash", 2, 97, "A")],
)
def test_harm_caps_the_score(outcome: Outcome, weight: float, value: float, letter: str) -> None:
    score = score_suites("all", [many(outcome, weight=weight)], 1.0)  # type: ignore[list-item]  # a helper of this file
    assert (round(score.value or 0), score.grade) == (value, letter)


def test_a_cap_shows_its_arithmetic() -> None:
    score = score_suites("all", [many("silent_wrong")], 1.0)  # type: ignore[list-item]  # a helper of this file
    assert score.arithmetic.startswith("0.7 x mean 99.0 + 0.3 x worst tenth 90.0 = 96.3; 96 -> 59 because 1 cell did harm")


def test_a_low_score_is_not_raised_to_its_cap() -> None:
    score = score_suites("all", [suite([cell(outcome="silent_wrong")])], 1.0)
    assert (score.value, score.cap) == (0.0, None)


def test_exposure_caps_nothing() -> None:
    cells = [*(cell(f"http_{n}") for n in range(9)), cell("lie", "silent_wrong", best="undetectable")]
    assert score_suites("all", [suite(cells)], 1.0).value == 100.0


@pytest.mark.parametrize(("score", "letter"), [(100, "A"), (90, "A"), (89.9, "B"), (80, "B"), (70, "C"), (50, "D"), (49, "F"), (0, "F")])
def test_bands(score: float, letter: str) -> None:
    assert grade(score) == letter


@pytest.mark.parametrize(
    ("cells", "coverage", "words"),
    [
        ([cell(), control("a"), control("b", passed=False)], 1.0, "control passes 1 of 2, under 80%"),
        ([cell(), control()], 0.49, "coverage is 49%, under 50%"),
        ([cell(outcome="error"), control()], 1.0, "no cell was exercised"),
    ],
)
def test_without_evidence_there_is_no_grade(cells: list[object], coverage: float, words: str) -> None:
    score = score_suites("all", [suite(cells)], coverage)  # type: ignore[arg-type]  # cells of this table
    assert words in score.ungraded
    assert score.grade == ""


def test_the_weights_hash_moves_with_each_weight() -> None:
    base = weights_hash([ScenarioInfo(name="a", weight=1)], [fault("x", weight=1)])
    assert base == weights_hash([ScenarioInfo(name="a", weight=1)], [fault("x", weight=1, rate=0.5)])
    assert base != weights_hash([ScenarioInfo(name="a", weight=2)], [fault("x", weight=1)])
    assert base != weights_hash([ScenarioInfo(name="a", weight=1)], [fault("x", weight=2)])
