"""A refusal of Anthropic, and the sentences that it has for each kind of wrong value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["Refused", "member", "number", "optional", "required"]


class Refused(Exception):  # noqa: N818  # it is the provider's answer, not an error of ours
    """The provider answers `status` with an error body instead of asking a model."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.status = message, status


_NAMES: dict[type, str] = {str: "a valid string", dict: "a valid dictionary", list: "a valid list", bool: "a valid boolean"}
_Value = TypeVar("_Value", str, bool, dict[str, Any], list[Any])


def required(holder: Mapping[str, Any], name: str, at: str) -> Any:
    """A member that must be there. Raises Refused."""
    if name not in holder:
        raise Refused(f"{at}: Field required")
    return holder[name]


def member(holder: Mapping[str, Any], name: str, at: str, kind: type[_Value]) -> _Value:
    """A member that must be there and have a JSON type. Raises Refused."""
    value = required(holder, name, at)
    if not isinstance(value, kind):
        raise Refused(f"{at}: Input should be {_NAMES[kind]}")
    return value


def optional(holder: Mapping[str, Any], name: str, at: str, kind: type) -> None:
    """Raises Refused if a member is there, is not null, and has another JSON type."""
    value = holder.get(name)
    if value is not None and not isinstance(value, kind):
        raise Refused(f"{at}: Input should be {_NAMES[kind]}")


def number(holder: Mapping[str, Any], name: str, *, low: float, high: float | None = None, whole: bool = False) -> None:
    """Raises Refused if a number is there and is none, no whole one where it must be, or out of bounds."""
    value = holder.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise Refused(f"{name}: Input should be a valid {'integer' if whole else 'number'}")
    if value < low:
        raise Refused(f"{name}: Input should be greater than or equal to {low:g}")
    if high is not None and value > high:
        raise Refused(f"{name}: Input should be less than or equal to {high:g}")
