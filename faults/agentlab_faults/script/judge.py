"""Did a tool call do its work? What the tool seam saw comes first; a result's text is only asked where there is no seam."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["End", "Seam", "Verdict", "error_shaped", "failure_test"]

End = Literal["pending", "ok", "raised", "unknown", "cancelled"]
"""How an execution ended: `unknown` failed after it may have committed; `pending` has not ended."""

Verdict = Literal["done", "failed", "idle"]
"""It worked; it ran and failed; it never ran (its answer was lost or spoiled, or the agent refused the call)."""

_LINK = r"(?=\s*(?:[^\w\s]|\d|$)|\s+(?:while|when|during|in|on|at|to|from|with|by|after|before|because|due|waiting|calling|executing|invoking|running|processing|occurred)\b)"
_STARTS = re.compile(
    r"\W*(?:"
    rf"(?:tool\s+|internal\s+|fatal\s+)?(?:error|exception|failed|failure|fatal|time[d-]?\s?-?out){_LINK}"
    r"|(?:\w+\.)*\w*(?:Error|Exception)\s*[:(]"
    r"|traceback \(most recent call last\)|an? (?:\w+ )?(?:error|exception) (?:has )?occurred|unknown tool\b|\d+ validation errors?\b"
    r"|(?:tool|request|call|the \w+)\s+\S+\s+(?:failed|timed out|not found)\b|(?:request|operation|connection) timed out\b|invalid (?:json|arguments?)\b"
    r")",
    re.IGNORECASE,
)
_ENDS = re.compile(r"(?:fix (?:the|your) (?:errors?|mistakes)(?: and try again)?|please try again)\.?\s*$", re.IGNORECASE)
_BAD_STATUS = frozenset({"error", "failed", "failure", "timeout", "unknown"})


def error_shaped(value: Any) -> bool:
    """True for what tools and frameworks write when a tool has failed: an object with an error, or a text that begins or ends like one.

    The wordings are those of pydantic-ai, openai-agents, langchain, MCP and hand-written loops, each seen in a run.
    """
    if isinstance(value, str):
        return _text_failed(value)
    if not isinstance(value, Mapping):
        return False
    if any(value.get(key) for key in ("error", "errors", "isError", "is_error")):
        return True
    return value.get("ok") is False or value.get("success") is False or str(value.get("status", "")).lower() in _BAD_STATUS


def _text_failed(text: str) -> bool:
    stripped = text.strip()
    if stripped[:1] in {"{", '"'}:
        try:
            parsed = json.loads(stripped)
        except ValueError:
            parsed = None
        if parsed is not None:
            return error_shaped(parsed)
    return bool(_STARTS.match(stripped) or _ENDS.search(stripped))


def failure_test(failed_when: str | None) -> Callable[[Any], bool]:
    """The test for a failed result: `error_shaped`, or a scenario's own regular expression, searched in the text or in the value as JSON."""
    if failed_when is None:
        return error_shaped
    pattern = re.compile(failed_when)
    return lambda value: bool(pattern.search(value if isinstance(value, str) else _json(value)))


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


@dataclass(slots=True, eq=False)
class _Execution:
    tool: str
    arguments: Mapping[str, Any]
    end: End = "pending"
    value: Any = None


class Seam:
    """The executions that passed the tool seam, each tied to the model's call that asked for it.

    A seam without call ids (a bare loop, MCP) leaves its executions loose. They are claimed late, when a result for a call of that tool
    comes to sight: an answer that was lost on its way never claims one.
    """

    def __init__(self, seamed: Collection[str] = ()) -> None:
        self._seamed = set(seamed)
        self._all: list[_Execution] = []
        self._loose: list[_Execution] = []
        self._of: dict[str, _Execution] = {}
        self.spoiled: set[str] = set()

    def started(self, tool: str, arguments: Mapping[str, Any], call_id: str | None) -> str:
        """A tool's body is about to run. `call_id` is None where the seam sees no id of ours."""
        execution = _Execution(tool, dict(arguments))
        self._all.append(execution)
        self._seamed.add(tool)
        if call_id is None:
            self._loose.append(execution)
        else:
            self._of[call_id] = execution
        return f"exec_{len(self._all) - 1}"

    def ended(self, execution: str, end: End, value: Any) -> None:
        """It ended, and the agent got `value`."""
        found = self._all[int(execution.removeprefix("exec_"))]
        found.end, found.value = end, value

    def ran(self, call_id: str) -> bool:
        """Whether an execution is tied to this call."""
        return call_id in self._of

    def claim(self, calls: Iterable[tuple[str, str, Mapping[str, Any]]]) -> None:
        """Tie loose executions to calls (id, tool, arguments): those of equal arguments first, then of more arguments, then of the tool."""
        open_calls = [call for call in calls if call[0] not in self._of]
        for alike in (_equal, _contains, _same_tool):
            if not self._loose:
                return
            for number, (call_id, tool, arguments) in enumerate(open_calls):
                rivals = [c for c in open_calls[number + 1 :] if c[1] == tool and c[2] == arguments]
                found = [e for e in self._loose if e.tool == tool and alike(e.arguments, arguments)]
                taken = found[:1] if rivals else found  # a tool that is retried inside one call: its last execution counts
                for execution in taken:
                    self._loose.remove(execution)
                    self._of[call_id] = execution
            open_calls = [call for call in open_calls if call[0] not in self._of]

    def judge(self, call: tuple[str, str, Mapping[str, Any]], text: str | None, failed: Callable[[Any], bool]) -> Verdict:
        """What became of a call (id, tool, arguments), given the text of its result if there is one in sight."""
        call_id, tool, arguments = call
        execution = self._of.get(call_id)
        if execution is not None:
            return self._judge_run(execution, text, failed)
        if call_id in self.spoiled:
            return "idle"
        if tool in self._seamed:
            return "done" if text is not None and not failed(text) and self._remembered(tool, arguments, text) else "idle"
        return "failed" if text is None or failed(text) else "done"

    def _judge_run(self, execution: _Execution, text: str | None, failed: Callable[[Any], bool]) -> Verdict:
        if execution.end != "ok" or failed(execution.value):
            return "failed"
        return "failed" if text is not None and failed(text) and not _holds(text, execution.value) else "done"

    def _remembered(self, tool: str, arguments: Mapping[str, Any], text: str) -> bool:
        """An agent may answer a call from its own memory of an equal one that worked."""
        return any(e.end == "ok" and e.tool == tool and _contains(e.arguments, arguments) and _holds(text, e.value) for e in self._all)


def _equal(ran: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return ran == asked


def _contains(ran: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return all(name in ran and (ran[name] == value or str(ran[name]) == str(value)) for name, value in asked.items())


def _same_tool(ran: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    del ran, asked
    return True


def _holds(text: str, value: Any) -> bool:
    """Whether a result's text holds the tool's value in one of the ways in which frameworks write it."""
    if value is None:
        return False
    if isinstance(value, str):
        return value[:200] in text
    try:
        forms = (json.dumps(value), json.dumps(value, separators=(",", ":")), json.dumps(value, ensure_ascii=False), str(value))
    except (TypeError, ValueError):
        forms = (str(value),)
    return any(form[:200] in text for form in forms)
