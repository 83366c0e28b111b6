"""Faults of the boundary provider-http that one or two providers alone know: Anthropic's spending, Gemini's keys and quotas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from agentlab_faults.catalogue.apis import ANTHROPIC, GEMINI
from agentlab_faults.catalogue.errors import Answers, Words
from agentlab_faults.catalogue.rates import OVERLOAD, REFUSED, RETRIED, STAYS, often
from agentlab_faults.catalogue.wire import Json
from agentlab_faults.dialects.gemini.refused import no_such_key, quota_details
from agentlab_faults.fault import Row, register

__all__ = ["ApiKeyInvalid", "ClientClosed", "CreditLow", "DailyQuota", "SpendLimit"]


@register(
    Row(
        id="http_400_credit_low",
        boundary="provider-http",
        family="quota",
        category="budget",
        scope="key",
        best=STAYS,
        why="Prepaid credit does not come back by asking again; another account has its own.",
        happens="Anthropic's prepaid credit is used up; it says so by 400, and only the text tells it from a bad request.",
        agent_should="Read the text before filing a 400 as a bug: stop every call on that key, tell someone, fail over.",
        apis=ANTHROPIC,
        **often(REFUSED, 0.005, harm=2),
    )
)
class CreditLow(Answers):
    """Anthropic answers 400 because the credit balance is too low."""

    status: int = 400
    message: str = (
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
    )


@register(
    Row(
        id="http_400_api_key_invalid",
        boundary="provider-http",
        family="authentication",
        category="auth",
        scope="key",
        best=STAYS,
        why="No retry makes a bad key good; another provider has its own key.",
        happens="A key is revoked or deployed wrong; Gemini says so by 400, and only the reason in its details tells.",
        agent_should="Look for API_KEY_INVALID in the details of a 400 and treat it as a 401: never retry, page someone, fail over.",
        apis=GEMINI,
        **often(REFUSED, 0.005, harm=2),
    )
)
class ApiKeyInvalid(Answers):
    """Gemini answers 400 because the API key is not valid."""

    status: int = 400
    message: str = "API key not valid. Please pass a valid API key."

    def details(self, model: str) -> tuple[Json, ...]:
        del model  # the key is bad for all
        return no_such_key("generativelanguage.googleapis.com").error.details


@register(
    Row(
        id="http_429_spend_limit",
        boundary="provider-http",
        family="quota",
        category="budget",
        scope="key",
        best=STAYS,
        why="The status is that of a rate limit but nothing passes before the limit is raised; only another account can answer.",
        happens="An organization's spending limit at Anthropic is reached, enforced by its admin or by its contract.",
        agent_should="Go by details.error_code, not by the class, which is a RateLimitError: never retry, tell someone, fail over.",
        apis=ANTHROPIC,
        **often(REFUSED, 0.005, harm=2),
    )
)
class SpendLimit(Answers):
    """Anthropic answers 429 because a spending limit is reached, which no waiting will change."""

    words: ClassVar[Mapping[str, Words]] = {"anthropic": Words(code="enforced_spend_limit_reached")}
    status: int = 429
    message: str = "Spend limit reached."
    code: str | int | None = "enforced_spend_limit_reached"
    """Also contract_spend_limit_reached."""


@register(
    Row(
        id="http_429_daily_quota",
        boundary="provider-http",
        family="quota",
        category="budget",
        scope="key",
        best=STAYS,
        why="Status and message are those of a limit per minute, but nothing passes before the next day; only another account can answer.",
        happens="The requests of a day are used up at Gemini; the wait that it names may be seconds all the same.",
        agent_should="Read quotaId, not the delay: PerDay means no retry before the reset. Tell someone, fail over.",
        apis=GEMINI,
        **often(REFUSED, 0.005, harm=2),
    )
)
class DailyQuota(Answers):
    """Gemini answers 429 because the quota of the day is used up, and names a wait of `again` seconds that does not help."""

    status: int = 429
    message: str = "You exceeded your current quota, please check your plan and billing details."
    again: float = 22.0

    def details(self, model: str) -> tuple[Json, ...]:
        return quota_details("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "200", model, self.again)


@register(
    Row(
        id="http_499",
        boundary="provider-http",
        family="server error",
        category="transient",
        scope="host",
        best=RETRIED,
        why="Only this try was cancelled; the same request passes.",
        happens="A proxy in between gives up on the connection, and the provider takes that for the caller's wish (Gemini: CANCELLED).",
        agent_should="Retry if it did not cancel itself: the SDKs do not.",
        apis=ANTHROPIC | GEMINI,
        **often(OVERLOAD, 0.01, harm=1),
    )
)
class ClientClosed(Answers):
    """The provider answers 499 because it believes that the caller has gone."""

    status: int = 499
    message: str = "The operation was cancelled."
