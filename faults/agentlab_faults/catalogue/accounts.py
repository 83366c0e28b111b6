"""Faults of the boundary provider-http about the caller's account: no key, no permission, no money. Each reaches every call of one key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from agentlab_faults.catalogue.apis import OPENAI_WIDE, WITHOUT_GEMINI
from agentlab_faults.catalogue.errors import Answers, Words
from agentlab_faults.catalogue.rates import REFUSED, STAYS, often
from agentlab_faults.catalogue.wire import Json
from agentlab_faults.fault import Row, register

__all__ = ["Forbidden", "GatewayBudget", "InsufficientQuota", "PaymentRequired", "RevokedKey"]


@register(
    Row(
        id="http_400_gateway_budget",
        boundary="provider-http",
        family="quota",
        category="budget",
        scope="key",
        best=STAYS,
        why="The budget of this key is spent, whatever status says so; another key has its own.",
        happens="A team's virtual key at an LLM gateway reaches its limit; older gateways say 400, newer ones 429.",
        agent_should="Go by type and text, not by status: stop using the key, tell someone, fail over.",
        apis=OPENAI_WIDE,
        **often(REFUSED, 0.03, harm=2),
    )
)
class GatewayBudget(Answers):
    """An LLM gateway refuses the call, by 400 or 429, because the key's budget is spent."""

    status: int = 400
    message: str = "Budget has been exceeded! Current cost: 10.01, Max budget: 10.0"
    kind: str | None = "budget_exceeded"

    def payload(self, message: str) -> Json:
        return {"error": {"message": message, "type": self.kind, "param": None, "code": str(self.status)}}


@register(
    Row(
        id="http_401_revoked_key",
        boundary="provider-http",
        family="authentication",
        category="auth",
        scope="key",
        best=STAYS,
        why="No retry makes a bad key good; another provider has its own key.",
        happens="A key is rotated or revoked while the agent runs, or a secret is deployed wrong.",
        agent_should="Never retry; read the secret again once if it has a secret store, else leave this provider and page someone.",
        **often(REFUSED, 0.12, harm=2),
    )
)
class RevokedKey(Answers):
    """The provider answers 401 because the API key is not valid any more."""

    status: int = 401
    message: str = "Incorrect API key provided: sk-...abcd. You can find your API key in your account settings."
    kind: str | None = "invalid_request_error"
    code: str | int | None = "invalid_api_key"
    words: ClassVar[Mapping[str, Words]] = {
        "anthropic": Words("invalid x-api-key"),
        "gemini": Words("Request had invalid authentication credentials."),
    }


@register(
    Row(
        id="http_402_payment",
        boundary="provider-http",
        family="quota",
        category="budget",
        scope="key",
        best=STAYS,
        why="Someone has to pay first; only another account can answer.",
        happens="Prepaid credits run out at a provider that says so by 402 (OpenRouter, DeepSeek).",
        agent_should="Never retry; the SDK has no class of its own for it, so go by the status. Tell someone, fail over.",
        apis=WITHOUT_GEMINI,
        **often(REFUSED, 0.05, harm=2),
    )
)
class PaymentRequired(Answers):
    """The provider answers 402 because the account has no credit left."""

    status: int = 402
    message: str = "Insufficient credits. Add more credits and retry."
    words: ClassVar[Mapping[str, Words]] = {"anthropic": Words("Billing problem on the account.")}

    def payload(self, message: str) -> Json:
        return {"error": {"code": self.status, "message": message}, "user_id": "user_x"}


@register(
    Row(
        id="http_403",
        boundary="provider-http",
        family="authentication",
        category="auth",
        scope="key",
        best=STAYS,
        why="Permission is not given by asking twice; another provider may give it.",
        happens="Traffic leaves from another region, a model is not enabled for the project, or a firewall in front says no.",
        agent_should="Never retry; use another model or provider and tell someone.",
        **often(REFUSED, 0.06, harm=2),
    )
)
class Forbidden(Answers):
    """The provider answers 403 because the caller may not use it from here."""

    status: int = 403
    message: str = "Country, region, or territory not supported"
    kind: str | None = "request_forbidden"
    code: str | int | None = "unsupported_country_region_territory"
    words: ClassVar[Mapping[str, Words]] = {
        "anthropic": Words("Your API key does not have permission to use the specified resource."),
        "gemini": Words("Permission denied on resource project."),
    }


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
        apis=OPENAI_WIDE,
        **often(REFUSED, 0.2, harm=2),
    )
)
class InsufficientQuota(Answers):
    """The provider answers 429 because the account has no credit left, which no waiting will change."""

    status: int = 429
    message: str = "You exceeded your current quota, please check your plan and billing details."
    kind: str | None = "insufficient_quota"
    code: str | int | None = "insufficient_quota"
    """Also credit_balance_exhausted, organization_spend_limit_exceeded, project_spend_limit_exceeded, organization_usage_limit_exceeded."""
