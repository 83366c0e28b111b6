"""From an exception to a category, and to what the provider said about trying again.

The order is: code, type and details in the body; then the message; then the status; then the class. The status comes late because it
lies: 429 holds rate limits and exhausted quotas, 400 holds context, auth, budget, filter and plain bad requests. What nothing matches is
`transient`. Nothing here imports a provider's SDK: errors are read by their attributes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentlab.errors import Category, InvalidAnswerError
from agentlab.text import as_text

__all__ = ["Classified", "category_of", "classify"]

CODES: tuple[tuple[Category, re.Pattern[str]], ...] = (
    (
        "budget",
        re.compile(
            r"insufficient_quota|credit_balance_exhausted|\w*spend_limit\w*|organization_usage_limit_exceeded|billing_error|budget_exceeded"
            r"|[\w-]*PerDay[\w-]*",
            re.IGNORECASE,
        ),
    ),
    ("auth", re.compile(r"invalid_api_key|authentication_error|permission_error|API_KEY_INVALID|UNAUTHENTICATED|PERMISSION_DENIED|NOAUTH")),
    ("context", re.compile(r"context_length_exceeded|request_too_large|string_above_max_length|model_context_window_exceeded")),
    ("content_filter", re.compile(r"content_filter|content_policy_violation|ResponsibleAIPolicyViolation|invalid_prompt")),
    ("rate_limit", re.compile(r"rate_limit_exceeded|rate_limit_error|slow_down|ramp_limit_exceeded|RESOURCE_EXHAUSTED|throttling\w*")),
    ("transient", re.compile(r"server_error|server_is_overloaded|service_unavailable_error|overloaded_error|timeout_error|UNAVAILABLE")),
)
"""Codes, types and reasons as the providers send them (OpenAI, Azure, Anthropic, Gemini, LiteLLM), whole words, first match wins."""

MESSAGES: tuple[tuple[Category, re.Pattern[str]], ...] = (
    (
        "budget",
        re.compile(
            r"credit balance is too low|insufficient (balance|credits)|exceeded your current quota|budget has been exceeded", re.IGNORECASE
        ),
    ),
    ("auth", re.compile(r"(incorrect|invalid) api key|api key not valid", re.IGNORECASE)),
    ("context", re.compile(r"prompt is too long|maximum context length|input token count|context (window|limit)", re.IGNORECASE)),
    ("content_filter", re.compile(r"content management policy|safety system|content policy", re.IGNORECASE)),
    ("rate_limit", re.compile(r"rate limit|too many requests", re.IGNORECASE)),
    ("permanent", re.compile(r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|Name or service not known|nodename nor servname")),
)

KINDS = re.compile(r"invalid_request_error|not_found_error|INVALID_ARGUMENT|FAILED_PRECONDITION|NOT_FOUND")
"""What the providers call a request that is wrong in itself. They use it for much else, too, so that everything else is asked first."""

STATUSES: Mapping[int, Category] = {
    401: "auth", 402: "budget", 403: "auth", 408: "transient", 409: "transient", 413: "context", 425: "transient", 429: "rate_limit",
    499: "transient",
}  # fmt: skip

PERMANENT_CLASSES = frozenset({"SSLCertVerificationError", "UnsupportedProtocol", "NotImplementedError"})
UNSENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ConnectionRefusedError", "gaierror", "McpConnectError", "ToolBusyError"}
)
"""Classes that say the request never left: whatever it asked for has not been done."""
OURS = frozenset({"PoolTimeout", "CancelledError", "ToolBusyError"})
"""Classes that say nothing about the dependency's health."""
TIMEOUTS = frozenset({"TimeoutError", "APITimeoutError", "ReadTimeout", "ConnectTimeout", "WriteTimeout"})


LONGEST = 20_000
"""Characters of an error's words that are looked at."""


@dataclass(frozen=True, slots=True)
class Classified:
    """What an exception means."""

    category: Category
    outcome_unknown: bool = False
    """The request may have run."""
    counts: bool = True
    """It says that the dependency is ill, so its circuit breaker counts it."""
    timed_out: bool = False
    unsent: bool = False
    """The request certainly never left."""
    declined: bool = False
    """A provider's code or an HTTP status says that the request was not carried out; words in a message say no such thing."""
    should_retry: bool | None = None
    """What the provider's `x-should-retry` header asked for, if it was sent."""


def classify(error: BaseException) -> Classified:
    """The category of any exception, always the same for the same exception. Never raises."""
    if isinstance(error, InvalidAnswerError):
        return Classified(error.category, outcome_unknown=True, counts=error.category not in {"context", "content_filter", "permanent"})
    facts = _Facts.of(error)
    category = facts.category()
    return Classified(
        category,
        outcome_unknown=facts.status in {None, 408, 504} and not (facts.names & UNSENT) and category == "transient",
        counts=_counts(category, facts),
        timed_out=bool(facts.names & TIMEOUTS),
        unsent=bool(facts.names & UNSENT),
        declined=facts.declined,
        should_retry={"true": True, "false": False}.get(facts.header("x-should-retry").lower()),
    )


