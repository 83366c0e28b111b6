"""The least value that a JSON schema accepts, with the model's words put where they fit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from agentlab_faults.script.schemas import referred
from agentlab_faults.script.spec import ScriptMissing

__all__ = ["fit"]

_DEPTH = 30
"""References within references that are followed."""
_MOST = 100_000
"""Values within a value, and characters of a text, beyond which a schema asks for more than a script should make up."""
_FORMATS = {
    "date-time": "2000-01-01T00:00:00Z",
    "date": "2000-01-01",
    "time": "00:00:00Z",
    "duration": "P0D",
    "email": "nobody@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def fit(words: Any, schema: Mapping[str, Any]) -> Any:
    """A value of `schema`. An object's members and a list's items are kept where they fit, a text goes into every text field that has
    room for it; all else is the least there is (false, 0, an empty list, the first of an enumeration).

    `schema` is one that the provider accepts (`schemas.complaint`). Raises ScriptMissing if a text field wants a pattern that the words do
    not have, or if no value fits that is finite and of a sensible size.
    """
    return _Fitting(schema).value(words, schema, ())


Open = tuple[str, ...]
"""References that are being followed, so that a recursive schema takes another branch where it has one."""


class _Fitting:
    """One schema with its references."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._made = 0

    def value(self, words: Any, schema: Mapping[str, Any] | bool, open_: Open) -> Any:
        self._made += 1
        if len(open_) > _DEPTH or self._made > _MOST:
            raise ScriptMissing("The agent wants an answer of a schema without a finite value; write the script's `say` as an object.")
        if isinstance(schema, bool):
            return words
        if "$ref" in schema:
            return self.value(words, _referred(schema["$ref"], self._root), (*open_, schema["$ref"]))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return words if words in schema["enum"] else schema["enum"][0]
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self.value(words, self._branch(words, schema[key], open_), open_)
        if "allOf" in schema:
            return self.value(words, _merged(schema, self._root), (*open_, "allOf"))
        kind = _kind(words, schema)
        if kind == "object":
            return self._object(words, schema, open_)
        return self._array(words, schema, open_) if kind == "array" else _scalar(words, kind, schema)

    def _branch(self, words: Any, branches: list[Mapping[str, Any] | bool], open_: Open) -> Mapping[str, Any] | bool:
        """The branch that suits the words, else the first that leads to no schema in which we are already."""
        suiting = [branch for branch in branches if _suits(words, _followed(branch, self._root))]
        closed = [branch for branch in branches if isinstance(branch, bool) or branch.get("$ref") not in open_]
        return next(iter([*suiting, *closed, *branches]))

    def _object(self, words: Any, schema: Mapping[str, Any], open_: Open) -> dict[str, Any]:
        given = words if isinstance(words, Mapping) else {}
        properties: Mapping[str, Any] = schema.get("properties") or {}
        wanted = [name for name in properties if name in given or name in schema.get("required", ())]
        value = {name: self.value(given.get(name, _inner(words)), properties[name], open_) for name in wanted}
        more = schema.get("additionalProperties", True)
        if more is not False:
            inner = more if isinstance(more, Mapping) else {}
            value |= {str(name): self.value(given[name], inner, open_) for name in given if name not in properties}
        return value

    def _array(self, words: Any, schema: Mapping[str, Any], open_: Open) -> list[Any]:
        items = schema.get("items")
        items = items if isinstance(items, Mapping) else {}
        prefix = schema.get("prefixItems") or ()
        least = _sensible(max(int(schema.get("minItems", 0)), len(prefix)))
        given: list[Any] = list(words) if isinstance(words, list) else []
        given += [_inner(words)] * (least - len(given))
        return [self.value(word, prefix[n] if n < len(prefix) else items, open_) for n, word in enumerate(given)]


