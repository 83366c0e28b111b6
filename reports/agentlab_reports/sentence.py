"""The one sentence under the verdict: the harm by name, or what is missing, or what was proven."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agentlab_reports.changes import Changes
from agentlab_reports.coverage import Coverage
from agentlab_reports.gate import Condition, Decision, Group, is_below_best
from agentlab_reports.schema import CellLine, Outcome, SuiteResults
from agentlab_reports.words import is_exercised, is_scored, strike_name, worseness

__all__ = ["Mention", "sentence_of", "strikes_of"]


@dataclass(frozen=True, slots=True)
class Mention:
    """Words that name a cell."""

    text: str
    suite: str
    id: str


Parts = tuple[str | Mention, ...]

_DOES: dict[Outcome, str] = {
    "duplicate_effect": "repeats a side effect",
    "silent_wrong": "states something wrong",
    "hang": "hangs",
    "crash": "crashes",
    "budget": "runs away with its budget",
    "clean_failure": "gives up",
    "degraded_honest": "answers less than it could",
    "success": "breaks a rule on the way to success",
}
_DO: dict[Outcome, str] = {
    "duplicate_effect": "repeat a side effect",
    "silent_wrong": "state something wrong",
    "hang": "hang",
    "crash": "crash",
    "budget": "run away with their budget",
    "clean_failure": "give up",
    "degraded_honest": "answer less than they could",
    "success": "break a rule on the way to success",
}
_NAMED = 2


def sentence_of(
    decision: Decision, deciding: Sequence[Condition], suites: Sequence[SuiteResults], changes: Changes | None, coverage: Coverage
) -> Parts:
    """The sentence in parts: plain text, and mentions of cells."""
    if decision == "ship":
        return _proven(suites, changes, coverage)
    if decision == "dont_ship":
        harm = _harm(suites, deciding, changes)
        if harm:
            return harm
    return _missing(deciding)


def _proven(suites: Sequence[SuiteResults], changes: Changes | None, coverage: Coverage) -> Parts:
    cells = [cell for suite in suites for cell in suite.cells if is_exercised(cell)]
    short = sum(map(is_below_best, cells))
    what = "every one ended as well as it could" if not short else f"{short:,} ended below their best, as the gate allows"
    seen = f"{coverage.covered:,} of {coverage.applicable:,} applicable pairs of point and fault were seen by the agent"
    text = f"{len(cells):,} cells were exercised and {what}; {seen}."
    return (f"{text} Nothing got worse since the baseline.",) if changes is not None and not changes.of("regressed") else (text,)


def _missing(deciding: Sequence[Condition]) -> Parts:
    if not deciding:
        return ("",)
    not_whole = any(condition.key == "whole" for condition in deciding)
    said = "; ".join(
        f"{condition.title.lower() if condition.key != 'discovery' else condition.title}: {condition.value}" for condition in deciding[:3]
    )
    more = f"; and {len(deciding) - 3} more" if len(deciding) > 3 else ""
    advice = next((f" To decide, {condition.advice}." for condition in deciding if condition.advice), "")
    start = "Gate not evaluated: " if not_whole else ""
    text = f"{start}{said}{more}."
    return (text[:1].upper() + text[1:] + advice,)


def _harm(suites: Sequence[SuiteResults], deciding: Sequence[Condition], changes: Changes | None) -> Parts:
    """Name the worst cells first: those that regressed if the baseline was better, else all that fall short."""
    worse = {(change.suite, change.id) for change in changes.of("regressed")} if changes else set()
    cells = [cell for suite in suites for cell in suite.cells if _falls_short(cell)]
    regressed = [cell for cell in cells if (cell.suite, cell.id) in worse]
    chosen = regressed or cells
    if not chosen or deciding[0].group != Group.HARM:
        return ()
    after = " that the baseline survived" if regressed else ""
    strikes = strikes_of(chosen)
    first = {strike[0].outcome: strike for strike in reversed(strikes)}
    named = sorted(first.values(), key=strikes.index)[:_NAMED] if len(first) > 1 else strikes[:_NAMED]
    rest = [strike for strike in strikes if strike not in named]
    parts: list[str | Mention] = []
    for place, strike in enumerate(named):
        cell = strike[0]
        again = f" ({len(strike)} cells)" if len(strike) > 1 else ""
        parts.append(" and " if place else "")
        parts += [Mention(f"{cell.scenario} {_DOES[cell.outcome]}", cell.suite, cell.id), f" under {strike_name(cell)}{again}"]
    parts.append(f"{after}.{_rest(rest)}")
    return tuple(part for part in parts if part)


def _falls_short(cell: CellLine) -> bool:
    return is_below_best(cell) or (is_scored(cell) and not cell.passed)


def strikes_of(cells: Sequence[CellLine]) -> list[list[CellLine]]:
    """The cells by outcome, scenario and fault; the worst and heaviest first."""
    groups: dict[tuple[Outcome, str, str, str], list[CellLine]] = {}
    for cell in sorted(cells, key=lambda cell: (-worseness(cell.outcome), -cell.weight, cell.suite, cell.id)):
        groups.setdefault((cell.outcome, cell.suite, cell.scenario, strike_name(cell)), []).append(cell)
    return list(groups.values())


def _rest(strikes: Sequence[Sequence[CellLine]]) -> str:
    """`12 more cells crash, 1 hangs.` for what was not named."""
    counts = Counter(cell.outcome for strike in strikes for cell in strike)
    said = [f"{count:,} {_DOES[outcome] if count == 1 else _DO[outcome]}" for outcome, count in counts.items() if outcome in _DO]
    return f" Of the other cells {_listed(said)}." if said else ""


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
