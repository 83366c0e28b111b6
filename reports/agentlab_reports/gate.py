"""The gate: every condition with its value, and which of them decides.

A condition passes, fails, or is open (it cannot be known from this run). Conditions that do not pass decide in this order:

1. RUN: what is here is no whole run of the baseline's suite (narrowed, partial, another suite's baseline), or the agent fails without any
   fault in more than a fifth of its scenarios, so that nothing can be put down to a fault: undecidable, whatever else was found.
2. HARM: the agent did what the gate forbids (critical, failed, below best, regressed, score): don't ship. No more evidence could undo it.
3. PROOF: evidence is missing (a control that fails or was not played, discovery errors, errors of the lab, cells that the baseline judged
   and that are not exercised now, strikes that nobody saw, coverage): undecidable.
4. HOLE: the suite does not hold what it must (a layer that never answered, cells removed since the baseline): don't ship.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from agentlab_reports.changes import Changes
from agentlab_reports.coverage import Coverage, never_seen
from agentlab_reports.schema import CellLine, SuiteResults
from agentlab_reports.score import CONTROL_FLOOR, Score, control_of
from agentlab_reports.words import CRITICAL, is_control, is_exercised, is_scored, worseness

__all__ = ["Condition", "Decision", "Group", "State", "conditions_of", "decide", "is_below_best", "removed_suites"]

Decision = Literal["ship", "dont_ship", "undecidable"]
State = Literal["pass", "fail", "open"]


class Group(IntEnum):
    """Why a condition matters; the lower number decides first."""

    RUN = 1
    HARM = 2
    PROOF = 3
    HOLE = 4


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a suite's gate. `value` finishes the title: "No critical outcome - 2 found"."""

    key: str
    suite: str
    title: str
    value: str
    state: State
    group: Group
    advice: str = ""
    """What to do if it does not pass."""


def conditions_of(suite: SuiteResults, score: Score, coverage: Coverage, changes: Changes | None) -> list[Condition]:
    """Every condition that this suite is held to. `changes` is None without a baseline."""
    found = [*_run(suite, changes), *_harm(suite, score, changes), *_proof(suite, score, coverage, changes), *_holes(suite, changes)]
    return sorted(found, key=lambda condition: (condition.state == "pass", condition.group))


def decide(conditions: Sequence[Condition]) -> tuple[Decision, list[Condition]]:
    """The decision, and the conditions that made it (none if the agent may ship)."""
    against = [condition for condition in conditions if condition.state != "pass"]
    if not against:
        return "ship", []
    first = min(condition.group for condition in against)
    deciding = [condition for condition in against if condition.group == first]
    return ("dont_ship" if any(c.state == "fail" for c in deciding) else "undecidable"), deciding


def is_below_best(cell: CellLine) -> bool:
    """Whether the outcome is worse than the best that could be reached."""
    return is_scored(cell) and cell.best != "undetectable" and worseness(cell.outcome) > worseness(cell.best)


def _run(suite: SuiteResults, changes: Changes | None) -> Iterator[Condition]:
    header = suite.header
    name, played = header.suite, len(suite.cells)
    fewer_faults = "--agentlab-faults" in header.narrowed  # narrows the plan itself, so playing all of it proves nothing
    whole = played >= header.planned and not fewer_faults if header.planned else not header.narrowed
    if not whole:
        why = f"narrowed by {header.narrowed}" if header.narrowed else "the run ended early"
        value = f"{played} of {header.planned} cells, {why}" if header.planned else why
        yield Condition(
            "whole",
            name,
            "Whole suite played",
            value,
            "open",
            Group.RUN,
            "play the whole suite, without -k, node ids, -x, --lf or a choice of faults",
        )
    if changes is not None and name in changes.strangers:
        yield Condition(
            "baseline",
            name,
            "Baseline of this suite",
            changes.strangers[name],
            "open",
            Group.RUN,
            "name the results of an earlier run of this suite with the same choice of shapes as the baseline",
        )
    passed, total = control_of(suite)
    if header.watched:
        value, advice = "only the traffic of a running app was watched", "play the agent by agentlab test, which judges what it answers"
        yield Condition("judged", name, "Replies judged", value, "open", Group.PROOF, advice)
    elif total:
        broken = passed / total < CONTROL_FLOOR
        state: State = "pass" if passed == total else "open"
        advice = "" if state == "pass" else "make the agent pass without faults first, or correct what the scenario expects"
        yield Condition(
            "control", name, "Fault-free control", f"{passed} of {total} pass", state, Group.RUN if broken else Group.PROOF, advice
        )
    elif whole:  # a narrowed run may leave it out: it is not evaluated anyway
        why, advice = "no fault-free control was played", "play the scenarios without faults too"
        yield Condition("control", name, "Fault-free control", why, "open", Group.PROOF, advice)


