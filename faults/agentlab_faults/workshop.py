"""The tools' side of a run: every execution of a tool comes here, with the schedule's fault round its body and the ledger beside it."""

from __future__ import annotations

import contextvars
import copy
import math
from collections.abc import Mapping
from typing import Any

from agentlab_faults.calls import Call
from agentlab_faults.fault import BreaksTool, Strike, ToolCall
from agentlab_faults.injector import Target
from agentlab_faults.journal import Committed, ToolEnded, ToolStarted
from agentlab_faults.ledger import Execution, canonical
from agentlab_faults.played import Tool
from agentlab_faults.points import Point
from agentlab_faults.run import Run
from agentlab_faults.tools.hub import Body, Silence, Steps

__all__ = ["Workshop"]

_working: contextvars.ContextVar[tuple[Execution, Tool, str] | None] = contextvars.ContextVar("agentlab_working", default=None)
"""The execution whose body is running, its tool and its idempotency key."""


class Workshop:
    """Executor of the tool hub for one run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def execution(self, name: str, arguments: Mapping[str, Any], call_id: str | None) -> Steps:
        """The steps of one execution; what they return is what the agent gets."""
        run = self._run
        tool = run.setup.tools.get(name)
        if run.over:
            yield Silence(math.inf)
        if tool is None:
            run.fail(f"The agent ran the tool {name!r}, which the suite does not declare; add it under tools: with its effect.")
            yield Silence(math.inf)
            raise AssertionError("unreachable: the run was stopped")
        shown = {key: value for key, value in arguments.items() if key != tool.key}
        call = run.calls.place(f"tool.{name}", canonical(shown))
        run.points.setdefault(call.point, Point(call.point, "tool", name, call.n, effect=tool.effect))
        fault, strike = self._strike(tool, shown, call)
        served = run.model.tool_started(name, shown, call_id)
        done = Execution(f"exec_{len(run.ledger.executions)}", name, shown, call.point, call.attempt, run.now())
        run.ledger.executions.append(done)
        run.events.append(ToolStarted(run.now(), done.id, name, call.point, call.attempt, canonical(shown)))
        key = str(arguments.get(tool.key) or "") if tool.key else ""
        try:
            done.value = yield from self._play(tool, done, key, call, fault, strike)
            done.end = "ok"
            if strike is None:
                run.calls.done(f"tool.{name}", call)
            return done.value
        except Exception:
            done.end = "raised"
            raise
        finally:
            self._end(done, fault, served)

    def committed_now(self) -> None:
        """The running body says that its effect has happened."""
        working = _working.get()
        if working is not None:
            self._commit(*working)

    def _strike(self, tool: Tool, shown: Mapping[str, Any], call: Call) -> tuple[str, Strike | None]:
        target = Target("tool", call.point, call.attempt, self._run.now(), tool=tool.name, effect=tool.effect)
        injection = self._run.injector.pick(target)
        if injection is None or not isinstance(injection.fault, BreaksTool):
            return "", None
        return injection.fault.row.id, injection.fault.strike(ToolCall(tool.name, shown, call.attempt))

    def _play(self, tool: Tool, done: Execution, key: str, call: Call, fault: str, strike: Strike | None) -> Steps:
        if strike is None:
            return (yield from self._body(tool, done, key))
        original: Any = None
        if strike.runs:
            original = yield from self._body(tool, done, key)
            if strike.twice:
                original = yield from self._body(tool, done, key)
        value = strike.rewrite(copy.deepcopy(original)) if strike.rewrite else original
        differs = not strike.runs or strike.twice or strike.delay > 0 or strike.error is not None
        self._run.struck(fault, call, changed=differs or canonical(value) != canonical(original))
        if strike.delay > 0:
            yield Silence(strike.delay)
        if strike.error is not None:
            raise strike.error
        return value

    def _body(self, tool: Tool, done: Execution, key: str) -> Steps:
        before = done.commits
        token = _working.set((done, tool, key))
        try:
            value = copy.deepcopy(tool.returns) if tool.body == "fake" else (yield Body())
        finally:
            _working.reset(token)
        if tool.effect != "read" and done.commits == before:
            self._commit(done, tool, key)
        return value

    def _commit(self, done: Execution, tool: Tool, key: str) -> None:
        run = self._run
        new = run.ledger.commit(tool.name, done.arguments, identity=tool.identity, key=key, seconds=run.now())
        done.commits += 1
        run.events.append(Committed(run.now(), done.id, tool.name, suppressed=not new))

    def _end(self, done: Execution, fault: str, served: str) -> None:
        run = self._run
        if done.end == "pending":
            done.end = "cancelled"
        if done.end != "ok" and done.commits:
            done.end = "unknown"
        done.ended = run.now()
        run.model.tool_ended(served, done.end, done.value)
        run.events.append(ToolEnded(run.now(), done.id, done.tool, done.point, done.end, canonical(done.value), fault))
