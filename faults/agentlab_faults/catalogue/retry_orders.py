"""Faults of the boundary provider-http whose headers order something that an agent must weigh: an endless wait, no retry, a retry."""

from __future__ import annotations

from agentlab_faults.catalogue.errors import Answers
from agentlab_faults.catalogue.rate_limits import DatedRetryAfter, RateLimit
from agentlab_faults.catalogue.rates import RATE_LIMIT, STAYS, often
from agentlab_faults.fault import Row, register

__all__ = ["MayNotRetry", "MayRetry", "RetryAfterSkewed", "RetryAfterTooLong"]


@register(
    Row(
        id="retry_after_over_120",
        boundary="provider-http",
        family="retry-after",
        category="rate_limit",
        scope="model",
        best=STAYS,
        why="The wait is longer than any run's deadline, so only another provider can answer in time.",
        happens="Limits per hour or per day, and gateways that ban a client for a while.",
        agent_should="Cap the wait by the deadline and fail over at once; the SDK refuses waits over 120 s, others sleep for a day.",
        **often(RATE_LIMIT, 0.03, harm=3),
    )
)
class RetryAfterTooLong(RateLimit):
    """A rate limit whose Retry-After is far beyond any deadline."""

    retry_after: float | None = 300.0


@register(
    Row(
        id="retry_after_clock_skew",
        boundary="provider-http",
        family="retry-after",
        category="rate_limit",
        scope="model",
        best={"once": "needs_fallback"},
        why="Read by the local clock the date is an hour away; only the Date header tells, and nobody has to rely on that.",
        happens="A server, or the agent's own container, has a clock that is wrong.",
        agent_should="Bound any date by the deadline, correct it by the answer's Date header where it can, else fail over.",
        **often(RATE_LIMIT, 0.005, harm=3),
    )
)
class RetryAfterSkewed(DatedRetryAfter):
    """A rate limit that passes in seconds, by a server clock that is an hour ahead."""

    wait: float = 5.0
    ahead: float = 3600.0


@register(
    Row(
        id="x_should_retry_false",
        boundary="provider-http",
        family="retry order",
        category="rate_limit",
        scope="model",
        best=STAYS,
        why="The provider forbids another try, so another provider has to answer.",
        happens="A provider in trouble sheds load and tells its SDKs to stay away.",
        agent_should="Obey: no retry there; fail over.",
        **often(RATE_LIMIT, 0.01, harm=2),
    )
)
class MayNotRetry(RateLimit):
    """A rate limit whose header x-should-retry says false."""

    def extra_headers(self) -> tuple[tuple[str, str], ...]:
        return (("x-should-retry", "false"),)


@register(
    Row(
        id="x_should_retry_true",
        boundary="provider-http",
        family="retry order",
        category="rate_limit",
        scope="model",
        best={"once": "recoverable"},
        why="The provider itself says that another try will help, and a model call can be repeated without harm.",
        happens="Gateways mark a refusal as passing although its status says otherwise; seen on real 429s too.",
        agent_should="Obey for calls that can be repeated, within its own budget of retries.",
        **often(RATE_LIMIT, 0.01, harm=1),
    )
)
class MayRetry(Answers):
    """A refusal by status 400 whose header x-should-retry says true."""

    status: int = 400
    message: str = "The request could not be taken just now."
    kind: str | None = "invalid_request_error"

    def extra_headers(self) -> tuple[tuple[str, str], ...]:
        return (("x-should-retry", "true"),)