def _harm(suite: SuiteResults, score: Score, changes: Changes | None) -> Iterator[Condition]:
    gate, name = suite.header.gate, suite.header.suite
    counted: tuple[tuple[str, str, int | None, Callable[[CellLine], bool], str], ...] = (
        ("critical", "critical outcome", gate.critical, lambda cell: is_scored(cell) and cell.outcome in CRITICAL, "found"),
        ("failed", "failed cell", gate.failed, lambda cell: is_exercised(cell) and not cell.passed, "failed"),
        ("below_best", "cell below its best", gate.below_best, is_below_best, "below"),
    )
    for key, noun, limit, test, verb in counted:
        if limit is not None:
            yield _count(key, name, noun, limit, sum(map(test, suite.cells)), verb)
    if gate.regressed is not None and changes is not None and name not in changes.strangers:
        worse = sum(change.suite == name for change in changes.of("regressed"))
        yield _count("regressed", name, "regressed cell", gate.regressed, worse, "regressed")
    if gate.score is not None:
        yield _score(name, gate.score, score)


def _count(key: str, suite: str, noun: str, limit: int, count: int, verb: str) -> Condition:
    title = f"No {noun}" if limit == 0 else f"At most {limit} {noun}s"
    return Condition(key, suite, title, f"{count:,} {verb}" if count else f"none {verb}", "pass" if count <= limit else "fail", Group.HARM)


def _score(suite: str, least: float, score: Score) -> Condition:
    title = f"Score at least {least:g}"
    if score.value is None or score.ungraded:
        return Condition("score", suite, title, f"ungraded: {score.ungraded}", "open", Group.PROOF)
    return Condition("score", suite, title, f"is {score.value:.0f}", "pass" if score.value >= least else "fail", Group.HARM)


def _proof(suite: SuiteResults, score: Score, coverage: Coverage, changes: Changes | None) -> Iterator[Condition]:
    header = suite.header
    least = header.gate.coverage
    if least is not None:
        value = "nothing applicable" if coverage.share is None else f"is {100 * coverage.share:.0f} %"
        enough = coverage.share is not None and coverage.share >= least
        yield Condition(
            "coverage", header.suite, f"Fault coverage at least {100 * least:.0f} %", value, "pass" if enough else "open", Group.PROOF
        )
    if header.gate.score is None and score.ungraded and not header.watched:
        yield Condition("graded", header.suite, "Enough evidence", score.ungraded, "open", Group.PROOF)
    for scenario, why in sorted(header.discovery_errors.items()):
        yield Condition(
            "discovery", header.suite, f"Discovery of {scenario}", why, "open", Group.PROOF, "see what the agent does without any fault"
        )
    lab = [cell for cell in suite.cells if cell.outcome == "error"]
    if lab:
        value = f"{len(lab)} cells, first {lab[0].id}: {lab[0].why}" if len(lab) > 1 else f"{lab[0].id}: {lab[0].why}"
        yield Condition("error", header.suite, "No error of the lab", value, "open", Group.PROOF)
    lost = [c for c in changes.of("lost") if c.suite == header.suite and c.after != "error"] if changes else []  # errors are told above
    if lost:
        value = f"{len(lost)} not exercised any more, first {lost[0].id}"
        advice = "find out why the fault strikes nothing now that it struck in the baseline"
        yield Condition("lost", header.suite, "No cell lost", value, "open", Group.PROOF, advice)
    for fault in never_seen([suite]):
        yield Condition(
            "seen", header.suite, f"{fault} reaches the agent", "it struck, and the agent never saw a difference", "open", Group.PROOF
        )


def _holes(suite: SuiteResults, changes: Changes | None) -> Iterator[Condition]:
    name, layers = suite.header.suite, suite.header.layers
    if layers:
        answered = {
            cell.answered_by for cell in suite.cells if cell.judged and (is_control(cell) or is_exercised(cell)) and cell.outcome != "error"
        }
        missing = [layer for layer in layers if layer not in answered]
        value = f"{', '.join(missing)} never answered" if missing else f"all {len(layers)} answered"
        yield Condition(
            "layers",
            name,
            "Every layer answers",
            value,
            "fail" if missing else "pass",
            Group.HOLE,
            "add a scenario in which it must answer" if missing else "",
        )
    if changes is not None:
        gone = [change for change in changes.of("removed") if change.suite == name]
        value = f"{len(gone)} gone, first {gone[0].id}" if gone else "none gone"
        advice = "bring them back, or waive them in the suite (`skip:`) with a reason and a date" if gone else ""
        yield Condition("removed", name, "No cell removed", value, "fail" if gone else "pass", Group.HOLE, advice)


def removed_suites(changes: Changes, names: set[str]) -> list[Condition]:
    """One failing condition for each suite that the baseline holds and this run does not."""
    gone = sorted({change.suite for change in changes.of("removed")} - names)
    return [
        Condition(
            "removed",
            name,
            f"Suite {name} is played",
            "it is in the baseline and not in this run",
            "fail",
            Group.HOLE,
            "play it too, or use a baseline without it",
        )
        for name in gone
    ]
