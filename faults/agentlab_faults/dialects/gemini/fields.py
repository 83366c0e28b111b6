"""Members of Google's JSON: each may be written in camel case or in snake case, and clients mix the two in one request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

__all__ = ["camel", "get", "json_schema", "objects", "texts_of"]

Json = dict[str, Any]
_UPPER = re.compile(r"(?<!^)(?=[A-Z])")
_UNDERSCORE = re.compile(r"_([a-z0-9])")


@lru_cache(maxsize=256)
def _snake(name: str) -> str:
    return _UPPER.sub("_", name).lower()


def camel(name: str) -> str:
    """A member's name in camel case, however it was written."""
    return _UNDERSCORE.sub(lambda match: match.group(1).upper(), name)


def get(holder: Any, name: str) -> Any:
    """The member of this name (in camel case), written in either way; None if it is not there or the holder is no object."""
    if not isinstance(holder, Mapping):
        return None
    return holder[name] if name in holder else holder.get(_snake(name))


def objects(value: Any) -> list[Json]:
    """The objects of a list, or an object alone, which Google takes for a list of one."""
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts_of(content: Any) -> str:
    """The texts of a content's parts, joined; thoughts left out."""
    return "".join(str(part.get("text") or "") for part in objects(get(content, "parts")) if not part.get("thought"))


def json_schema(schema: Any) -> Any:
    """A schema of Google's own kind (types in capitals, `anyOf` written in either way, `nullable`) as JSON schema."""
    if isinstance(schema, list):
        return [json_schema(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain: Json = {}
    for name, value in schema.items():
        key = camel(name)
        if key == "type" and isinstance(value, str):
            plain[key] = value.lower()
        elif key in ("properties", "$defs", "defs"):
            plain[key] = {inner: json_schema(one) for inner, one in value.items()} if isinstance(value, Mapping) else value
        elif key in ("items", "anyOf", "prefixItems", "additionalProperties"):
            plain[key] = json_schema(value)
        else:
            plain[key] = _size(value) if key in ("minItems", "maxItems", "minLength", "maxLength") else value
    return plain


def _size(value: Any) -> Any:
    """Sizes are 64-bit integers, which Google writes as text."""
    return int(value) if isinstance(value, str) and value.isdigit() else value
