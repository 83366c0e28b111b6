"""What an agent's reply says: its text, and what it says of itself, if it does."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

__all__ = ["EMPTY", "Reply", "effects_of", "read_reply", "text_of", "words_of"]


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
    if isinstance(value, Reply):
        return value
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
    """A str; else its `.text`, `.output`, `.final_output`, or the keys of these names; else the content of the last message.

    Empty for nothing. What is no text is written as JSON.
    """
    if value is None or isinstance(value, str):
        return value or ""
    for name in ("text", "output", "final_output", "structured_response"):
        found = _part(value, name)
        if found is not None and (isinstance(found, str) or not callable(found)):  # langchain's text is a str that can be called
            return _as_text(found)
    messages = _part(value, "messages")
    if isinstance(messages, list) and messages:
        return text_of(messages[-1])
    content = _part(value, "content")
    return _as_text(value if content is None and not _has(value, "content") else content)


def words_of(error: BaseException | None) -> str:
    """What an agent's exception says, and those of a group (a task group's); nothing without one, or if it cannot even say that."""
    if isinstance(error, BaseExceptionGroup):
        parts = [": ".join(filter(None, (type(one).__name__, words_of(one)))) for one in error.exceptions]
        return f"{error.message}: {'; '.join(parts)}"
    try:
        return "" if error is None else str(error)
    except Exception:  # noqa: BLE001 - the agent's own code; the exception is told by its type all the same
        return ""


def effects_of(error: BaseException) -> tuple[str, ...]:
    """The writes that an agent's exception names in its `effects`; none if it cannot say."""
    try:
        return _words(getattr(error, "effects", None))
    except Exception:  # noqa: BLE001 - as above: a write that is not named counts as one
        return ()


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _has(value: Any, name: str) -> bool:
    return name in value if isinstance(value, dict) else hasattr(value, name)


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return str(value or "")
    if isinstance(value, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in value):
        return "".join(part["text"] for part in value)
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return json.dumps(to_jsonable_python(value, serialize_unknown=True), ensure_ascii=False)


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
