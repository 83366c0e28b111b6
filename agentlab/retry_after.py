"""How long a provider asks to be left alone for, in each form in which providers say it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["retry_after"]

DURATION = re.compile(r"(\d+(?:\.\d+)?)s")


def retry_after(error: BaseException) -> float | None:
    """Seconds to wait, more than 0 and possibly `math.inf`; None if the error does not say, or says something that means nothing.

    Forms: `retry-after-ms`, `retry-after` in seconds or as an HTTP date (measured against the response's own Date header, so that a skewed
    clock does not matter), and Gemini's RetryInfo (`"34.07s"`) in the body.
    """
    headers = getattr(getattr(error, "response", None), "headers", None)
    if isinstance(headers, Mapping):
        for wait in (_milliseconds(headers), _seconds(headers), _date(headers)):
            if wait is not None:
                return wait
    return _retry_info(getattr(error, "body", None))


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
    now = _epoch(headers.get("date"))
    return _useful(until - (time.time() if now is None else now))


def _retry_info(body: object, depth: int = 0) -> float | None:
    """The `retryDelay` of a google.rpc.RetryInfo anywhere in the body."""
    if depth > 6:
        return None
    if isinstance(body, Mapping):
        delay = body.get("retryDelay")
        found = DURATION.fullmatch(delay) if isinstance(delay, str) else None
        if found:
            return _useful(float(found[1]))
    values = body.values() if isinstance(body, Mapping) else body if isinstance(body, list) else ()
    return next((wait for value in values if (wait := _retry_info(value, depth + 1)) is not None), None)
