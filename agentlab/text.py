"""Text from outside, made safe to keep: what a model or tool sent must never break the next request, a log or a store."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["as_text", "canonical", "clean", "clean_deep", "cut", "times", "without_thoughts"]

THOUGHTS = re.compile(r"<think>.*?(</think>|\Z)\s*", re.DOTALL)


def clean(text: str) -> str:
    """The text without NUL characters, surrogate pairs joined, and lone surrogates replaced by U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")


def clean_deep(value: Any) -> Any:
    """The same value with every text in it cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean_deep(key): clean_deep(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean_deep(item) for item in value]
    return value


def as_text(value: object) -> str:
    """The value's str(), or its type's name if it cannot be written: nested too deeply, or of a class whose __str__ fails."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # somebody else's __str__ may raise anything
        return f"<{type(value).__name__}>"


def cut(text: str, limit: int) -> str:
    """At most about `limit` characters, with a note of what was left out."""
    return text if len(text) <= limit else f"{text[:limit]} [cut: {len(text) - limit} more characters]"


def times(count: int) -> str:
    """How often, in words.

    >>> times(1), times(3)
    ('once', '3 times')
    """
    return "once" if count == 1 else f"{count} times"


def without_thoughts(text: str) -> str:
    """The text without the <think> sections that some gateways leak."""
    return THOUGHTS.sub("", text) if "<think>" in text else text


def canonical(value: Any) -> str:
    """JSON with sorted keys: equal values give equal text. What JSON lacks is written as its str()."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
