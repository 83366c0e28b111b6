"""Did a tool result fail? The test for values and texts, where the tool seam has not decided already."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["FailureTest", "error_shaped", "failure_test", "holds"]

FailureTest = Callable[[Any], bool]
"""True for a tool's value, or the text of a result, that tells of a failure."""

_STARTS = re.compile(
    r"""
    \W*(?:
        (?:(?:tool|internal|fatal|unexpected)\s+)?
        (?:error|exception|failed|failure|fatal|time[d-]?\s?-?out)
        (?=                     # not "error codes are explained on page 3"
            \s*(?:[^\w\s]|\d|$)
          | \s+(?:while|when|during|in|on|at|to|from|with|by|after|before|because|due|waiting)\b
          | \s+(?:calling|executing|invoking|running|processing|occurred)\b
        )
      | (?:\w+\.)*\w*(?:Error|Exception)\s*[:(]
      | traceback\ \(most\ recent\ call\ last\)
      | an?\ (?:\w+\ )?(?:error|exception)\ (?:has\ )?occurred
      | unknown\ tool\b
      | \d+\ validation\ errors?\b
      | invalid\ (?:json|arguments?)\b
      | (?:tool|request|call|operation|connection)\ (?:\S+\ )?(?:failed|timed\ out|not\ found)\b
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ENDS = re.compile(r"(?:fix (?:the|your) (?:errors?|mistakes)(?: and try again)?|please try again)\.?\s*$", re.IGNORECASE)
_BAD_STATUS = frozenset({"error", "failed", "failure", "timeout", "unknown"})


def error_shaped(value: Any) -> bool:
    """True for what tools and frameworks write when a tool has failed: an object with an error, or a text that begins or ends like one.

    The wordings are those of pydantic-ai, openai-agents, langchain, MCP and hand-written loops, each seen in a run.
    """
    if isinstance(value, str):
        return _text_failed(value.strip())
    if not isinstance(value, Mapping):
        return False
    if any(value.get(key) for key in ("error", "errors", "isError", "is_error")):
        return True
    return value.get("ok") is False or value.get("success") is False or str(value.get("status", "")).lower() in _BAD_STATUS


def _text_failed(text: str) -> bool:
    if text[:1] in {"{", '"'}:
        try:
            return error_shaped(json.loads(text))
        except (ValueError, RecursionError):
            pass  # a text that only looks like JSON is read as a text
    return bool(_STARTS.match(text) or _ENDS.search(text))


def failure_test(failed_when: str | None) -> FailureTest:
    """The test for a failed result: `error_shaped`, or instead a scenario's own pattern, searched in the text (a value: its JSON)."""
    if failed_when is None:
        return error_shaped
    pattern = re.compile(failed_when)
    return lambda value: pattern.search(value if isinstance(value, str) else json.dumps(value, default=str)) is not None


def holds(text: str, value: Any) -> bool:
    """Whether a result's text holds the tool's value, in one of the ways in which frameworks write it."""
    if value is None:
        return False
    if isinstance(value, str):
        return value[:200] in text
    forms = (
        json.dumps(value, default=str),
        json.dumps(value, default=str, separators=(",", ":")),
        json.dumps(value, default=str, ensure_ascii=False),
        str(value),
    )
    return any(form[:200] in text for form in forms)
