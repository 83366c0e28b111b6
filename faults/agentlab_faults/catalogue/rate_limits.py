"""Faults of the boundary provider-http that are rate limits, told apart by what body and headers say of when to come back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import ClassVar

from agentlab_faults.catalogue.apis import WITHOUT_GEMINI
from agentlab_faults.catalogue.errors import Answers, Words
from agentlab_faults.catalogue.rates import PASSES, RATE_LIMIT, RETRIED, often
from agentlab_faults.catalogue.wire import Json
from agentlab_faults.dialects.gemini.refused import quota_details
from agentlab_faults.fault import Best, Row, Shape, register

__all__ = [
    "DatedRetryAfter",
    "RateLimit",
    "RateLimited",
    "RetryAfterAbsent",
    "RetryAfterDate",
    "RetryAfterMilliseconds",
    "RetryAfterPast",
    "RetryAfterSeconds",
    "SlowDown",
]

ONCE: Mapping[Shape, Best] = {"once": "recoverable"}
"""The header is the point: one answer shows how it is read, and `http_429_rate` has the other shapes."""


class RateLimit(Answers):
    """A 429 of the kind that passes."""

    status: int = 429
    message: str = "Rate limit reached for {model} in organization org-x on tokens per min (TPM): Limit 200000, Used 199900, Requested 800."
    kind: str | None = "tokens"
    code: str | int | None = "rate_limit_exceeded"
    words: ClassVar[Mapping[str, Words]] = {
        "anthropic": Words("This request would exceed your organization's rate limit of 40,000 input tokens per minute."),
        "gemini": Words("You exceeded your current quota, please check your plan and billing details."),
    }

    def details(self, model: str) -> tuple[Json, ...]:
        return quota_details("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "15", model, self.retry_after)


@register(
    Row(
        id="http_429_rate",
        boundary="provider-http",
        family="rate limit",
        category="rate_limit",
        scope="model",
        best=PASSES,
        why="The provider says when to come back and means it; a limit that never ends needs another provider.",
        happens="Tokens or requests in a minute go over the limit, by this agent or by a neighbour on the same account.",
        agent_should="Wait what Retry-After says, within the deadline, with jitter; send less; share the pause between workers.",
        **often(RATE_LIMIT, 0.6, harm=2),
    )
)
class RateLimited(RateLimit):
    """The provider answers 429 because the tokens of a minute are used up, and says to come back in `retry_after` seconds."""

    retry_after: float | None = 5.0


@register(
    Row(
        id="http_429_slow_down",
        boundary="provider-http",
        family="rate limit",
        category="rate_limit",
        scope="model",
        best=PASSES,
        why="It passes once the traffic grows more slowly.",
        happens="Traffic rises too fast, as after an outage when every client comes back at once, though no limit per minute is reached.",
        agent_should="Cut the rate and raise it slowly, with full jitter; a short fixed wait makes it worse.",
        apis=WITHOUT_GEMINI,
        **often(RATE_LIMIT, 0.05, harm=2),
    )
)
class SlowDown(RateLimit):
    """The provider answers 429 because traffic grows too quickly."""

    message: str = "Traffic is increasing too quickly; slow down."
    kind: str | None = "rate_limit_error"
    code: str | int | None = "slow_down"
    words: ClassVar[Mapping[str, Words]] = {"anthropic": Words("Usage has risen too fast.", code="ramp_limit_exceeded")}


@register(
    Row(
        id="retry_after_absent",
        boundary="provider-http",
        family="retry-after",
        category="rate_limit",
        scope="model",
        best=RETRIED,
        why="The limit passes within seconds; without a hint the agent's own backoff has to find out.",
        happens="Gateways strip the header; header-less 429s were 4 of 238 requests in one public log (teamclaude PR 431).",
        agent_should="Use its own exponential backoff with jitter.",
        **often(RATE_LIMIT, 0.1, harm=2),
    )
)
class RetryAfterAbsent(RateLimit):
    """A rate limit that does not say when to come back."""


@register(
    Row(
        id="retry_after_seconds",
        boundary="provider-http",
        family="retry-after",
        category="rate_limit",
        scope="model",
        best=ONCE,
        why="After the seconds that the header names, the next try passes.",
        happens="The usual form of the header.",
        agent_should="Wait that long, within the deadline.",
        **often(RATE_LIMIT, 0.1, harm=2),
    )
)
class RetryAfterSeconds(RateLimit):
    """A rate limit whose Retry-After is a number of seconds."""

    retry_after: float | None = 7.0


@register(
    Row(
        id="retry_after_ms",
        boundary="provider-http",
        family="retry-after",
        category="rate_limit",
        scope="model",
        best=ONCE,
        why="A quarter of a second later the next try passes.",
        happens="OpenAI and Azure send it beside, or instead of, Retry-After.",
        agent_should="Prefer it to Retry-After, which is rounded up to a second.",
        **often(RATE_LIMIT, 0.05, harm=1),
    )
)
class RetryAfterMilliseconds(RateLimit):
    """A rate limit whose header retry-after-ms asks for `milliseconds`."""

    milliseconds: int = 250

    def extra_headers(self) -> tuple[tuple[str, str], ...]:
        return (("retry-after-ms", str(self.milliseconds)), ("retry-after", "1"))


class DatedRetryAfter(RateLimit):
    """A rate limit whose Retry-After is an HTTP date, `wait` seconds from now by a server clock that is `ahead` seconds ahead."""

    wait: float
    ahead: float = 0.0

    def extra_headers(self) -> tuple[tuple[str, str], ...]:
        there = time.time() + self.ahead
        return (("date", formatdate(there, usegmt=True)), ("retry-after", formatdate(there + self.wait, usegmt=True)))


@register(
    Row(
        id="retry_after_http_date",
        boundary="provider-http",
        family="retry-after",
        category="rate_limit",
        scope="model",
        best=ONCE,
        why="The date lies a few seconds ahead; after it the next try passes.",
        happens="Proxies and CDNs write the header as a date.",
        agent_should="Read dates too, and bound the result: the two clocks may differ.",
        **often(RATE_LIMIT, 0.02, harm=2),
    )
)
class RetryAfterDate(DatedRetryAfter):
    """A rate limit whose Retry-After is a date a few seconds ahead."""

    wait: float = 8.0


@register(
    Row(
        id="retry_after_date_past",
        boundary="provider-http",
        family="retry-after",
        category="rate_limit",
        scope="model",
        best=ONCE,
        why="The header is of no use, but the limit passes all the same.",
        happens="A cached 429, or a server whose clock is behind.",
        agent_should="Ignore a wait that is not positive and use its own backoff; never retry at once.",
        **often(RATE_LIMIT, 0.01, harm=2),
    )
)
class RetryAfterPast(DatedRetryAfter):
    """A rate limit whose Retry-After is a date that has gone by."""

    wait: float = -60.0
