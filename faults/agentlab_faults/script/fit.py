"""The least value that a JSON schema accepts, with the model's words put where they fit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from agentlab_faults.script.spec import ScriptMissing

__all__ = ["fit"]

_DEPTH = 8
"""From this depth on, a choice takes its simplest branch, so that a recursive schema ends."""
_SIMPLE = {"null": 0, "boolean": 1, "integer": 2, "number": 3, "string": 4, "array": 5, "object": 6}
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

    Raises ScriptMissing if a text field wants a pattern that the words do not have.
    """
    return _fit(words, schema, schema, 0)


def _fit(words: Any, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    if "$ref" in schema:
        return _fit(words, _referred(schema["$ref"], root), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return words if words in schema["enum"] else schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _fit(words, _branch(words, schema[key], root, depth), root, depth + 1)
    if "allOf" in schema:
        return _fit(words, _merged(schema, root), root, depth + 1)
    kind = _kind(words, schema, depth)
    if kind == "object":
        return _object(words, schema, root, depth)
    if kind == "array":
        return _array(words, schema, root, depth)
    return _scalar(words, kind, schema)


def _referred(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            found = found[step.replace("~1", "/").replace("~0", "~")]
    return found if isinstance(found, Mapping) else {}


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """One schema out of an `allOf`: properties and required names added up, the later of anything else."""
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        one = _referred(part["$ref"], root) if "$ref" in part else part
        for key, value in one.items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged[key] = value
    return merged


def _branch(words: Any, branches: list[Mapping[str, Any]], root: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
    plain = [_referred(branch["$ref"], root) if "$ref" in branch else branch for branch in branches]
    if depth >= _DEPTH:
        return min(plain, key=lambda branch: _SIMPLE.get(str(branch.get("type")), 7))
    return next((branch for branch in plain if _suits(words, branch)), plain[0])


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


def _kind(words: Any, schema: Mapping[str, Any], depth: int) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else "")
    if not isinstance(kind, list):
        return str(kind)
    if depth < _DEPTH:
        return str(next((one for one in kind if _is(words, one)), kind[0]))
    return min(map(str, kind), key=lambda one: _SIMPLE.get(one, 7))


def _object(words: Any, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    given = words if isinstance(words, Mapping) else {}
    properties: Mapping[str, Any] = schema.get("properties") or {}
    wanted = [name for name in properties if name in given or name in schema.get("required", ())]
    value = {name: _fit(given.get(name, _inner(words)), properties[name], root, depth + 1) for name in wanted}
    if schema.get("additionalProperties", True) is not False:
        value |= {str(name): given[name] for name in given if name not in properties}
    return value


def _inner(words: Any) -> Any:
    """What a member that the words do not name is made of: the words themselves if they are a text."""
    return words if isinstance(words, str) else None


def _array(words: Any, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> list[Any]:
    items = schema.get("items") or {}
    if isinstance(words, list):
        return [_fit(word, items, root, depth + 1) for word in words]
    prefix = [_fit(_inner(words), one, root, depth + 1) for one in schema.get("prefixItems") or ()]
    least = int(schema.get("minItems", 0)) - len(prefix)
    return prefix + [_fit(_inner(words), items, root, depth + 1) for _ in range(max(0, least))]


def _scalar(words: Any, kind: str, schema: Mapping[str, Any]) -> Any:
    if kind == "string":
        return _string(words, schema)
    if kind in {"integer", "number"}:
        return words if _is(words, kind) else _number(schema, whole=kind == "integer")
    if kind == "boolean":
        return words if isinstance(words, bool) else False
    return None if kind == "null" else words


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    """The least number at or above the minimum; at or below the maximum if there is only that; else 0."""
    step = schema.get("multipleOf", 1)
    if "exclusiveMinimum" in schema:
        base = schema["exclusiveMinimum"]
        low = base - base % step + step
    elif "minimum" in schema:
        low = -(-schema["minimum"] // step) * step if whole or "multipleOf" in schema else schema["minimum"]
    else:
        low = 0
        high = schema.get("maximum", schema.get("exclusiveMaximum", step) - step)
        low = min(low, high // step * step if whole or "multipleOf" in schema else high)
    return int(low) if whole else float(low)


def _string(words: Any, schema: Mapping[str, Any]) -> str:
    text = words if isinstance(words, str) else "" if words is None else json.dumps(words, ensure_ascii=False)
    text = _FORMATS.get(str(schema.get("format")), text)
    text = text.ljust(int(schema.get("minLength", 0)), ".")[: schema.get("maxLength")]
    pattern = schema.get("pattern")
    if pattern and not re.search(pattern, text):
        raise ScriptMissing(f"The agent wants a text that matches {pattern!r}; write the script's `say` as an object that has one.")
    return text
