"""A tool's result as a model reads it: bounded, clean text, and data only."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from agentlab.text import as_text, clean, cut

__all__ = ["LONGEST_RESULT", "shown"]

LONGEST_RESULT = 20_000
"""Characters of a tool result that reach the model."""


def shown(result: Any, tool: str) -> str:
    """Text, or JSON, bounded; emptiness is said."""
    if result is None or (isinstance(result, str | bytes | list | dict | tuple | set | frozenset) and not result):
        return f"({tool} found nothing for these arguments)"
    return cut(clean(result if isinstance(result, str) else _written(result)), LONGEST_RESULT)


def _written(result: Any) -> str:
    """JSON, or else the value's text: keys that are tuples, circles, and great depth are no JSON."""
    try:
        return json.dumps(result, ensure_ascii=False, default=_plain)
    except Exception:  # noqa: BLE001  # a value's own way to write itself may raise anything; the tool has run all the same
        return as_text(result)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)  # its own order is another one in each process
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else str(value)