def _referred(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    return referred(reference, root) or {}


def _sensible(size: int) -> int:
    if size > _MOST:
        raise ScriptMissing(f"The agent wants an answer of at least {size} characters or items; that is more than a script makes up.")
    return size


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """One schema out of an `allOf`: properties and required names added up, the later of anything else."""
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        for key, value in _followed(part, root).items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged[key] = value
    return merged


def _followed(schema: Mapping[str, Any] | bool, root: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(schema, bool):
        return {}
    return _referred(schema["$ref"], root) if "$ref" in schema else schema


def _suits(words: Any, schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    if isinstance(words, Mapping):
        names = set(schema.get("properties", ()))
        return kind == "object" and set(schema.get("required", ())) <= set(words) <= (names or set(words))
    return words in schema.get("enum", ()) or _is(words, str(kind))


def _is(words: Any, kind: str) -> bool:
    if isinstance(words, bool) or kind == "boolean":
        return isinstance(words, bool) and kind == "boolean"
    types: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "array": list,
        "object": Mapping,
        "null": type(None),
    }
    return kind in types and isinstance(words, types[kind])


def _kind(words: Any, schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else "")
    if isinstance(kind, list):
        return str(next((one for one in kind if _is(words, one)), kind[0]))
    return str(kind)


def _inner(words: Any) -> Any:
    """What a member that the words do not name is made of: the words themselves if they are a text."""
    return words if isinstance(words, str) else None


def _scalar(words: Any, kind: str, schema: Mapping[str, Any]) -> Any:
    if kind == "string":
        return _string(words, schema)
    if kind in {"integer", "number"}:
        return words if _is(words, kind) and _allowed(words, schema) else _number(schema, whole=kind == "integer")
    if kind == "boolean":
        return words if isinstance(words, bool) else False
    return None if kind == "null" else words


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    """0 if it is allowed, else the number nearest to the lower bound, else to the upper one."""
    try:
        found = next((number for number in _tried(schema, whole=whole) if _allowed(number, schema)), None)
        if found is not None:
            return int(found) if whole else float(found)
    except ArithmeticError:  # bounds beyond the floats
        pass
    raise ScriptMissing(f"The agent wants a number that none fits ({dict(schema)}); write the script's `say` as an object that has one.")


def _tried(schema: Mapping[str, Any], *, whole: bool) -> list[float]:
    step = schema.get("multipleOf", 1 if whole else None)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    tried: list[float] = [0]
    if low is not None:
        tried += [low, low + 1] if step is None else [-(-low // step) * step, (low // step + 1) * step]
    if high is not None:
        tried += [high, high - 1] if step is None else [high // step * step, (-(-high // step) - 1) * step]
    if low is not None and high is not None:
        tried.append((low + high) / 2)
    return tried


def _allowed(number: float, schema: Mapping[str, Any]) -> bool:
    return (
        ("minimum" not in schema or number >= schema["minimum"])
        and ("maximum" not in schema or number <= schema["maximum"])
        and ("exclusiveMinimum" not in schema or number > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or number < schema["exclusiveMaximum"])
    )


def _string(words: Any, schema: Mapping[str, Any]) -> str:
    text = words if isinstance(words, str) else "" if words is None else json.dumps(words, ensure_ascii=False)
    text = _FORMATS.get(str(schema.get("format")), text)
    text = text.ljust(_sensible(int(schema.get("minLength", 0))), ".")
    if "maxLength" in schema:
        text = text[: int(schema["maxLength"])]
    pattern = schema.get("pattern")
    if pattern and not _matches(pattern, text):
        raise ScriptMissing(f"The agent wants a text that matches {pattern!r}; write the script's `say` as an object that has one.")
    return text


def _matches(pattern: str, text: str) -> bool:
    """Whether the text has the pattern; not if the pattern is of a dialect that we cannot read (`\\p{L}`)."""
    try:
        return re.search(pattern, text) is not None
    except (re.error, OverflowError, RecursionError):
        return False
