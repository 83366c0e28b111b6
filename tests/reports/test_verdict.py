"""The verdict as a whole: its sentence, its fixes, its budget, and its two plain renderings."""

from __future__ import annotations

import json

import pytest
from agentlab_reports import evaluate, summary
from agentlab_reports.schema import Finding, GateSettings, ScenarioInfo

from . import sample
from .build import cell, control, fault, suite


def test_the_sentence_names_the_worst_harm_first() -> None:
    cells = [
        cell("net_reset", "crash", scenario="status"),
        cell("lost", "duplicate_effect"),
        cell("lost", "duplicate_effect", point="openai.chat.2"),
        cell("cut", "silent_wrong", scenario="status"),
        cell("slow", "hang"),
    ]
    verdict = evaluate([suite(cells, gate=GateSettings())])
    assert verdict.sentence == (
        "refund repeats a side effect under lost (2 cells) and status states something wrong under cut. "
        "Of the other cells 1 hangs and 1 crashes."
    )


def test_the_sentence_says_that_the_baseline_survived() -> None:
    verdict = evaluate([suite([cell("slow", "hang"), cell("cut", "crash")])], [suite([cell("slow"), cell("cut", "crash")])])
    assert (
        "refund hangs under slow that the baseline survived."
        in evaluate(
            [suite([cell("slow", "hang"), cell("cut", "crash")], gate=GateSettings())], [suite([cell("slow"), cell("cut", "crash")])]
        ).sentence
    )
    assert verdict.decision == "ship"


def test_a_clean_run_says_what_it_proved() -> None:
    verdict = evaluate([suite([cell("a"), cell("b"), control()])])
    assert verdict.sentence == (
        "2 cells were exercised and every one ended as well as it could; 2 of 2 applicable pairs of point and fault were seen by the agent."
    )


def test_pairs_are_counted_once_whatever_their_shapes() -> None:
    cells = [cell("a"), cell("a", schedule="openai.chat.1-a-x3"), cell("b"), cell("a", mode="storm", point="", schedule="storm")]
    assert (evaluate([suite(cells)]).exercised, evaluate([suite(cells)]).pairs) == (4, 2)


def test_cells_that_were_left_out_are_told() -> None:
    verdict = evaluate([suite([cell("a")], shapes="one", left_out=2), suite([cell("b", suite="bank")], suite="bank")])
    assert "Left out 2 cells: each pair was played in one of its shapes; play all with --shapes all" in summary(verdict)
    assert "Left out" not in summary(evaluate([suite([cell("a")])]))


def test_exposure_is_kept_apart_from_outcomes() -> None:
    verdict = evaluate([suite([cell("a"), cell("lie", "silent_wrong", best="undetectable")])])
    assert verdict.outcomes == {"success": 1}
    assert [found.id for found in verdict.exposure] == ["refund[openai.chat.1-lie]"]


def test_a_fix_is_worth_what_the_score_gains() -> None:
    cells = [cell("a", "crash"), *(cell(f"ok{n}") for n in range(9))]
    (fix,) = evaluate([suite(cells)]).fixes
    assert fix.points == pytest.approx(100 - (0.7 * 92 + 0.3 * 20))
    assert (fix.title, fix.advice, fix.cells, fix.cap) == ("Survive server error", "Retry with backoff.", 1, "")


def test_fixes_are_grouped_by_finding_first() -> None:
    storm = [Finding(code="retry_storm", severity="error", text="24 requests in 9 s")]
    cells = [
        cell("a", "budget", findings=storm),
        cell("b", "budget", findings=storm),
        cell("c", "crash"),
        *(cell(f"ok{n}") for n in range(97)),
    ]
    fixes = evaluate([suite(cells)]).fixes
    assert [(fix.title, fix.cells) for fix in fixes] == [("Retry storm", 2), ("Survive server error", 1)]


def test_what_holds_the_cap_comes_first() -> None:
    cells = [
        cell("big", "crash", weight=9),
        cell("lie", "silent_wrong", weight=0.1, family="odd body"),
        *(cell(f"ok{n}", weight=9) for n in range(40)),
    ]
    fixes = evaluate([suite(cells)]).fixes
    assert [(fix.title, fix.cap) for fix in fixes] == [("Survive odd body", "lifts"), ("Survive server error", "")]


