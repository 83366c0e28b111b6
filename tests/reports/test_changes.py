"""What changed since the baseline, and what the gate makes of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from agentlab_reports import Verdict, evaluate
from agentlab_reports.schema import CellLine, Fingerprint, GateSettings, Outcome, SuiteResults, Waiver

from .build import cell, control, suite

TODAY = dt.date(2026, 3, 1)
OTHERS = [*(cell(f"http_{n}") for n in range(9)), control()]
GATE = GateSettings(critical=None, failed=None, regressed=0)


def run(cells: list[CellLine], **header: Any) -> SuiteResults:
    return suite([*cells, *OTHERS], **{"gate": GATE, **header})


def judged(now: SuiteResults, before: SuiteResults) -> Verdict:
    return evaluate([now], [before], today=TODAY)


def kinds(verdict: Verdict) -> list[str]:
    assert verdict.changes is not None
    return [change.kind for change in verdict.changes.cells]


@pytest.mark.parametrize(
    ("before", "after", "kind", "exit_code"),
    [
        ("success", "crash", "regressed", 1),
        ("success", "degraded_honest", "regressed", 1),
        ("crash", "hang", "regressed", 1),
        ("silent_wrong", "duplicate_effect", "regressed", 1),
        ("crash", "success", "fixed", 0),
        ("hang", "crash", "fixed", 0),
        ("success", "not_exercised", "lost", 3),
        ("not_exercised", "crash", "new", 0),
        ("error", "success", "new", 0),
    ],
)
def test_a_changed_outcome_has_a_name(before: Outcome, after: Outcome, kind: str, exit_code: int) -> None:
    fired = 0 if after == "not_exercised" else 1
    verdict = judged(run([cell("x", after, fired=fired)]), run([cell("x", before)]))
    assert (kinds(verdict), verdict.exit_code) == ([kind], exit_code)


def test_equal_runs_have_no_changes() -> None:
    verdict = judged(run([cell("x")]), run([cell("x")]))
    assert kinds(verdict) == []
    assert verdict.sentence.endswith("Nothing got worse since the baseline.")


def test_runs_with_different_choices_of_shapes_are_not_compared() -> None:
    verdict = judged(run([cell("x", "crash")], shapes="one", left_out=2), run([cell("x")], shapes="all"))
    assert (kinds(verdict), verdict.decision, verdict.left_out) == ([], "undecidable", 2)
    [condition] = verdict.deciding
    assert condition.value == "the baseline was played with --shapes all, this run with --shapes one"
    assert judged(run([cell("x", "crash")], shapes="one"), run([cell("x")], shapes="one")).exit_code == 1


def test_a_regression_may_be_allowed() -> None:
    gate = GateSettings(critical=None, failed=None, regressed=1)
    assert judged(run([cell("x", "crash")], gate=gate), run([cell("x")])).exit_code == 0


def test_what_no_agent_can_detect_does_not_regress() -> None:
    verdict = judged(run([cell("x", "silent_wrong", best="undetectable")]), run([cell("x", "degraded_honest", best="undetectable")]))
    assert (kinds(verdict), verdict.exit_code) == (["exposure"], 0)


def test_a_cell_that_is_gone_fails_the_gate() -> None:
    verdict = judged(run([]), run([cell("x")]))
    assert (kinds(verdict), verdict.exit_code) == (["removed"], 1)
    assert "refund[openai.chat.1-x]" in verdict.sentence


@pytest.mark.parametrize(
    ("scenario", "fault", "until", "exit_code"),
    [
        ("refund", "x", "2026-03-01", 0),
        ("refund", "*", "2026-04-01", 0),
        ("refund", "x", "2026-02-28", 1),
        ("refund", "x", "one day", 1),
        ("status", "x", "2026-04-01", 1),
        ("refund", "y", "2026-04-01", 1),
    ],
)
def test_a_waiver_excuses_what_it_names_until_its_day(scenario: str, fault: str, until: str, exit_code: int) -> None:
    waiver = Waiver(scenario=scenario, fault=fault, reason="not on this route", until=until)
    assert judged(run([], waivers=[waiver]), run([cell("x")])).exit_code == exit_code


def test_cells_of_a_scenario_that_could_not_be_discovered_are_not_called_removed() -> None:
    now = run([], discovery_errors={"status": "the agent raised"})
    verdict = judged(now, run([cell("x", scenario="status")]))
    assert (kinds(verdict), verdict.exit_code) == ([], 3)


def test_a_baseline_of_another_suite_decides_nothing() -> None:
    other = suite([cell("x", suite="bank")], suite="bank")
    verdict = judged(run([cell("x", "silent_wrong")]), other)
    assert (verdict.exit_code, verdict.deciding[0].key) == (3, "baseline")


def test_a_suite_that_the_baseline_held_must_be_played() -> None:
    verdict = evaluate([run([])], [run([]), suite([cell("x", suite="bank")], suite="bank")], today=TODAY)
    assert verdict.exit_code == 1
    assert "suite bank is played" in verdict.sentence.lower()


def test_what_is_different_about_the_agent_is_said() -> None:
    before = run(
        [], fingerprint=Fingerprint(models=["a"], system_prompt="1", tools={"refund": "1", "old": "1"}), versions={"openai": "2.0"}
    )
    after = run(
        [], fingerprint=Fingerprint(models=["b"], system_prompt="2", tools={"refund": "2", "new": "1"}), versions={"openai": "3.0"}, seed=4
    )
    changes = judged(after, before).changes
    assert changes is not None
    assert set(changes.agent) == {
        "models: a -> b",
        "the system prompt changed",
        "tool refund has another schema",
        "tool new is new",
        "tool old is gone",
        "openai: 2.0 -> 3.0",
        "seed: 0 -> 4",
    }


def test_changed_weights_are_said_to_spoil_the_comparison() -> None:
    changes = judged(run([], weights_hash="b", suite_hash="d"), run([], weights_hash="a", suite_hash="c")).changes
    assert changes is not None
    assert set(changes.agent) == {"the weights changed, so the two scores do not compare", "the suite shop itself was edited"}


def test_the_same_fault_at_several_points_is_one_group() -> None:
    bad = [cell("x", "crash", point=f"openai.chat.{n}") for n in (1, 2, 3)]
    good = [cell("x", point=f"openai.chat.{n}") for n in (1, 2, 3)]
    changes = judged(run(bad), run(good)).changes
    assert changes is not None
    assert [(change.strike, more) for change, more in changes.grouped()] == [("x", 2)]
