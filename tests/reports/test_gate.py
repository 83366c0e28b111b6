"""The gate: each condition by itself, and which of several decides."""

from __future__ import annotations

from typing import Any

import pytest
from agentlab_reports import Verdict, evaluate
from agentlab_reports.schema import Best, CellLine, Control, GateSettings, Outcome, Pair, Waiver

from .build import cell, control, no_gate, suite

OTHERS = [cell(f"http_{n}") for n in range(19)]


def judged(cells: list[CellLine], gate: dict[str, Any] | None = None, **header: Any) -> Verdict:
    settings = no_gate if gate is None else no_gate.model_copy(update=gate)
    return evaluate([suite([*cells, *OTHERS, control()], gate=settings, **header)])


def state(verdict: Verdict, key: str) -> str:
    return next(condition.state for condition in verdict.conditions if condition.key == key)


def test_an_agent_that_survives_everything_may_ship() -> None:
    verdict = judged([], {"score": 90, "critical": 0, "failed": 0, "below_best": 0, "coverage": 1.0})
    assert (verdict.decision, verdict.exit_code, verdict.deciding) == ("ship", 0, ())


@pytest.mark.parametrize(
    ("gate", "broken", "key"),
    [
        ({"critical": 0}, cell("x", "silent_wrong"), "critical"),
        ({"critical": 0}, cell("x", "duplicate_effect"), "critical"),
        ({"failed": 0}, cell("x", "crash"), "failed"),
        ({"failed": 0}, cell("x", "success", passed=False), "failed"),
        ({"below_best": 0}, cell("x", "clean_failure", passed=True), "below_best"),
        ({"below_best": 0}, cell("x", "clean_failure", best="degraded_honest", passed=True), "below_best"),
        ({"score": 97}, cell("x", "hang"), "score"),
    ],
)
def test_harm_refuses_the_agent(gate: dict[str, Any], broken: CellLine, key: str) -> None:
    assert judged([broken], gate).decision == "dont_ship"
    assert judged([broken], gate).deciding[0].key == key
    assert judged([broken]).decision == "ship"
    assert judged([], gate).decision == "ship"


def test_traffic_that_was_only_watched_cannot_say_ship_and_says_how_to_come_to_a_verdict() -> None:
    watched = {"extra": {"kind": "conformance"}, "control": Control()}
    fine = evaluate([suite([cell(judged=False)], gate=no_gate, **watched)])
    assert (fine.decision, [condition.key for condition in fine.deciding]) == ("undecidable", ["judged"])
    assert fine.score.ungraded == "the replies were not judged"
    assert fine.sentence.endswith("To decide, play the agent by agentlab test, which judges what it answers.")
    harm = evaluate([suite([cell("x", "silent_wrong", judged=False)], gate=GateSettings(), **watched)])
    assert harm.decision == "dont_ship"


def test_a_limit_may_leave_room() -> None:
    two = [cell("x", "crash"), cell("y", "crash")]
    assert judged(two, {"failed": 2}).decision == "ship"
    assert judged(two, {"failed": 1}).decision == "dont_ship"


@pytest.mark.parametrize("outcome", ["silent_wrong", "duplicate_effect", "degraded_honest"])
def test_exposure_refuses_nobody(outcome: Outcome) -> None:
    lie = cell("lie", outcome, best="undetectable", passed=True)
    assert judged([lie], {"critical": 0, "failed": 0, "below_best": 0, "score": 99}).decision == "ship"


@pytest.mark.parametrize(
    ("cells", "header", "gate", "key"),
    [
        ([cell("x", "error", passed=False)], {}, {"failed": 0}, "error"),
        ([cell("x", "not_exercised", seen=0, passed=False)], {}, {"failed": 0}, "seen"),
        ([], {"discovery_errors": {"status": "no reply"}}, {}, "discovery"),
        ([], {"planned": 99}, {}, "whole"),
        ([], {"planned": 0, "narrowed": "-k refund"}, {}, "whole"),
        ([], {"narrowed": "--agentlab-faults http_*"}, {}, "whole"),
        ([], {"pairs": [Pair(scenario="refund", point=f"p{n}", fault="x") for n in range(5)]}, {"coverage": 0.85}, "coverage"),
        ([], {"pairs": [Pair(scenario="refund", point=f"p{n}", fault="x") for n in range(5)]}, {"score": 10}, "score"),
        ([], {"pairs": [Pair(scenario="refund", point=f"p{n}", fault="x") for n in range(5)]}, {}, "graded"),
        ([control("status", passed=False)], {}, {}, "control"),
    ],
)
def test_missing_proof_is_undecidable(cells: list[CellLine], header: dict[str, Any], gate: dict[str, Any], key: str) -> None:
    verdict = judged(cells, gate, **header)
    assert (verdict.decision, verdict.exit_code) == ("undecidable", 3)
    assert key in {condition.key for condition in verdict.deciding}


