"""A refusal of the provider, and the sentences that it has for each kind of wrong value."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

__all__ = [
    "Refused",
    "below_minimum",
    "check_known",
    "empty_array",
    "invalid_type",
    "member",
    "missing",
    "one_of",
    "optional",
    "too_long",
    "unknown",
    "unsupported",
]

_EXPECTED: dict[type, str] = {str: "a string", dict: "an object", list: "an array", bool: "a boolean"}


class Refused(Exception):  # noqa: N818  # it is the provider's answer, not an error of ours
    """The provider answers `status` with an error body instead of asking a model."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        kind: str | None = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.message, self.param, self.code, self.status, self.kind = message, param, code, status, kind


def missing(param: str) -> Refused:
    """A required member is not there."""
    return Refused(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def check_known(body: Mapping[str, Any], parameters: Collection[str], *, compatible: bool) -> None:
    """Raises Refused for the first of the body's members that is no parameter of OpenAI's; a compatible API has its own beside them."""
    for name in () if compatible else body:
        if name not in parameters:
            raise unknown(name)


def unknown(param: str) -> Refused:
    """A member that the endpoint does not know."""
    return Refused(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def invalid_type(param: str, expected: str, value: Any) -> Refused:
    """A value of the wrong JSON type."""
    return Refused(f"Invalid type for '{param}': expected {expected}, but got {_named(value)} instead.", param=param, code="invalid_type")


_Value = TypeVar("_Value", str, bool, dict[str, Any], list[Any])


def member(holder: Mapping[str, Any], name: str, at: str, kind: type[_Value]) -> _Value:
    """A member that must be there and have a JSON type. Raises Refused."""
    if name not in holder:
        raise missing(at)
    value = holder[name]
    if not isinstance(value, kind):
        raise invalid_type(at, _EXPECTED[kind], value)
    return value


def optional(holder: Mapping[str, Any], name: str, at: str, kind: type) -> None:
    """Raises Refused if a member is there, is not null, and has another JSON type."""
    value = holder.get(name)
    if value is not None and not isinstance(value, kind):
        raise invalid_type(at, _EXPECTED[kind], value)


def empty_array(param: str) -> Refused:
    """An array that needs an item has none."""
    message = f"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    return Refused(message, param=param, code="empty_array")


def too_long(param: str, kind: str, maximum: int, length: int) -> Refused:
    """A string or an array over its bound."""
    code = "array_above_max_length" if kind == "array" else "string_above_max_length"
    article = "an" if kind == "array" else "a"
    wanted = f"Expected {article} {kind} with maximum length {maximum}, but got {article} {kind} with length {length} instead."
    return Refused(f"Invalid '{param}': {kind} too long. {wanted}", param=param, code=code)


def below_minimum(param: str, minimum: int, value: int) -> Refused:
    """An integer under its bound."""
    message = f"Invalid '{param}': integer below minimum value. Expected a value >= {minimum}, but got {value} instead."
    return Refused(message, param=param, code="integer_below_min_value")


def unsupported(param: str, value: Any, supported: Sequence[str]) -> Refused:
    """A value outside an enumeration."""
    return Refused(f"Invalid value: '{value}'. Supported values are: {one_of(supported, 'and')}.", param=param, code="invalid_value")


def one_of(names: Sequence[str], word: str) -> str:
    """The names quoted in a list whose last comma is followed by `word`."""
    quoted = [f"'{name}'" for name in names]
    if len(quoted) < 3:
        return f" {word} ".join(quoted)
    return f"{', '.join(quoted[:-1])}, {word} {quoted[-1]}"


def _named(value: Any) -> str:
    """A JSON value's type, as the provider names it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, dict):
        return "an object"
    names: dict[type, str] = {str: "a string", int: "an integer", float: "a decimal number", list: "an array"}
    return names.get(type(value), "a value")