def test_two_causes_of_a_cap_only_hold_it() -> None:
    cells = [cell("a", "silent_wrong", family="one"), cell("b", "silent_wrong", family="two"), *(cell(f"ok{n}") for n in range(98))]
    assert {fix.cap for fix in evaluate([suite(cells)]).fixes} == {"holds"}


def test_the_error_budget_is_made_of_real_rates() -> None:
    faults = {"a": fault("a", rate=0.01), "b": fault("b", rate=0.002), "c": fault("c", rate=0.5)}
    cells = [cell("a", "crash"), cell("b", "silent_wrong"), cell("c")]
    budget = evaluate([suite(cells, faults=faults)]).budget
    assert budget is not None
    assert budget.success == pytest.approx(0.99 * 0.998)
    assert budget.harm == pytest.approx(0.002)
    assert budget.spent(0.99) == pytest.approx((1 - 0.99 * 0.998) / 0.01)
    assert [cause[0] for cause in budget.causes] == ["a", "b"]


def test_the_error_budget_takes_the_mildest_shape_and_weighs_scenarios() -> None:
    cells = [cell("a", shape="once"), cell("a", "crash", schedule="openai.chat.1-a-x3", shape="x3"), cell("a", "crash", scenario="status")]
    scenarios = [ScenarioInfo(name="refund", weight=3), ScenarioInfo(name="status", weight=1)]
    budget = evaluate([suite(cells, scenarios=scenarios, faults={"a": fault("a", rate=0.04)})]).budget
    assert budget is not None
    assert budget.success == pytest.approx(1 - 0.04 / 4)


def test_the_verdict_is_plain_json() -> None:
    verdict = evaluate([sample.suite(shapes=["once"])], [sample.suite(healthy=True, shapes=["once"])])
    plain = json.loads(json.dumps(verdict.to_json()))
    assert (plain["decision"], plain["exit_code"]) == ("dont_ship", 1)
    assert {condition["key"] for condition in plain["conditions"] if condition["state"] == "fail"} >= {"critical", "regressed", "score"}


def test_the_summary_says_the_verdict_first_and_the_report_last() -> None:
    verdict = evaluate([sample.suite(shapes=["once"])], [sample.suite(healthy=True, shapes=["once"])])
    lines = summary(verdict, report="out/report.html").splitlines()
    assert lines[0] == "✕ DON'T SHIP  (exit 1)"
    assert lines[1].startswith("refund_order repeats a side effect under tool_timeout_after_commit")
    assert lines[-1] == "Report: out/report.html"
    assert any("refund_order[tool.refund.1-tool_timeout_after_commit]" in line for line in lines)
    assert any(line.startswith("Answered by full ") for line in lines)


def test_the_summary_has_colour_only_when_asked() -> None:
    verdict = evaluate([suite([cell("a", "crash")], gate=GateSettings())])
    assert "\x1b" not in summary(verdict)
    assert "\x1b[1;31m" in summary(verdict, color=True)


def test_what_an_agent_said_cannot_steer_the_terminal() -> None:
    verdict = evaluate([suite([cell("a", "crash", why="boom \x1b[2J\x9b31m \x07")], gate=GateSettings())])
    assert not {"\x1b", "\x9b", "\x07"} & set(summary(verdict))


@pytest.mark.parametrize(("cells", "title"), [([cell()], "✓ SHIP"), ([cell(outcome="error")], "? UNDECIDABLE")])
def test_every_decision_has_its_title(cells: list[object], title: str) -> None:
    assert summary(evaluate([suite(cells)])).startswith(title)  # type: ignore[arg-type]  # cells of this table


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x85", "\u2028", "\r\n"])
def test_what_an_agent_said_cannot_look_like_a_line_of_the_summary(end: str) -> None:
    words = f"it said: x{end}\u2713 SHIP  (exit 0){end}no harm"
    verdict = evaluate([suite([cell("x", "silent_wrong", why=words, replay=words), control()], discovery_errors={"status": words})])
    lines = summary(verdict).splitlines()
    assert [line for line in lines if line.startswith(("\u2713", "no harm"))] == []
    assert any("it said: x" in line and "no harm" in line for line in lines)


@pytest.mark.parametrize("width", [-1, 0, 1])
def test_a_terminal_without_width_still_gets_a_summary(width: int) -> None:
    assert summary(evaluate([suite([cell(), control()])]), width=width).startswith("\u2713 SHIP")
