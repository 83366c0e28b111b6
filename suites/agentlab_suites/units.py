"""The units of a suite: durations, multiples, shares, patterns; each parsed from what people write."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

__all__ = ["Duration", "Limit", "Moment", "Multiple", "Pattern", "Share"]

_YEAR = 365 * 86_400.0
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Multiple(float):
    """A limit as a multiple of the fault-free run's figure."""


Limit = int | Multiple
"""An absolute number, or a multiple of the fault-free run's."""


def _duration(value: Any) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)\s*", value) if isinstance(value, str) else None
    seconds = float(found[1]) * _SECONDS[found[2]] if found else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _YEAR:
        raise ValueError(f"must be a time such as 60s, 2m or 500ms, at most a year, not {value!r}")
    return float(seconds)


def _moment(value: Any) -> float:
    nought = (isinstance(value, int | float) and not isinstance(value, bool) and value == 0) or (
        isinstance(value, str) and re.fullmatch(r"\s*0+(?:\.0+)?\s*(?:ms|s|m|h)?\s*", value) is not None
    )
    return 0.0 if nought else _duration(value)


def _limit(value: Any) -> Limit:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*x\s*", value) if isinstance(value, str) else None
    if found and float(found[1]) >= 1:
        return Multiple(found[1])
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError(f"must be a whole number or a multiple of the fault-free run such as 3x, not {value!r}")


def _share(value: Any) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value) if isinstance(value, str) else None
    share = float(found[1]) / 100 if found else value
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ValueError(f"must be a share such as 85% or 0.85, not {value!r}")
    return float(share)


def _pattern(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be text, not {value!r}; put it in quotes")
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    if pattern.search(""):
        raise ValueError(f"matches every text, so it checks nothing: {value!r}")
    return value


Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema({"type": ["string", "number"], "examples": ["60s", "2m", "500ms"]})]
"""Virtual seconds."""
Moment = Annotated[float, BeforeValidator(_moment), WithJsonSchema({"type": ["string", "number"], "examples": ["0s", "90s", "6m"]})]
"""Virtual seconds since the session began."""
LimitField = Annotated[Any, BeforeValidator(_limit), WithJsonSchema({"type": ["string", "integer"], "examples": ["3x", 40]})]
Share = Annotated[float, BeforeValidator(_share), WithJsonSchema({"type": ["string", "number"], "examples": ["85%", 0.85]})]
"""0 to 1."""
Pattern = Annotated[str, BeforeValidator(_pattern)]
"""A regular expression; claims, denials and admissions are matched without regard to case."""
