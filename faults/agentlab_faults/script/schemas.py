"""The provider's check of a JSON schema, in tools' parameters and in response formats.

A schema is refused if a keyword that anyone reads has a value of the wrong shape, so that whoever fits a value to it may trust the shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

__all__ = ["complaint", "referred"]

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
Context = tuple[str, ...]
"""Where in a schema, as names of members from its root."""


def complaint(schema: Any, *, strict: bool) -> str | None:
    """What is wrong with a schema of parameters or of an answer; None if nothing is."""
    if not isinstance(schema, dict):
        return f"{schema!r} is not of type 'object', 'boolean'."
    kind = schema.get("type")
    if kind != "object" and not ("anyOf" in schema or "$ref" in schema):
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
    return next(_complaints(schema, strict=strict), None)


def referred(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema that a reference within `root` (`#/$defs/Name`) points to; None if there is none."""
    if not reference.startswith("#"):
        return None
    found: Any = root
    for step in filter(None, reference[1:].split("/")):
        if not isinstance(found, Mapping):
            return None
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name, found.get(unquote(name)))
    return found if isinstance(found, Mapping) else None


def _complaints(root: Mapping[str, Any], *, strict: bool) -> Iterator[str]:
    """Complaints in the order of the schema. What references point to is looked at once, wherever it stands."""
    seen: set[int] = set()
    left: list[tuple[Any, Context]] = [(root, ())]
    while left:
        schema, context = left.pop()
        if isinstance(schema, bool) or id(schema) in seen:
            continue
        if not isinstance(schema, dict):
            yield f"{schema!r} is not of type 'object', 'boolean'."
            continue
        seen.add(id(schema))
        if shape := _misshapen(schema):
            yield shape
            continue
        if own := _own(schema, strict=strict):
            yield f"In context={context!r}, {own}"
        members = list(_members(schema, context))
        if "$ref" in schema:
            target = referred(schema["$ref"], root)
            if target is None:
                yield f"In context={context!r}, reference to component '{schema['$ref']}' which was not found in the schema."
            else:
                members.append((target, context))
        left.extend(reversed(members))


def _members(schema: Mapping[str, Any], context: Context) -> Iterator[tuple[Any, Context]]:
    for key in ("properties", "$defs", "definitions"):
        for name, member in schema.get(key, {}).items():
            yield member, (*context, key, name)
    for key in ("anyOf", "allOf", "oneOf", "prefixItems"):
        for index, member in enumerate(schema.get(key, ())):
            yield member, (*context, key, str(index))
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield schema[key], (*context, key)


def _own(schema: Mapping[str, Any], *, strict: bool) -> str | None:
    if schema.get("type") == "array" and "items" not in schema and "prefixItems" not in schema:
        return "array schema missing items."
    if not strict or schema.get("type") != "object":
        return None
    if schema.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    absent = [name for name in schema.get("properties", ()) if name not in schema.get("required", ())]
    if absent:
        return f"'required' is required to be supplied and to be an array including every key in properties. Missing '{absent[0]}'."
    return None


def _misshapen(schema: Mapping[str, Any]) -> str | None:
    """What the meta-schema says of the first keyword that has a value of a wrong shape."""
    for key, value in schema.items():
        if (shape := _SHAPES.get(key)) is not None and (wrong := shape(value)):
            return f"{value!r} {wrong}"
    return None


Shape = Callable[[Any], str | None]
"""What is wrong with a keyword's value, said behind it; None if nothing is."""


def _object(value: Any) -> str | None:
    return None if isinstance(value, dict) else "is not of type 'object'."


def _schema(value: Any) -> str | None:
    return None if isinstance(value, dict | bool) else "is not of type 'object', 'boolean'."


def _string(value: Any) -> str | None:
    return None if isinstance(value, str) else "is not of type 'string'."


def _some(value: Any) -> str | None:
    if not isinstance(value, list):
        return "is not of type 'array'."
    return None if value else "should be non-empty."


def _strings(value: Any) -> str | None:
    if not isinstance(value, list):
        return "is not of type 'array'."
    return next((f"has {one!r}, which is not of type 'string'." for one in value if not isinstance(one, str)), None)


def _number(value: Any) -> str | None:
    return None if isinstance(value, int | float) and not isinstance(value, bool) else "is not of type 'number'."


def _positive(value: Any) -> str | None:
    return _number(value) or (None if value > 0 else "is less than or equal to the minimum of 0.")


def _size(value: Any) -> str | None:
    if _number(value) or (isinstance(value, float) and not value.is_integer()):
        return "is not of type 'integer'."
    return None if value >= 0 else "is less than the minimum of 0."


def _type(value: Any) -> str | None:
    kinds = value if isinstance(value, list) else [value]
    if kinds and all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
        return None
    return "is not valid under any of the given schemas."


_SHAPES: Mapping[str, Shape] = {
    "type": _type,
    "required": _strings,
    **dict.fromkeys(("properties", "$defs", "definitions"), _object),
    **dict.fromkeys(("items", "additionalProperties"), _schema),
    **dict.fromkeys(("enum", "anyOf", "allOf", "oneOf", "prefixItems"), _some),
    **dict.fromkeys(("$ref", "pattern", "format"), _string),
    **dict.fromkeys(("minItems", "minLength", "maxLength"), _size),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _number),
    "multipleOf": _positive,
}
"""Keywords that a fitted value depends on (JSON Schema 2020-12, validation and applicator vocabularies)."""