def category_of(body: object) -> Category | None:
    """What an error body says of itself: by its codes, its words, a status in it (gateways), its kind; None if nothing is known."""
    words = tuple(_words(body))
    return _by_codes(words) or _by_message(as_text(body)[:LONGEST]) or _by_status(_numbered(body)) or _by_kind(words)


def _counts(category: Category, facts: _Facts) -> bool:
    if facts.names & OURS or category in {"context", "content_filter"}:
        return False
    return category != "permanent" or facts.status is None


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that is known of an error, read without trusting it."""

    words: tuple[str, ...]
    message: str
    status: int | None
    names: frozenset[str]
    headers: Any

    @classmethod
    def of(cls, error: BaseException) -> _Facts:
        chain = list(_chain(error))
        response = _attribute(error, "response")
        body = _attribute(error, "body")
        if body is None:  # google-genai keeps it there
            body = _attribute(error, "details")
        # httpx and requests keep the status in the response; an error in the middle of a stream has it as its code
        statuses = (
            _attribute(error, "status_code"),
            _attribute(response, "status_code"),
            _number(_attribute(error, "code")),
            _numbered(body),
        )
        status = next((status for status in statuses if status is not None), None)
        words = [_attribute(error, "code"), _attribute(error, "type"), *_words(body)]
        return cls(
            words=tuple(word for word in words if isinstance(word, str)),
            message=" ".join(_text(link) for link in chain)[:LONGEST],
            status=status if isinstance(status, int) and not isinstance(status, bool) else None,
            names=frozenset(kind.__name__ for link in chain for kind in type(link).__mro__),
            headers=_attribute(response, "headers"),
        )

    def category(self) -> Category:
        known = _by_codes(self.words) or _by_message(self.message)
        if known is None and (self.status is None or self.status < 300):  # an error that came under status 200, or without one
            known = _by_kind(self.words)
        return known or _by_status(self.status) or self._by_class()

    @property
    def declined(self) -> bool:
        return (_by_codes(self.words) or _by_status(self.status) or "transient") != "transient"

    def header(self, name: str) -> str:
        get = _attribute(self.headers, "get")
        value = get(name) if callable(get) else None
        return value if isinstance(value, str) else ""

    def _by_class(self) -> Category:
        return "permanent" if self.names & PERMANENT_CLASSES else "transient"


def _by_codes(words: Sequence[str]) -> Category | None:
    for category, pattern in CODES:
        if any(pattern.fullmatch(word) for word in words):
            return category
    return None


def _by_message(message: str) -> Category | None:
    return next((category for category, pattern in MESSAGES if pattern.search(message)), None)


def _by_status(status: int | None) -> Category | None:
    if status is None:
        return None
    if status in STATUSES:
        return STATUSES[status]
    return "permanent" if 300 <= status < 500 else "transient"


def _by_kind(words: Sequence[str]) -> Category | None:
    return "permanent" if any(KINDS.fullmatch(word) for word in words) else None


def _number(code: object) -> int | None:
    """The HTTP status that a code is, as a number or as text."""
    number = int(code) if isinstance(code, str) and code.isascii() and code.isdecimal() and len(code) == 3 else code
    return number if isinstance(number, int) and not isinstance(number, bool) and 300 <= number < 600 else None


def _numbered(body: object) -> int | None:
    """The HTTP status in an error body, or in its `error`."""
    inner = body.get("error") if isinstance(body, Mapping) else None
    codes = [part.get("code") for part in (body, inner) if isinstance(part, Mapping)]
    return next((number for code in codes if (number := _number(code)) is not None), None)


def _attribute(thing: object, name: str) -> Any:
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001  # a property of somebody else's error may raise anything; classification is total
        return None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # so may its __str__
        return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, each once, at most 8."""
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(seen) < 8 and not any(link is known for known in seen):
        seen.append(link)
        yield link
        link = link.__cause__


KEYS = ("code", "type", "status", "reason", "quotaId", "error_code")


def _words(body: object, depth: int = 0) -> Iterator[str]:
    """Every code-like value in an error body, whatever its nesting."""
    if depth > 6:
        return
    if isinstance(body, Mapping):
        yield from (value for key in KEYS if isinstance(value := body.get(key), str))
        for value in body.values():
            yield from _words(value, depth + 1)
    elif isinstance(body, list):
        for value in body[:50]:
            yield from _words(value, depth + 1)
