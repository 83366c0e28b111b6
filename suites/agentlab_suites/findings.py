"""What was wrong with how the agent went about it, read off the journal, whatever the outcome. Each finding has a stable code."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agentlab_faults.fault import all_faults
from agentlab_faults.journal import Answered, Requested
from agentlab_faults.played import Played
from agentlab_reports.schema import Finding

__all__ = ["EXPLAIN", "Explanation", "find", "finding"]

Severity = Literal["error", "warning", "info"]

NEVER_RETRY = frozenset({"permanent", "auth", "content_filter", "budget"})
TOLERANCE = 0.05
"""Seconds by which an agent may come back too early."""
NO_BACKOFF = 0.05
"""A retry within this many seconds had no backoff."""
STORM = 12
"""Attempts at one logical call, all hosts together, from which it counts as a storm: six tries each at a primary and a fallback."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a finding means, why it hurts, and how it is usually fixed."""

    severity: Severity
    title: str
    hurts: str
    fix: str


EXPLAIN: Mapping[str, Explanation] = {
    "retried_permanent": Explanation(
        "warning",
        "Retried what must not be retried",
        "A refused key, a used-up quota or a rejected request gets the same answer every time; retries cost time and can lock an account.",
        "Classify errors by code before status, and retry only transient ones and rate limits.",
    ),
    "repeated_context_overflow": Explanation(
        "warning",
        "Sent the same oversized request again",
        "A request that is too long stays too long.",
        "Shorten the history (drop the oldest tool results) before the next attempt.",
    ),
    "ignored_retry_after": Explanation(
        "warning",
        "Ignored Retry-After",
        "The provider said when to come back; coming sooner prolongs the limit, for every other user of the key too.",
        "Wait as long as Retry-After says, or fall back at once if the deadline does not allow it.",
    ),
    "no_backoff": Explanation(
        "warning",
        "Retried without backoff",
        "An immediate retry meets the same overloaded server, and adds to its load.",
        "Back off exponentially with jitter, from half a second.",
    ),
    "retry_storm": Explanation(
        "warning",
        "Retry storm",
        f"One logical call was attempted {STORM} times or more: an outage multiplies the load and the bill.",
        "Cap retries by count and by deadline, and open a circuit breaker.",
    ),
    "nested_retries": Explanation(
        "warning",
        "Nested retries multiply",
        "The SDK retries inside the agent's own retries, so three times three attempts go out for one call.",
        "Let one owner retry: set max_retries=0 on the SDK's client, or drop the outer loop.",
    ),
    "deadline_missed": Explanation(
        "warning",
        "Deadline missed",
        "The answer came after the scenario's deadline, when nobody waits for it any more.",
        "Give every wait (connect, read, backoff, tool) the time that is left of one deadline.",
    ),
    "duplicate_suppressed": Explanation(
        "info",
        "A repeated effect was suppressed by its idempotency key",
        "It did no harm: the tool was asked twice and did it once.",
        "Nothing to do; keep the key stable across retries.",
    ),
    "no_breaker": Explanation(
        "warning",
        "Went on asking a dead provider",
        "Each run waits for the same failure again, and the provider meets the whole load when it tries to come back.",
        "Keep a circuit breaker for each provider that all runs share, and fall back at once while it is open.",
    ),
    "breaker_leaks": Explanation(
        "warning",
        "Requests passed an open breaker",
        "An open breaker that lets requests through protects neither the provider nor the runs.",
        "Ask the breaker before each attempt, retries included, not once for each run.",
    ),
    "probes_overlap": Explanation(
        "warning",
        "More than one probe at a time",
        "A provider that is about to come back is met by a crowd.",
        "Let exactly one call through while the breaker is half open, and hold the others until it has ended.",
    ),
    "slow_recovery": Explanation(
        "warning",
        "Slow to notice that the provider is back",
        "Runs are answered by the fallback, or not at all, although the provider is well.",
        "Probe after a fixed reset time, and do not lengthen it with each failed probe beyond a minute.",
    ),
    "outage_conduct": Explanation(
        "info",
        "How the outage was met",
        "It does no harm by itself: these are the figures.",
        "Nothing to do; compare them with what the provider and the users can bear.",
    ),
    "not_deterministic": Explanation(
        "warning",
        "Two fault-free runs differ",
        "A cell's outcome may then change by itself, and replay may not show the same run.",
        "Look for real clocks, native threads or randomness that the lab does not control.",
    ),
    "not_virtual": Explanation(
        "warning",
        "Part of the agent ran in real time",
        "Real threads, sockets and subprocesses do not wait for virtual time: what depends on them can differ from run to run.",
        "Use asyncio.to_thread or a ThreadPoolExecutor, and fake bodies for tools that reach a server.",
    ),
}


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A request and how it ended."""

    request: Requested
    answer: Answered | None


def find(played: Played, deadline: float) -> list[Finding]:
    """The run's findings: one for each code, in the order of `EXPLAIN`."""
    found = dict(_of_calls(played))
    if played.seconds > deadline and played.ending in ("returned", "raised"):
        found["deadline_missed"] = f"the run took {played.seconds:.1f} s of a deadline of {deadline:g} s"
    if played.real_threads or played.real_io:
        found["not_virtual"] = f"it used {', '.join([*played.real_threads, *(['a real socket or pipe'] if played.real_io else [])])}"
    if played.ledger.suppressed:
        found["duplicate_suppressed"] = f"{played.ledger.suppressed} repeated commits carried a key that had been used before"
    return [finding(code, found[code]) for code in EXPLAIN if code in found]


