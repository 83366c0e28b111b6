"""What the tool seam saw of the model's calls, and what became of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agentlab_faults.script.judge import FailureTest, holds

__all__ = ["End", "Seam", "Verdict"]

End = Literal["pending", "ok", "raised", "unknown", "cancelled"]
"""How an execution ended: `unknown` failed after it may have committed; `pending` has not ended."""

Verdict = Literal["done", "failed", "refused", "lost"]
"""It worked; it ran and failed; the agent answered it without running it; it never reached the agent, or reached it spoiled."""


@dataclass(slots=True, eq=False)
class _Execution:
    tool: str
    arguments: Mapping[str, Any]
    end: End = "pending"
    value: Any = None


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that the model made, and how many executions there had been before."""

    tool: str
    arguments: Mapping[str, Any]
    after: int


class Seam:
    """The model's calls, and the executions that passed the tool seam.

    A seam without call ids (a bare loop, MCP) leaves its executions loose. They are claimed late, when a result for a call of that tool
    comes to sight: the calls of an answer that was lost on its way claim none.
    """

    def __init__(self, seamed: Collection[str] = ()) -> None:
        self._seamed = set(seamed)
        self._all: list[_Execution] = []
        self._loose: list[tuple[int, _Execution]] = []
        self._of: dict[str, _Execution] = {}
        self._calls: dict[str, _Call] = {}
        self.spoiled: set[str] = set()

    def called(self, call_id: str, tool: str, arguments: Mapping[str, Any]) -> None:
        """The model calls a tool."""
        self._calls[call_id] = _Call(tool, arguments, len(self._all))

    def started(self, tool: str, arguments: Mapping[str, Any], call_id: str | None) -> str:
        """A tool's body is about to run; returns the execution's id. An id that is not the model's counts as none."""
        number = len(self._all)
        execution = _Execution(tool, dict(arguments))
        self._all.append(execution)
        self._seamed.add(tool)
        if call_id is not None and (call := self._calls.get(call_id)) is not None:
            self._of[call_id] = execution
            self._seamed.add(call.tool)  # a framework may call the tool by another name than the model does
        else:
            self._loose.append((number, execution))
        return f"exec_{number}"

    def ended(self, execution: str, end: End, value: Any) -> None:
        """It ended, and the agent got `value`."""
        found = self._all[int(execution.removeprefix("exec_"))]
        found.end, found.value = end, value

    def tool_of(self, call_id: str | None) -> str | None:
        """The tool that the model called by this id."""
        call = self._calls.get(call_id) if call_id is not None else None
        return call.tool if call is not None else None

    def ran(self, call_id: str) -> bool:
        """Whether an execution is tied to this call."""
        return call_id in self._of

    @property
    def runs(self) -> int:
        """How many executions there have been."""
        return len(self._all)

    def worked(self, tool: str, failed: FailureTest, after: int) -> int:
        """How many executions of a tool ended well, of those behind the first `after` that the model did not call."""
        called = set(self._of.values())
        own = (execution for execution in self._all[after:] if execution.tool == tool and execution not in called)
        return sum(_ran_well(execution, None, failed) == "done" for execution in own)

    def claim(self, call_ids: Iterable[str]) -> None:
        """Tie loose executions to these calls: those with equal arguments first, then with these and more, then any of the tool."""
        if not self._loose:
            return
        waiting = [call_id for call_id in call_ids if call_id not in self._of]
        for alike in (_equal, _contains, _any):
            for place, call_id in enumerate(waiting):
                call = self._calls[call_id]
                found = [
                    entry
                    for entry in self._loose
                    if entry[0] >= call.after and entry[1].tool == call.tool and alike(entry[1].arguments, call)
                ]
                rivals = any(
                    _equal(self._calls[other].arguments, call) and self._calls[other].tool == call.tool for other in waiting[place + 1 :]
                )
                for entry in found[:1] if rivals else found:  # a tool that is retried inside one call: its last execution counts
                    self._loose.remove(entry)
                    self._of[call_id] = entry[1]
            waiting = [call_id for call_id in waiting if call_id not in self._of]

    def judge(self, call_id: str, text: str | None, failed: FailureTest) -> Verdict:
        """What became of a call, given the text of its result if there is one in sight."""
        execution = self._of.get(call_id)
        if execution is not None:
            return _ran_well(execution, text, failed)
        if call_id in self.spoiled or text is None:
            return "lost"
        if self._calls[call_id].tool not in self._seamed:
            return "failed" if failed(text) else "done"
        return "done" if not failed(text) and self._remembered(call_id, text) else "refused"

    def _remembered(self, call_id: str, text: str) -> bool:
        """An agent may answer a call out of its own memory of an equal one that worked."""
        call = self._calls[call_id]
        return any(e.end == "ok" and e.tool == call.tool and _contains(e.arguments, call) and holds(text, e.value) for e in self._all)


def _ran_well(execution: _Execution, text: str | None, failed: FailureTest) -> Verdict:
    if execution.end != "ok" or failed(execution.value):
        return "failed"
    framed = (
        text is not None and failed(text) and not holds(text, execution.value)
    )  # the agent's own words of failure, in place of the value
    return "failed" if framed else "done"


def _equal(ran: Mapping[str, Any], call: _Call) -> bool:
    return ran == call.arguments


def _contains(ran: Mapping[str, Any], call: _Call) -> bool:
    """The call's arguments, written in any way, and perhaps more (an idempotency key, the user's id)."""
    return all(name in ran and (ran[name] == value or str(ran[name]) == str(value)) for name, value in call.arguments.items())


def _any(ran: Mapping[str, Any], call: _Call) -> bool:
    del ran, call
    return True