def test_a_run_in_which_nothing_was_exercised_is_never_green() -> None:
    for outcome in ("error", "not_exercised"):
        cells = [cell(f"http_{n}", outcome, fired=1, seen=0, passed=False) for n in range(9)]
        verdict = evaluate(
            [suite([*cells, control()], gate=GateSettings(score=70, below_best=0, coverage=0.85), layers=["full", "static"])]
        )
        assert verdict.exit_code == 3


def test_all_cells_of_the_plan_make_a_run_whole_however_it_was_selected() -> None:
    assert judged([], narrowed="-k refund").decision == "ship"
    assert judged([], narrowed="-k refund").evaluated


def test_a_narrowed_run_is_not_evaluated_even_if_it_did_harm() -> None:
    verdict = judged([cell("x", "silent_wrong")], {"critical": 0}, planned=99, narrowed="-x")
    assert (verdict.exit_code, verdict.evaluated) == (3, False)
    assert verdict.sentence.startswith("Gate not evaluated: whole suite played: 21 of 99 cells, narrowed by -x.")


def test_harm_outweighs_missing_proof() -> None:
    assert judged([cell("x", "silent_wrong"), cell("y", "error")], {"critical": 0}).decision == "dont_ship"


def test_harm_is_not_believed_where_the_agent_fails_without_faults() -> None:
    broken = [control("a", passed=False), control("b", passed=False), cell("x", "silent_wrong")]
    verdict = judged(broken, {"critical": 0})
    assert (verdict.decision, verdict.deciding[0].key) == ("undecidable", "control")


def test_missing_proof_outweighs_a_hole() -> None:
    assert judged([cell("x", "error")], layers=["static"]).decision == "undecidable"


def test_a_required_layer_must_answer_somewhere() -> None:
    verdict = judged([], layers=["full", "static", "safety_net"])
    assert verdict.decision == "dont_ship"
    assert "static, safety_net never answered" in verdict.sentence
    answered = [cell("x", answered_by="static"), cell("y", answered_by="safety_net")]
    assert judged(answered, layers=["full", "static", "safety_net"]).decision == "ship"


@pytest.mark.parametrize("fields", [{"judged": False}, {"outcome": "not_exercised", "fired": 0}, {"outcome": "error"}])
def test_a_layer_that_answered_unjudged_has_not_answered(fields: dict[str, Any]) -> None:
    verdict = judged([cell("x", answered_by="static", **fields)], layers=["static"])
    assert state(verdict, "layers") == "fail"


def test_one_refused_suite_refuses_the_run() -> None:
    good, bad = suite([*OTHERS, control()]), suite([cell("x", "crash", suite="b")], suite="b", gate=GateSettings())
    assert evaluate([good, bad]).decision == "dont_ship"
    assert [condition.suite for condition in evaluate([good, bad]).deciding] == ["b"]


def test_a_waiver_is_read_by_the_given_day() -> None:
    waivers = [Waiver(scenario="refund", fault="http_*", reason="no moderation", until="2030-06-01")]
    assert judged([], waivers=waivers).decision == "ship"


@pytest.mark.parametrize("best", ["success", "undetectable"])
def test_a_cell_that_the_baseline_judged_and_that_is_not_exercised_now_leaves_the_run_undecided(best: Best) -> None:
    then = [*OTHERS, cell("x"), cell("y"), control()]
    now = [*OTHERS, *(cell(name, "not_exercised", fired=0, seen=0, best=best) for name in "xy"), control()]
    settings = no_gate.model_copy(update={"regressed": 0})
    verdict = evaluate([suite(now, gate=settings)], [suite(then, gate=settings)])
    assert (verdict.decision, [condition.key for condition in verdict.deciding]) == ("undecidable", ["lost"])
    assert "2 not exercised any more, first refund[openai.chat.1-x]" in verdict.sentence
    assert evaluate([suite(now, gate=settings)], [suite(now, gate=settings)]).decision == "ship"


def test_a_lost_cell_counts_for_its_own_suite_only() -> None:
    then = [suite([cell("x"), *OTHERS, control()]), suite([cell("x", suite="b")], suite="b")]
    now = [suite([cell("x", "not_exercised", fired=0, seen=0), *OTHERS, control()]), then[1]]
    assert [(condition.key, condition.suite) for condition in evaluate(now, then).deciding] == [("lost", "shop")]


def test_a_whole_run_without_any_control_proves_nothing() -> None:
    for planned in (0, len(OTHERS)):
        verdict = evaluate([suite(OTHERS, control=Control(), planned=planned)])
        assert (verdict.decision, verdict.deciding[0].key) == ("undecidable", "control")
        assert "no fault-free control was played" in verdict.sentence
    narrowed = evaluate([suite(OTHERS, control=Control(), planned=99, narrowed="-k http")])
    assert [condition.key for condition in narrowed.deciding] == ["whole"]


def test_nothing_to_judge_is_an_error() -> None:
    with pytest.raises(ValueError, match="no results to judge"):
        evaluate([])