def finding(code: str, text: str) -> Finding:
    """A finding with its code's severity."""
    return Finding(code=code, severity=EXPLAIN[code].severity, text=f"{EXPLAIN[code].title}: {text}.")


def _of_calls(played: Played) -> Iterator[tuple[str, str]]:
    answers = {event.serial: event for event in played.journal if isinstance(event, Answered)}
    requests = [event for event in played.journal if isinstance(event, Requested)]
    points: dict[str, list[_Attempt]] = {}
    for request in requests:
        points.setdefault(request.point, []).append(_Attempt(request, answers.get(request.serial)))
    for point, attempts in points.items():
        if len(attempts) == 1:
            continue
        if len(attempts) >= STORM:
            yield "retry_storm", f"{point} was attempted {len(attempts)} times"
        if _sdk_retries_restart(attempts):
            yield "nested_retries", f"the SDK's own retries at {point} were started more than once"
        for before, after in itertools.pairwise(attempts):
            yield from _of_retry(point, before, after)


def _sdk_retries_restart(attempts: Sequence[_Attempt]) -> bool:
    """The SDK's counter rose, fell back to nought at the same host, and rose again: somebody retries the SDK's retries."""
    by_host: dict[str, list[int]] = {}
    for attempt in attempts:
        by_host.setdefault(attempt.request.host, []).append(attempt.request.sdk_retry)
    return any(sum(b > a for a, b in itertools.pairwise(counts)) >= 2 and 0 in counts[1:] for counts in by_host.values())


def _of_retry(point: str, before: _Attempt, after: _Attempt) -> Iterator[tuple[str, str]]:
    answer = before.answer
    if answer is None or not answer.fault or after.request.host != before.request.host or after.request.model != before.request.model:
        return
    gap = after.request.seconds - answer.seconds
    category = all_faults()[answer.fault].row.category
    if category in NEVER_RETRY:
        yield "retried_permanent", f"{point} was asked again after {answer.fault}"
    elif category == "context" and after.request.digest == before.request.digest:
        yield "repeated_context_overflow", f"{point} was sent again unchanged after {answer.fault}"
    elif answer.retry_after is not None and answer.retry_after > 0 and gap < answer.retry_after - TOLERANCE:
        yield "ignored_retry_after", f"{point} was told to wait {answer.retry_after:g} s and came back after {gap:.2f} s"
    elif category in ("transient", "rate_limit") and answer.end != "timeout" and gap < NO_BACKOFF:
        yield "no_backoff", f"{point} was asked again {gap:.3f} s after {answer.fault}"
