"""A model's window and an account's rates, enforced where a scenario asks for them: each provider refuses in its own words.

Tokens are the estimate that requests are billed by (`script.tokens`). A rate is measured over the last 60 virtual seconds, for each host
and model; what was refused does not count.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agentlab_faults.dialects.dialect import Dialect
from agentlab_faults.dialects.errors import ANTHROPIC, GOOGLE, OPENAI, ProviderError, voice_of
from agentlab_faults.dialects.gemini.refused import quota_details
from agentlab_faults.exchange import Exchange, Pause, WireRequest

__all__ = ["Limits", "Meter"]

_MINUTE = 60.0
_LATENCY = 0.05
"""Virtual seconds until a refusal comes: no model runs for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is enforced; None is without a limit."""

    context: int | None = None
    """Tokens of a prompt; at Anthropic, of the prompt and `max_tokens` together."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Tokens of prompts."""


@dataclass(frozen=True, slots=True)
class _Passed:
    """A limit of a rate that a request would pass."""

    unit: str
    limit: int
    used: int
    asked: int
    again: float
    """Seconds until the request fits."""


class Meter:
    """The limits of one run, and what was used of them so far."""

    def __init__(self, limits: Limits | None) -> None:
        self._limits = limits or Limits()
        self._unlimited = self._limits == Limits()
        self._used: dict[tuple[str, str], deque[tuple[float, int]]] = {}

    def refuse(
        self, dialect: Dialect, request: WireRequest, body: Mapping[str, Any], *, now: float, epoch: int, serial: int
    ) -> Exchange | None:
        """The provider's refusal of a request that does not fit, or None; `now` in virtual seconds since `epoch` (Unix seconds)."""
        if self._unlimited:
            return None
        tokens = dialect.prompt_tokens(body)
        if (error := self._too_long(dialect, request, body, tokens)) is not None:
            return _refused(dialect, request, error, (), serial)
        used = self._used.setdefault((request.host, dialect.model(request, body)), deque())
        while used and used[0][0] <= now - _MINUTE:
            used.popleft()
        passed = self._passed(used, tokens, now)
        if passed is None:
            used.append((now, tokens))
            return None
        error = _rate_error(request, dialect.model(request, body), passed)
        return _refused(dialect, request, error, _rate_headers(request, passed, epoch + now), serial)

    def _too_long(self, dialect: Dialect, request: WireRequest, body: Mapping[str, Any], tokens: int) -> ProviderError | None:
        limit = self._limits.context
        if limit is None:
            return None
        voice = voice_of(request)
        room = body.get("max_tokens") if voice is ANTHROPIC else 0
        if tokens <= limit and tokens + (room or 0) <= limit:
            return None
        if voice is ANTHROPIC:
            message = f"prompt is too long: {tokens} tokens > {limit} maximum"
            if tokens <= limit:
                sum_ = f"{tokens} + {room} > {limit}"
                message = f"input length and `max_tokens` exceed context limit: {sum_}, decrease input length or `max_tokens` and try again"
            return ProviderError(status=400, message=message)
        if voice is GOOGLE:
            return ProviderError(
                status=400, message=f"The input token count ({tokens}) exceeds the maximum number of tokens allowed ({limit})."
            )
        return _openai_too_long(dialect, tokens, limit)

    def _passed(self, used: deque[tuple[float, int]], tokens: int, now: float) -> _Passed | None:
        """The first limit that the request would pass."""
        for unit, limit, asked, entries in (
            ("requests", self._limits.requests_per_minute, 1, [(at, 1) for at, _ in used]),
            ("tokens", self._limits.tokens_per_minute, tokens, list(used)),
        ):
            total = sum(count for _, count in entries)
            if limit is not None and total + asked > limit:
                return _Passed(unit, limit, total, asked, _again(entries, total + asked - limit, now))
        return None


def _again(entries: list[tuple[float, int]], over: int, now: float) -> float:
    """Seconds until so much is free again; a minute if the request alone is too much."""
    for at, count in entries:
        over -= count
        if over <= 0:
            return at + _MINUTE - now
    return _MINUTE


def _openai_too_long(dialect: Dialect, tokens: int, limit: int) -> ProviderError:
    kind, code = "invalid_request_error", "context_length_exceeded"
    if dialect.api == "openai.responses":
        message = "Your input exceeds the context window of this model. Please adjust your input and try again."
        return ProviderError(status=400, message=message, kind=kind, code=code, param="input")
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} tokens. "
        "Please reduce the length of the messages."
    )
    return ProviderError(status=400, message=message, kind=kind, code=code, param="messages")


def _rate_error(request: WireRequest, model: str, passed: _Passed) -> ProviderError:
    voice = voice_of(request)
    if voice is ANTHROPIC:
        unit = "input tokens" if passed.unit == "tokens" else "requests"
        message = f"This request would exceed your organization's rate limit of {passed.limit:,} {unit} per minute."
        return ProviderError(status=429, message=message)
    if voice is GOOGLE:
        quota = (
            "GenerateRequestsPerMinutePerProjectPerModel" if passed.unit == "requests" else "GenerateContentInputTokensPerModelPerMinute"
        )
        details = quota_details(quota, str(passed.limit), model, round(passed.again, 3))
        message = f"You exceeded your current quota, please check your plan and billing details. Please retry in {passed.again:g}s."
        return ProviderError(status=429, message=message, details=details)
    short = "RPM" if passed.unit == "requests" else "TPM"
    message = (
        f"Rate limit reached for {model} in organization org-agentlab on {passed.unit} per min ({short}): Limit {passed.limit}, "
        f"Used {passed.used}, Requested {passed.asked}. Please try again in {passed.again:g}s."
    )
    return ProviderError(status=429, message=message, kind=passed.unit, code="rate_limit_exceeded")


def _rate_headers(request: WireRequest, passed: _Passed, unix: float) -> tuple[tuple[str, str], ...]:
    """When to come back, and what is left; Google says that in the body alone."""
    voice, after = voice_of(request), ("retry-after", str(max(1, -int(-passed.again // 1))))
    if voice is OPENAI:
        left = (("limit", str(passed.limit)), ("remaining", str(max(0, passed.limit - passed.used))), ("reset", f"{passed.again:g}s"))
        told = tuple((f"x-ratelimit-{what}-{passed.unit}", value) for what, value in left)
        return (*told, ("retry-after-ms", str(round(passed.again * 1000))), after)
    if voice is ANTHROPIC:
        name = f"anthropic-ratelimit-{'input-tokens' if passed.unit == 'tokens' else 'requests'}"
        remaining = str(max(0, passed.limit - passed.used))
        reset = datetime.fromtimestamp(unix + passed.again, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return ((f"{name}-limit", str(passed.limit)), (f"{name}-remaining", remaining), (f"{name}-reset", reset), after)
    return ()


def _refused(dialect: Dialect, request: WireRequest, error: ProviderError, headers: tuple[tuple[str, str], ...], serial: int) -> Exchange:
    own = {name for name, _ in headers}
    common = tuple(header for header in dialect.headers(serial, milliseconds=50, streams=False) if header[0] not in own)
    body = json.dumps(voice_of(request).body(error, f"{serial:032x}"), ensure_ascii=False, separators=(",", ":")).encode()
    return Exchange(error.status, (*common, *headers), (body,), (Pause(_LATENCY),))
