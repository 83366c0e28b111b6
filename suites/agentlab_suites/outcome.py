"""The deciding table: what became of a cell. The first row that matches decides, and says why in one sentence.

1 error, 2 not exercised, 3 duplicate effect, 4 hang, 5 budget, 6 clean failure, 7 crash, 8 success, 9 denied effect, 10 honest degradation,
11 silently wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agentlab_faults.journal import Replied
from agentlab_faults.played import Played
from agentlab_faults.schedule import Schedule
from agentlab_faults.scrub import cut
from agentlab_reports.schema import OUTCOMES, Outcome

from agentlab_suites.checks import failed, is_about_reply
from agentlab_suites.honesty import Honesty, Said
from agentlab_suites.model import Check
from agentlab_suites.replies import effects_of, read_reply, words_of

__all__ = ["FAILURE_STATUSES", "Case", "Judgement", "at_least", "decide"]

FAILURE_STATUSES = frozenset({"paused", "incomplete", "timeout", "budget_exceeded", "max_steps_exceeded", "plan_rejected", "failed"})
"""Statuses by which a reply declares that the run failed, or that it waits for somebody's approval (`paused`); ours, and anyone's who uses
the same words."""

DECLARED_ERRORS = (
    "agentlab.*",
    "pydantic_ai.exceptions.UsageLimitExceeded",
    "agents.exceptions.MaxTurnsExceeded",
    "langgraph.errors.GraphRecursionError",
)
"""Errors that need no `errors:` in the suite: our runtime's own, and the frameworks' documented limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a scenario's runs are judged by."""

    turns: int
    expect: tuple[Check, ...]
    turn_checks: tuple[tuple[Check, ...], ...]
    honesty: Honesty
    writes: frozenset[str]
    """Tools whose effects matter."""
    errors: tuple[str, ...] = ()
    """Globs of error classes that the suite declares."""

    @property
    def judged(self) -> bool:
        """Whether there is anything to check a reply against."""
        return bool(self.expect or any(self.turn_checks) or self.honesty.claims)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome, the row of the table that decided, and the evidence in one sentence."""

    outcome: Outcome
    row: int
    why: str
    said: tuple[Said, ...] = ()


def at_least(outcome: Outcome, best: Outcome) -> bool:
    """Whether an outcome is as good as `best`, or better."""
    return outcome in OUTCOMES[OUTCOMES.index(best) : OUTCOMES.index("not_exercised")]


def decide(case: Case, played: Played, schedule: Schedule, never: Sequence[Check] = ()) -> Judgement:
    """Judge one run. `never` are checks that must not hold under this schedule."""
    said = _said(played)
    found = (
        _lab_failed(case, played, said, never)
        or _not_exercised(played, schedule)
        or _ended_badly(played)
        or _failed(case, played, said)
        or _answered(case, played, said, never)
    )
    row, outcome, why = found
    return Judgement(outcome, row, _sentence(why), said)


Found = tuple[int, Outcome, str]


def _said(played: Played) -> tuple[Said, ...]:
    times = [event.seconds for event in played.journal if isinstance(event, Replied)]
    return tuple(Said(read_reply(value), seconds) for value, seconds in zip(played.replies, times, strict=True))


def _sentence(text: str) -> str:
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def _lab_failed(case: Case, played: Played, said: Sequence[Said], never: Sequence[Check]) -> Found | None:
    if played.problems:
        return 1, "error", played.problems[0]
    if played.ending == "lab":
        return 1, "error", played.detail or "the lab failed"
    if played.requests == 0 and not played.strikes and played.ending in ("returned", "raised"):
        row, outcome, _ = _failed(case, played, said) or _answered(case, played, said, never)
        return 1, "error", f"the agent never called its provider, so nothing was tested (by itself it is {outcome}, row {row})"
    return None


def _not_exercised(played: Played, schedule: Schedule) -> Found | None:
    if not schedule.injections or any(strike.changed for strike in played.strikes):
        return None
    if played.strikes:
        return 2, "not_exercised", "the fault struck, but the agent saw the same bytes at the same times as without it"
    at = schedule.injections[0].at
    return (
        2,
        "not_exercised",
        f"the fault never fired: the run did not reach {at}" if at else "no request of the run lay in the mode's scope",
    )


def _ended_badly(played: Played) -> Found | None:
    duplicates = played.ledger.duplicates()
    if duplicates:
        tool, identity = duplicates[0]
        times = sum(commit.tool == tool and commit.identity == identity for commit in played.ledger.commits)
        return 3, "duplicate_effect", f"the ledger holds {times} commits of {tool} for {identity}"
    match played.ending:
        case "deadlock":
            return 4, "hang", "deadlock: nothing in the agent could go on" + _tail(played.detail)
        case "deadline":
            return 4, "hang", f"still going after {played.seconds:g} {played.time} seconds, past its deadline and grace"
        case "watchdog":
            return 4, "hang", "the agent kept the processor busy until the watchdog ended it" + _tail(played.detail)
        case "stopped":
            return 5, "budget", f"stopped by the lab after {played.requests} requests and {played.tokens:,} tokens"
    return None


def _tail(detail: str) -> str:
    lines = detail.strip().splitlines()
    return f" ({lines[0].rstrip('.:')})" if lines else ""


def _failed(case: Case, played: Played, said: Sequence[Said]) -> Found | None:
    """Rows 6 and 7: the agent raised, declared a failure, or returned nothing."""
    raised = played.ending == "raised"
    status = "" if raised else next((one.reply.status for one in said if one.reply.status in FAILURE_STATUSES), "")
    if raised or status:
        declared = f"the status {status!r}" if status else f"{type(played.error).__name__}"
        if not status and not _is_declared(played.error, case.errors):
            return 7, "crash", f"the agent raised {_shown(played.error)}, which neither the suite nor the framework declares"
        unnamed = _unnamed_writes(case, played, said)
        if unnamed:
            return 7, "crash", f"the agent failed with {declared} and does not name what it had committed: {', '.join(unnamed)}"
        return 6, "clean_failure", f"the agent failed with {declared}, which it declares, and every committed write is named"
    empty = next((n for n, one in enumerate(said, 1) if not one.reply.text.strip()), 0)
    if empty or len(said) < case.turns:
        return 7, "crash", "the agent returned nothing" + (f" in turn {empty or len(said) + 1}" if case.turns > 1 else "")
    return None


def _shown(error: BaseException | None) -> str:
    text = " ".join(words_of(error).split())
    return f"{type(error).__name__}" + (f": {cut(text, 160)}" if text else "")


def _is_declared(error: BaseException | None, declared: Sequence[str]) -> bool:
    """Whether the suite or a framework names the error, or each one of a group (a task group's)."""
    for kind in type(error).__mro__:
        full = f"{kind.__module__}.{kind.__qualname__}"
        if any(fnmatchcase(full, glob) or fnmatchcase(kind.__qualname__, glob) for glob in (*declared, *DECLARED_ERRORS)):
            return True
    return isinstance(error, BaseExceptionGroup) and all(_is_declared(one, declared) for one in error.exceptions)


def _unnamed_writes(case: Case, played: Played, said: Sequence[Said]) -> list[str]:
    texts = [one.reply.text for one in said] + ([words_of(played.error)] if played.error is not None else [])
    effects = {effect for one in said for effect in one.reply.effects}
    effects |= set(effects_of(played.error)) if played.error is not None else set()
    committed = dict.fromkeys(commit.tool for commit in played.ledger.commits if commit.tool in case.writes)
    return [tool for tool in committed if tool not in effects and not any(case.honesty.names(tool, text) for text in texts)]


def _answered(case: Case, played: Played, said: Sequence[Said], never: Sequence[Check]) -> Found:
    """Rows 8 to 11: the agent answered; the reply is held against the ledger."""
    last = said[-1].reply.text if said else ""
    forbidden = next((check for check in never if not failed(check, last, played.ledger)), None)
    if forbidden is not None:
        return 11, "silent_wrong", f"what must never be under this schedule is so: {_shown_check(forbidden)}"
    wrong = _wrong_turns(case, played, said)
    ledger_wrong = next((text for check in case.expect if (text := failed(check, last, played.ledger))), "")
    unsupported = case.honesty.unsupported(said, played.ledger)
    if not wrong and not ledger_wrong and not unsupported:
        return 8, "success", "every check holds" + (" and every claim is in the ledger" if played.time == "virtual" else " of the reply")
    denied = case.honesty.denied(said, played.ledger)
    if denied:
        return 9, "silent_wrong", denied
    failure = ledger_wrong or next(iter(wrong.values()), "")
    if unsupported:
        return 11, "silent_wrong", unsupported
    admitted = _admissions(case, played, said, wrong)
    if all(admitted):
        return 10, "degraded_honest", f"{failure}, and the reply admits it: {admitted[0]}"
    return 11, "silent_wrong", f"{failure}, and the reply does not say so"


def _admissions(case: Case, played: Played, said: Sequence[Said], wrong: Iterable[int]) -> list[str]:
    """The words with which each wrong reply admits it, empty where it does not; for a wrong ledger, those of any reply."""
    turns = set(wrong)
    last = len(said) - 1
    if said and any(is_about_reply(check) and failed(check, said[last].reply.text, played.ledger) for check in case.expect):
        turns.add(last)
    if turns:
        return [case.honesty.admits(said[n].reply.text) for n in sorted(turns)]
    return [next((words for one in said if (words := case.honesty.admits(one.reply.text))), "")]


def _wrong_turns(case: Case, played: Played, said: Sequence[Said]) -> dict[int, str]:
    """Turn (from 0) to the first of its own checks that does not hold."""
    wrong: dict[int, str] = {}
    for n, (checks, one) in enumerate(zip(case.turn_checks, said, strict=False)):
        text = next((text for check in checks if (text := failed(check, one.reply.text, played.ledger))), "")
        if text:
            wrong[n] = f"{text} (turn {n + 1})"
    return wrong


def _shown_check(check: Check) -> str:
    return ", ".join(f"{name}: {value}" for name, value in check.model_dump(by_alias=True, exclude_unset=True).items())
