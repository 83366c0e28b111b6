"""A tool call's arguments, from whatever the model wrote to a JSON object."""

from __future__ import annotations

import ast
import json
import math
import re
from typing import Any, NoReturn

from agentlab.errors import InvalidArgumentsError
from agentlab.text import clean_deep

__all__ = ["parse_arguments"]

LIMIT = 200_000
"""Characters; longer arguments are refused unread."""
DEEPEST = 64
"""Levels of nesting; whatever reads the arguments later walks them by recursion."""
LANGUAGE = re.compile(r"[\w-]*")
FENCE = "```"
IN_A_STRING = re.compile(r'"[^"]*,\s*[}\]]')
"""A comma before a bracket that may be in a string, if another quote follows."""
TRAILING_COMMA = re.compile(r",(\s*[}\]])")


def parse_arguments(raw: object, *, repair: bool = True) -> dict[str, Any]:
    """The arguments as a JSON object. Valid JSON is never changed.

    With `repair`, writings that can be read in one way only are accepted: a code fence, text round exactly one object, trailing commas,
    Python literals. Arguments that are cut, doubled, ambiguous (a key twice) or not finite are never guessed at. Raises
    InvalidArgumentsError with a sentence for the model.
    """
    if isinstance(raw, dict):
        return _checked(raw)
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return {}
    if not isinstance(raw, str) or len(raw) > LIMIT:
        raise InvalidArgumentsError("The arguments must be one JSON object written as text.")
    text = raw.strip().removeprefix("\ufeff")
    try:
        return _object(_loads(text))
    except json.JSONDecodeError as error:
        repaired = _repaired(text) if repair else None
        if repaired is None:
            raise InvalidArgumentsError(f"The arguments are not valid JSON ({error.msg} at character {error.pos}).") from None
        return repaired


def _object(value: Any) -> dict[str, Any]:
    """The value, decoded once more if it is a text that holds an object."""
    if isinstance(value, str):
        try:
            value = _loads(value)
        except json.JSONDecodeError:
            value = None
    if not isinstance(value, dict):
        raise InvalidArgumentsError("The arguments must be one JSON object.")
    return _checked(value)


def _checked(value: dict[str, Any]) -> dict[str, Any]:
    if _too_deep(value):
        raise InvalidArgumentsError("The arguments are nested too deeply.")
    cleaned: dict[str, Any] = clean_deep(value)
    return cleaned


def _too_deep(value: Any) -> bool:
    """Whether some value lies deeper than DEEPEST; looked at level by level, so that no depth is too much to look at."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [item for nest in level for item in (nest.values() if isinstance(nest, dict) else nest)]
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _loads(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_twins, parse_constant=_not_finite, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise InvalidArgumentsError("The arguments are nested too deeply.") from None


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidArgumentsError("The arguments name a key twice.")
    return found


def _not_finite(name: str) -> NoReturn:
    raise InvalidArgumentsError(f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _not_finite(text)
    return number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # Python reads no more than 4,300 digits
        raise InvalidArgumentsError(f"A number of {len(text)} digits is too long.") from None


def _unfenced(text: str) -> str:
    """What is inside a code fence round the whole text; the text itself if there is none. Linear in its length."""
    if len(text) < 2 * len(FENCE) or not (text.startswith(FENCE) and text.endswith(FENCE)):
        return text
    return LANGUAGE.sub("", text[len(FENCE) : -len(FENCE)], count=1).strip()


def _repaired(text: str) -> dict[str, Any] | None:
    inner = _unfenced(text)
    for candidate in (inner, _only_object(inner)):
        for read in (_loads, _without_trailing_commas, _python):
            value = None if candidate is None else _tried(read, candidate)
            if isinstance(value, dict):
                return _checked(value)
    return None


def _tried(read: Any, text: str) -> Any:
    try:
        return read(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _without_trailing_commas(text: str) -> Any:
    """JSON after dropping commas before a closing bracket; refused if a string could hold such a comma."""
    inside = IN_A_STRING.search(text, 0, max(0, text.rfind('"')))
    return None if inside else _loads(TRAILING_COMMA.sub(r"\1", text))


def _python(text: str) -> Any:
    """A Python literal that JSON can say: text keys, and nothing but JSON's own kinds of value."""
    value = ast.literal_eval(text)
    return _loads(json.dumps(value)) if _is_json(value) else None


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    return value is None or isinstance(value, str | int | float)


def _only_object(text: str) -> str | None:
    """The one object between other words; None if there is none, or more than one, or it is cut."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    return text[start : end + 1]
