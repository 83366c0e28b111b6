"""Trying again: one owner, one policy per category, never beyond the deadline. The providers' SDKs have their own retries switched off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from tenacity import AsyncRetrying, RetryCallState

from agentlab.bounds import Deadline
from agentlab.classify import Classified, classify
from agentlab.errors import BoundExceededError, BreakerOpenError, Category, RunStoppedError
from agentlab.retry_after import retry_after

__all__ = ["MODEL_POLICIES", "TOOL_POLICIES", "Failure", "GaveUpError", "Policies", "Policy", "call_with_retries", "delay"]

T = TypeVar("T")

MOMENT = 0.001
"""Seconds: whoever was cut with no more than that left was cut by the deadline."""
CUT = "no time was left for it"
PASSING = (BoundExceededError, BreakerOpenError, RunStoppedError)
"""What is not an attempt's failure."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Exponential backoff: `base` and `cap` in seconds, `retries` after the first try.

    Jitter `half` draws from the upper half of the delay, `full` from all of it.
    """

    base: float
    cap: float
    jitter: Literal["half", "full"]
    retries: int


Policies = Mapping[Category, Policy]
"""A category that is not in it is never retried."""

MODEL_POLICIES: Policies = {"transient": Policy(0.5, 10.0, "half", 3), "rate_limit": Policy(2.0, 60.0, "full", 5)}
TOOL_POLICIES: Policies = {"transient": Policy(0.25, 2.0, "half", 2), "rate_limit": Policy(1.0, 10.0, "full", 2)}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt."""

    error: Exception
    classified: Classified
    retry_after: float | None = None


class GaveUpError(Exception):
    """The attempts are over; `failures` has each. If what ended them was time, `late` says so in a clause; else it is empty."""

    def __init__(self, failures: list[Failure], late: str = "") -> None:
        super().__init__(str(failures[-1].error))
        self.failures = failures
        self.late = late


def delay(policy: Policy, failures: int, told: float | None = None) -> float:
    """Seconds to wait after so many failures (from 1). What the provider told wins, lengthened by up to a tenth: callers spread out."""
    if told is not None:
        return told * (1 + random.random() / 10)  # noqa: S311  # jitter is no secret
    full = min(policy.cap, policy.base * 2.0 ** min(failures - 1, 64))
    least = full / 2 if policy.jitter == "half" else 0.0
    return random.uniform(least, full)  # noqa: S311  # jitter is no secret


@dataclass(slots=True)
class _Attempts:
    """What tenacity asks after each attempt."""

    policies: Policies
    deadline: Deadline
    go_on: Callable[[Failure], bool]
    failures: list[Failure] = field(default_factory=list)
    late: str = ""

    def gave_up(self) -> GaveUpError:
        """What is raised at the end."""
        cut = self.failures[-1].classified.timed_out and self.deadline.remaining <= MOMENT
        return GaveUpError(self.failures, CUT if cut else self.late)

    def again(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, Exception) or isinstance(error, PASSING):
            return False
        self.failures.append(Failure(error, classify(error), retry_after(error)))
        return self._allowed() and self.go_on(self.failures[-1])

    def wait(self, _state: RetryCallState) -> float:
        last = self.failures[-1]
        return delay(self._policy(last), len(self.failures), last.retry_after)

    def stop(self, state: RetryCallState) -> bool:
        left = self.deadline.remaining
        if state.upcoming_sleep >= left:
            self.late = f"the next try was due in {state.upcoming_sleep:.1f} s, but {left:.1f} s were left"
        return bool(self.late)

    def _policy(self, failure: Failure) -> Policy:
        return self.policies.get(failure.classified.category) or self.policies["transient"]

    def _allowed(self) -> bool:
        """Whether the last failure's category has retries left.

        `x-should-retry` may forbid them, or allow them after a refusal that we know nothing better about; it never makes a bad key good.
        """
        last = self.failures[-1].classified
        allowed = last.category in self.policies or (last.category == "permanent" and last.should_retry)
        if last.should_retry is False or not allowed:
            return False
        same = sum(failure.classified.category == last.category for failure in self.failures)
        return same <= self._policy(self.failures[-1]).retries


async def call_with_retries(
    attempt: Callable[[], Awaitable[T]],
    *,
    policies: Policies,
    deadline: Deadline,
    go_on: Callable[[Failure], bool] = lambda _failure: True,
) -> T:
    """The result of the first `attempt` that succeeds; raises GaveUpError with every failure when trying again is not allowed.

    A delay that would reach the deadline is not begun: the call gives up at once, so that a fallback still has the time. `go_on` may stop
    after a failure. BoundExceededError, RunStoppedError, cancellation, and BreakerOpenError before any failure pass through as they are.
    """
    attempts = _Attempts(policies, deadline, go_on)

    async def once() -> T:  # tenacity awaits what it can see to be a coroutine function
        return await attempt()

    tries = AsyncRetrying(sleep=asyncio.sleep, retry=attempts.again, wait=attempts.wait, stop=attempts.stop)
    try:
        return await tries(once)
    except (BoundExceededError, RunStoppedError):
        raise
    except Exception as error:
        if not attempts.failures:
            raise
        raise attempts.gave_up() from error
