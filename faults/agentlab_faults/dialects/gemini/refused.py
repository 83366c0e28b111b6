"""A refusal of Google's, with the details that its errors carry."""

from __future__ import annotations

from typing import Any

from agentlab_faults.dialects.errors import ProviderError

__all__ = ["Refused", "invalid", "no_such_key", "quota_details", "unknown"]

Json = dict[str, Any]
_RPC = "type.googleapis.com/google.rpc"
_BAD_KEY = "API key not valid. Please pass a valid API key."


class Refused(Exception):  # noqa: N818  # it is the provider's answer, not an error of ours
    """The provider answers with this error instead of asking a model."""

    def __init__(self, message: str, *, status: int = 400, kind: str | None = None, details: tuple[Json, ...] = ()) -> None:
        super().__init__(message)
        self.error = ProviderError(status=status, message=message, kind=kind, details=details)


def invalid(field: str, description: str) -> Refused:
    """A value of a request for content that cannot be."""
    violation = {"field": field, "description": description}
    return Refused(f"* GenerateContentRequest.{field}: {description}\n", details=(_bad_request(violation),))


def unknown(name: str, at: str = "") -> Refused:
    """A member that the message does not have."""
    where = f" at '{at}'" if at else ""
    message = f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
    return Refused(message, details=(_bad_request({"field": at, "description": message} if at else {"description": message}),))


def no_such_key(service: str) -> Refused:
    """A key that cannot be one."""
    info = {
        "@type": f"{_RPC}.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": service},
    }
    words = {"@type": f"{_RPC}.LocalizedMessage", "locale": "en-US", "message": _BAD_KEY}
    return Refused(_BAD_KEY, details=(info, words))


def _bad_request(violation: Json) -> Json:
    return {"@type": f"{_RPC}.BadRequest", "fieldViolations": [violation]}


def quota_details(quota: str, value: str, model: str, again: float | None) -> tuple[Json, ...]:
    """What an error says of a quota that is used up: which one, where to read of it, and in how many seconds to come `again`."""
    metric = "generate_content_free_tier_input_token_count" if "Tokens" in quota else "generate_content_free_tier_requests"
    violation = {
        "quotaMetric": f"generativelanguage.googleapis.com/{metric}",
        "quotaId": quota,
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": value,
    }
    link = {"description": "Learn more about Gemini API quotas", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}
    info = () if again is None else ({"@type": f"{_RPC}.RetryInfo", "retryDelay": f"{again:g}s"},)
    return ({"@type": f"{_RPC}.QuotaFailure", "violations": [violation]}, {"@type": f"{_RPC}.Help", "links": [link]}, *info)
