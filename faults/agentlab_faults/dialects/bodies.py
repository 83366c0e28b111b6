"""What every provider's front door does with a request's bytes: they must be JSON, an object, and text that can be written again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["plain_object"]

_DEEPEST = 200
"""Objects and arrays within each other; a bound of ours, far above what requests have and below what a parser's stack holds."""
_MAYBE_BROKEN = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]|\x00")
"""Bytes without which no half of a surrogate pair can be in the body."""


def plain_object(content: bytes, parsed: Mapping[str, Any] | None = None) -> Mapping[str, Any] | None:
    """The request's JSON object (`parsed`, if it has been parsed already); None if it is none, or deeper than anyone nests, or no text."""
    if parsed is None:
        try:
            read = json.loads(content)
        except (ValueError, RecursionError):
            return None
        if not isinstance(read, dict):
            return None
        parsed = read
    if content.count(b"{") + content.count(b"[") > _DEEPEST and _deep(parsed):
        return None
    return None if _MAYBE_BROKEN.search(content) and not _writable(parsed) else parsed


def _writable(parsed: Mapping[str, Any]) -> bool:
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def _deep(parsed: Mapping[str, Any]) -> bool:
    level: list[Any] = [parsed]
    for _ in range(_DEEPEST):
        inner = [member for outer in level for member in (outer.values() if isinstance(outer, dict) else outer)]
        level = [member for member in inner if isinstance(member, dict | list)]
        if not level:
            return False
    return True
