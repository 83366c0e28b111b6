"""What an agent's reply says: its text, and what it says of itself, if it does."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

__all__ = ["EMPTY", "Reply", "read_reply", "text_of"]


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it is judged."""

    text: str
    answered_by: str = "unknown"
    status: str = ""
    confidence: float | None = None
    """0 to 1; None where the agent says none, or something else."""
    effects: tuple[str, ...] = ()
    """Writes that the reply names as done, or as possibly done."""
    claims: tuple[str, ...] = ()
    """Writes that the reply claims to have done."""


EMPTY = Reply("")


def read_reply(value: Any) -> Reply:
    """Read a value that an agent returned. Attributes that it does not have stay unknown."""
    if isinstance(value, str):
        return Reply(value)
    return Reply(
        text_of(value),
        answered_by=_word(getattr(value, "answered_by", None)) or "unknown",
        status=_word(getattr(value, "status", None)),
        confidence=_share(getattr(value, "confidence", None)),
        effects=_words(getattr(value, "effects", None)),
        claims=_words(getattr(value, "claims", None)),
    )


def text_of(value: Any) -> str:
    """A str; else its `.text`, `.output`, `.final_output`; else the content of the last message. Empty for nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    for name in ("text", "output", "final_output"):
        found = getattr(value, name, None)
        if found is not None and not callable(found):
            return _as_text(found)
    messages = value.get("messages") if isinstance(value, dict) else getattr(value, "messages", None)
    last = messages[-1] if isinstance(messages, list) and messages else value
    content = last.get("content") if isinstance(last, dict) and "content" in last else getattr(last, "content", last)
    return _as_text(content)


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in value):
        return "".join(part["text"] for part in value)
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return json.dumps(value, ensure_ascii=False, default=str)


def _word(value: Any) -> str:
    """A status or layer: a str, or an enum's value."""
    value = getattr(value, "value", value)
    return value if isinstance(value, str) else ""


def _share(value: Any) -> float | None:
    """A number from 0 to 1; None for all else (NaN, a percentage, a number too great for a float)."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1 else None


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,) if isinstance(value, str) and value else ()
    return tuple(str(getattr(item, "tool", None) or getattr(item, "name", None) or item) for item in value)
