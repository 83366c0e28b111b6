"""Turns the first error of a validation into one sentence with the place in the file that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from agentlab_suites.model import Suite
from agentlab_suites.not_yet import NOT_YET, NOT_YET_VALUES
from agentlab_suites.problems import nearest

__all__ = ["first"]

Trail = tuple[str | int, ...]

_MUST_BE = {
    "string_type": "text; put it in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping of keys",
    "tuple_type": "a list",
    "list_type": "a list",
    "date_from_datetime_parsing": "a day such as 2027-01-15",
    "date_parsing": "a day such as 2027-01-15",
    "date_type": "a day such as 2027-01-15",
}
_LIMITS = {"greater_than_equal": ("ge", "at least"), "greater_than": ("gt", "more than"), "less_than_equal": ("le", "at most")}


def first(errors: Sequence[Mapping[str, Any]]) -> tuple[Trail, str]:
    """(where, sentence) of the error that stands first in the file's own order of urgency: unknown keys before what they cause."""
    chosen = min(errors, key=lambda error: error["type"] != "extra_forbidden")
    trail: Trail = tuple(chosen["loc"])
    return trail, _sentence(chosen, trail)


def _sentence(error: Mapping[str, Any], trail: Trail) -> str:
    kind, context = error["type"], error.get("ctx") or {}
    named = _named(trail)
    shown = error.get("input")
    match kind:
        case "extra_forbidden":
            return _unknown_key(trail)
        case "missing":
            return f"{_named(trail[:-1])} has no '{trail[-1]}:'; add it."
        case "literal_error":
            return _not_one_of(named, shown, str(context.get("expected", "")))
        case "value_error":
            return f"{named} {context['error']}."
        case "too_short" | "string_too_short":
            return f"{named} {_too_short(kind, shown, context)}."
        case "string_pattern_mismatch":
            return f"{named} is {shown!r}, which does not have the form {context['pattern']}."
        case _ if must_be := _must_be(kind, context):
            later = NOT_YET_VALUES.get(shown) if kind == "model_type" and isinstance(shown, str) else None
            return later or f"{named} must be {must_be}, not {_short(shown)}."
    return f"{named}: {error['msg']}."


def _must_be(kind: str, context: Mapping[str, Any]) -> str:
    """What the value must be instead; empty for another kind of error."""
    if kind in _LIMITS:
        limit, words = _LIMITS[kind]
        return f"{words} {context[limit]:g}"
    return _MUST_BE.get(kind, "")


def _too_short(kind: str, shown: object, context: Mapping[str, Any]) -> str:
    what = "entries" if kind == "too_short" else "characters"
    if shown:
        return f"is too short with {shown!r}; it needs at least {context['min_length']} {what}"
    return f"is empty; {'give it at least one entry' if kind == 'too_short' else 'write what must be there'}"


def _named(trail: Trail) -> str:
    words = [f"[{step}]" if isinstance(step, int) else step for step in trail if not str(step).startswith(("[key]", "<"))]
    return "'" + ".".join(words).replace(".[", "[") + "'" if words else "The suite"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _not_one_of(named: str, shown: Any, expected: str) -> str:
    if isinstance(shown, str) and shown in NOT_YET_VALUES:
        return NOT_YET_VALUES[shown]
    words = [word.strip(" '") for word in expected.replace(" or ", ",").split(",")]
    if isinstance(shown, str):
        return f"{named} cannot be {shown!r}{nearest(shown, words)}"
    return f"{named} must be {expected}, not {_short(shown)}."


def _unknown_key(trail: Trail) -> str:
    key = str(trail[-1])
    if key in NOT_YET:
        return NOT_YET[key]
    known = _keys_at(Suite, trail[:-1])
    holder = _named(trail[:-1])
    place = "of a suite" if holder == "The suite" else f"under {holder}"
    return f"{key!r} is not a key {place}{nearest(key, known)}"


def _keys_at(model: type[BaseModel], trail: Trail) -> list[str]:
    """The keys that a mapping may have, found by walking the types along `trail`."""
    for n, step in enumerate(trail):
        for name, field in model.model_fields.items():
            if step in (name, field.alias):
                inner = _model_in(field.annotation)
                if inner is not None:
                    return _keys_at(inner, trail[n + 1 :])
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
