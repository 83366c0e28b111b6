"""The tools' side of a run: every execution of a tool comes here, with the schedule's fault round its body and the ledger beside it."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentlab_faults.calls import Call
from agentlab_faults.fault import BreaksTool, Strike, ToolCall
from agentlab_faults.injector import Target
from agentlab_faults.journal import Committed, ToolEnded, ToolStarted
from agentlab_faults.ledger import Execution, canonical, plain
from agentlab_faults.played import Tool
from agentlab_faults.points import Point
from agentlab_faults.run import Run
from agentlab_faults.runs import RUN
from agentlab_faults.sim.active import is_leftover
from agentlab_faults.tools.hub import NO_DEFAULTS, Body, Silence, Steps

__all__ = ["Workshop"]


@dataclass(slots=True, eq=False)
class _Work:
    """One execution under way."""

    tool: Tool
    done: Execution
    call: Call
    key: str
    """Its idempotency key."""
    served: str
    """The script's name for it."""
    fault: str = ""
    spoiled: bool = False
    """The agent gets another value than the body's."""
    own: Exception | None = None
    """What the tool raised, or its fault in its name: the agent's to see. Any other exception is the lab's failure."""
    failed: bool = False
    """Its body says that it has failed, whatever its framework makes of that."""

    def say_failed(self, failed: bool) -> None:
        """Its body says whether it has failed."""
        self.failed = failed


class Workshop:
    """Executor of the tool hub for one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._running: list[_Work] = []

    def declares(self, name: str) -> bool:
        """Whether the run knows a tool of this name."""
        return name in self._run.setup.tools

    def execution(self, name: str, arguments: Mapping[str, Any], call_id: str | None, defaults: Mapping[str, Any] = NO_DEFAULTS) -> Steps:
        """The steps of one execution; what they return is what the agent gets."""
        run = self._run
        if is_leftover():
            raise RuntimeError(f"The tool {name!r} is not run: the run that started this thread is over.")
        if run.over:
            yield Silence(math.inf)
        tool = run.setup.tools.get(name) or run.setup.tools.get(run.model.called(call_id) or "")
        if tool is None:
            run.fail(f"The agent ran the tool {name!r}, which the suite does not declare; add it under tools: with its effect.")
            yield Silence(math.inf)
            raise AssertionError("unreachable: the run was stopped")
        work = self._begin(tool, arguments, call_id, defaults)
        self._running.append(work)
        try:
            return (yield from self._play(work))
        except Exception as error:
            if error is work.own:
                raise
            under = f" under {work.fault}" if work.fault else ""
            run.fail(f"The lab failed at {work.call.point}{under}: {type(error).__name__}: {error}")
        finally:
            self._running.remove(work)
            self._end(work)
        yield Silence(math.inf)
        raise AssertionError("unreachable: the run was stopped")

    def _begin(self, tool: Tool, arguments: Mapping[str, Any], call_id: str | None, defaults: Mapping[str, Any]) -> _Work:
        run, name = self._run, tool.name
        given = {key: value for key, value in arguments.items() if key != tool.key}
        shown = {key: value for key, value in defaults.items() if key != tool.key} | given
        key = {**defaults, **arguments}.get(tool.key) if tool.key else None
        written = canonical(shown)
        call = run.calls.place(f"tool.{name}", written)
        run.points.setdefault(call.point, Point(call.point, "tool", name, call.n, effect=tool.effect))
        served = run.model.tool_started(name, given, call_id)
        done = Execution(f"exec_{len(run.ledger.executions)}", name, shown, call.point, call.attempt, run.now(), run=RUN.get())
        run.ledger.executions.append(done)
        run.events.append(ToolStarted(run.now(), done.id, name, call.point, call.attempt, written))
        return _Work(tool, done, call, "" if key is None else plain(key), served)

    def _play(self, work: _Work) -> Steps:
        value = None
        strike = self._strike(work)
        if strike is None or strike.runs:
            value = yield from self._body(work)
            if strike is not None and strike.twice:
                value = yield from self._body(work)
        if strike is not None:
            value = yield from self._broken(work, strike, value)
        if work.failed:
            work.done.end = "raised"
            return value
        work.done.value, work.done.end = value, "ok"
        if not work.spoiled:
            self._run.calls.done(work.call)
        return value

    def _strike(self, work: _Work) -> Strike | None:
        tool, call = work.tool, work.call
        injection = self._run.injector.pick(Target("tool", call.point, call.attempt, self._run.now(), tool=tool.name, effect=tool.effect))
        if injection is None or not isinstance(injection.fault, BreaksTool):
            return None
        work.fault = injection.fault.row.id
        return injection.fault.strike(ToolCall(tool.name, work.done.arguments, call.attempt))

    def _broken(self, work: _Work, strike: Strike, original: Any) -> Steps:
        """What comes after the body, if it ran: silence, then an error or perhaps another value."""
        value = strike.rewrite(copy.deepcopy(original)) if strike.rewrite else original
        work.spoiled = not strike.runs or strike.error is not None or canonical(value) != canonical(original)
        self._run.struck(work.fault, work.call, changed=work.spoiled or strike.twice or strike.delay > 0)
        if strike.delay > 0:
            yield Silence(strike.delay)
        if strike.error is not None:
            work.own = strike.error
            raise strike.error
        return value

    def _body(self, work: _Work) -> Steps:
        before = work.done.commits
        if work.tool.body == "fake" and not work.tool.served:
            value = copy.deepcopy(work.tool.returns)
        else:
            try:
                value = yield Body(functools.partial(self._commit, work), work.say_failed)
            except Exception as error:
                work.own = error
                raise
        if work.tool.effect != "read" and work.done.commits == before and not work.failed:
            self._commit(work)
        return value

    def commit_served(self, name: str, arguments: Mapping[str, Any]) -> None:
        """An MCP server of the lab's has done a tool's work: the effect of the newest execution under way that asked for it."""
        tool = self._run.setup.tools[name]
        if tool.effect == "read":
            return
        asked = canonical({key: value for key, value in arguments.items() if key != tool.key})
        found = [work for work in self._running if work.tool is tool and canonical(work.done.arguments) == asked]
        if found:
            self._commit(found[-1])
        else:
            self._run.fail(f"A client called the MCP tool {name!r} past the official client's call_tool, where the lab cannot see it run.")

    def _commit(self, work: _Work) -> None:
        run, tool, done = self._run, work.tool, work.done
        new = run.ledger.commit(tool.name, done.arguments, identity=tool.identity, key=work.key, seconds=run.now())
        done.commits += 1
        run.events.append(Committed(run.now(), done.id, tool.name, suppressed=not new))

    def _end(self, work: _Work) -> None:
        run, done = self._run, work.done
        if done.end == "pending":
            done.end = "raised" if work.own is not None else "cancelled"
        if done.end != "ok" and done.commits:
            done.end = "unknown"
        done.ended = run.now()
        run.model.tool_ended(work.served, done.end, done.value)
        run.events.append(ToolEnded(run.now(), done.id, done.tool, done.point, done.end, canonical(done.value), work.fault))
