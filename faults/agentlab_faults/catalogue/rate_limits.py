"""Faults of the boundary provider-http with status 429: a rate limit that passes, or a quota that does not."""

from __future__ import annotations

from typing import Literal

from agentlab_faults.catalogue.rates import PASSES, RATE_LIMIT, REFUSED, STAYS, often
from agentlab_faults.catalogue.wire import JSON, Answers, error_body, model_of
from agentlab_faults.exchange import WireRequest
from agentlab_faults.fault import Row, register

__all__ = ["InsufficientQuota", "RateLimited"]


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
        **often(RATE_LIMIT, 0.7, harm=2),
    )
)
class RateLimited(Answers):
    """The provider answers 429 because requests or tokens in a minute went over the limit; `retry_after` is in seconds."""

    status: int = 429
    retry_after: float | None = 5.0
    counted: Literal["requests", "tokens"] = "tokens"

    def payload(self, request: WireRequest) -> JSON:
        unit = "tokens per min (TPM)" if self.counted == "tokens" else "requests per min (RPM)"
        again = "" if self.retry_after is None else f" Please try again in {self.retry_after:g}s."
        message = (
            f"Rate limit reached for {model_of(request)} in organization org-x on {unit}: Limit 200000, Used 199900, Requested 800.{again}"
        )
        return error_body(message, kind=self.counted, code="rate_limit_exceeded")

    def extra_headers(self) -> tuple[tuple[str, str], ...]:
        return () if self.retry_after is None else (("retry-after", f"{self.retry_after:g}"),)


@register(
    Row(
        id="http_429_insufficient_quota",
        boundary="provider-http",
        family="quota",
        category="budget",
        scope="key",
        best=STAYS,
        why="The status is that of a rate limit but nothing passes until someone pays; only another account can answer.",
        happens="Prepaid credit is used up, or a monthly or project spending limit is reached.",
        agent_should="Read the code before the status: never retry, stop every call on that key, tell someone, fail over.",
        **often(REFUSED, 0.25, harm=2),
    )
)
class InsufficientQuota(Answers):
    """The provider answers 429 because the account has no credit left, which no waiting will change."""

    status: int = 429
    code: Literal[
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    ] = "insufficient_quota"

    def payload(self, request: WireRequest) -> JSON:
        message = "You exceeded your current quota, please check your plan and billing details."
        return error_body(message, kind="insufficient_quota", code=self.code)
