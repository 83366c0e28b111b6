"""How long a provider asks to be left alone for, in each form in which providers say it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["retry_after"]

GOOGLES = re.compile(r"(\d+(?:\.\d+)?)s")
DURATION = re.compile(r"(?=.)(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
"""As Go writes it: `6m0s`, `1.5s`, `12ms`."""
IN_WORDS = re.compile(r"(?:try again|retry) in ((?:\d+h)?(?:\d+m(?!s))?(?:\d+(?:\.\d+)?m?s)?)\b", re.IGNORECASE)
BEGINNING = 1_000_000_000
"""A reset of more seconds than this is a moment in Unix time, a thousand times as much the same in milliseconds."""


def retry_after(error: BaseException) -> float | None:
    """Seconds to wait, more than 0 and possibly `math.inf`; None if the error does not say, or says something that means nothing.

    The forms, the first that says something: `retry-after-ms`; `retry-after` in seconds, or as an HTTP date (measured against the
    response's own Date header, so that a skewed clock does not matter); Gemini's RetryInfo (`"34.07s"`) in the body; the reset of a limit
    of which nothing remains (OpenAI's durations, Anthropic's moments, gateways' Unix times); "try again in 1m3s" in the message.
    """
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None)
    body = getattr(error, "body", None) or getattr(error, "details", None)
    if isinstance(headers, Mapping):
        for wait in (_milliseconds(headers), _seconds(headers), _date(headers)):
            if wait is not None:
                return wait
    told = _retry_info(body)
    if told is None and getattr(response, "status_code", None) == 429:
        told = _resets(headers if isinstance(headers, Mapping) else {}) or _in_words(error)
    return told


def _useful(seconds: float | None) -> float | None:
    return seconds if seconds is not None and seconds > 0 and not math.isnan(seconds) else None


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _milliseconds(headers: Mapping[str, str]) -> float | None:
    number = _number(headers.get("retry-after-ms"))
    return None if number is None else _useful(number / 1000)


def _seconds(headers: Mapping[str, str]) -> float | None:
    return _useful(_number(headers.get("retry-after")))


def _epoch(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _date(headers: Mapping[str, str]) -> float | None:
    until = _epoch(headers.get("retry-after"))
    if until is None:
        return None
    return _useful(until - _now(headers))


def _now(headers: Mapping[str, str]) -> float:
    """The server's own time, or else ours."""
    told = _epoch(headers.get("date"))
    return time.time() if told is None else told


def _resets(headers: Mapping[str, str]) -> float | None:
    """How long until every limit is there again of which nothing remains."""
    waits = [
        _until(headers.get(name.replace("remaining", "reset")), headers)
        for name, left in headers.items()
        if name.startswith(("x-ratelimit-remaining", "anthropic-ratelimit-")) and "remaining" in name and left.strip() == "0"
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def _until(reset: str | None, headers: Mapping[str, str]) -> float | None:
    """Seconds until a reset: a duration, a moment in RFC 3339, seconds, or Unix time in seconds or milliseconds."""
    if not reset:
        return None
    number = _number(reset)
    if number is not None:
        if number > BEGINNING * 1000:
            number /= 1000
        return _useful(number - _now(headers) if number > BEGINNING else number)
    duration = _duration(reset)
    if duration is not None:
        return _useful(duration)
    try:
        return _useful(datetime.fromisoformat(reset).timestamp() - _now(headers))
    except (ValueError, OverflowError):
        return None


def _duration(text: str) -> float | None:
    found = DURATION.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _in_words(error: BaseException) -> float | None:
    try:
        found = IN_WORDS.search(str(error)[:20_000])
    except Exception:  # noqa: BLE001  # somebody else's __str__ may raise anything
        return None
    return _useful(_duration(found[1])) if found else None


def _retry_info(body: object, depth: int = 0) -> float | None:
    """The `retryDelay` of a google.rpc.RetryInfo anywhere in the body."""
    if depth > 6:
        return None
    if isinstance(body, Mapping):
        delay = body.get("retryDelay")
        found = GOOGLES.fullmatch(delay) if isinstance(delay, str) else None
        if found:
            return _useful(float(found[1]))
    values = body.values() if isinstance(body, Mapping) else body if isinstance(body, list) else ()
    return next((wait for value in values if (wait := _retry_info(value, depth + 1)) is not None), None)
