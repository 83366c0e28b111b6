"""Carrying a plan out: steps that wait for nothing run side by side, a failed one tries its fallback, and what needs it is skipped."""

from __future__ import annotations

import asyncio
import json
from graphlib import TopologicalSorter
from typing import Any

from agentlab.answers import RequestedCall
from agentlab.approval import PLAN
from agentlab.errors import BoundExceededError, InvalidArgumentsError, RunStoppedError
from agentlab.events import ToolCalled, ToolReturned
from agentlab.planning.plan import PlannedCall, PlanState, PlanStep, filled, needs
from agentlab.toolbox import Toolbox
from agentlab.turn import FailedCall, Observation, Turn

__all__ = ["Execution"]


class Execution:
    """One plan on one turn. What was done before the turn was cut is not done again; what had failed gets another chance."""

    def __init__(self, state: PlanState, toolbox: Toolbox, turn: Turn) -> None:
        self._state = state
        self._toolbox = toolbox
        self._turn = turn
        self._steps = {step.id: step for step in state.plan.steps}
        self._needs = needs(state.plan)
        self._forget_failures()

    async def run(self) -> None:
        """Run every step that can be run. Raises BoundExceededError, PausedError or TakenOverError; running steps end first."""
        order = TopologicalSorter(self._needs)
        order.prepare()
        running: dict[asyncio.Task[None], str] = {}
        try:
            while order.is_active():
                for name in order.get_ready():
                    running[asyncio.create_task(self._step(self._steps[name]))] = name
                ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in running if task in ended]:
                    task.result()
                    order.done(running.pop(task))
        except (RunStoppedError, BoundExceededError):
            await asyncio.gather(*running, return_exceptions=True)  # cut short, nobody could say what they did
            raise
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)  # nothing of this turn goes on after it

    def _forget_failures(self) -> None:
        self._state.undone.clear()
        for step in self._steps.values():
            if self._failed(step.id):
                del self._turn.observed[_id(step)]
            self._turn.failed.pop(_id(step), None)

    def _failed(self, name: str) -> bool:
        found = self._turn.observed.get(f"{PLAN}.{name}")
        return found is not None and bool(found.error or found.refused)

    async def _step(self, step: PlanStep) -> None:
        if _id(step) in self._turn.observed:
            return
        self._turn.deadline.check()
        missing = [name for name in self._needs[step.id] if name in self._state.undone or self._failed(name)]
        if missing:
            self._undone(step, f"Step {step.id!r} was not done, because {' and '.join(map(repr, missing))} could not be done")
            return
        first = self._in_doubt(step) or step.tool
        found = await self._made(step, first)
        if found.error and step.fallback_tool and not self._in_doubt(step):
            found = await self._made(step, step.fallback_tool)
        self._turn.observed[_id(step)] = found
        if found.refused:
            self._undone(step, f"Step {step.id!r} could not be done: {_said(found)}")
        elif found.error:
            self._undone(step, f"Step {step.id!r} failed: {found.error}", step.tool)
        await self._turn.save()

    async def _made(self, step: PlanStep, tool: str) -> Observation:
        try:
            given = filled(step.input, self._results())
        except InvalidArgumentsError as error:
            return _misfit(str(error))
        planned = self._toolbox.plan(RequestedCall(_id(step), tool, given), self._turn)
        if planned.tool is None:
            away = self._turn.withdrawn.get(tool)
            return Observation(json.dumps({"error": planned.problem}), away) if away else _misfit(planned.problem)
        before = self._state.calls.get(_id(step))
        self._state.calls[_id(step)] = PlannedCall(tool, planned.arguments)
        number = self._turn.spending.steps
        self._turn.tell(ToolCalled(tool, planned.arguments, number))
        call_id = _id(step) if tool == step.tool else f"{_id(step)}.{tool}"  # a yes for one tool is none for another
        found = await self._toolbox.run(call_id, planned, self._turn)
        self._turn.tell(ToolReturned(tool, found.error, found.seconds, number))
        if before is not None and not found.error:  # its fallback did what the step's own tool could not
            own = self._toolbox.plan(RequestedCall(_id(step), before.tool, given), self._turn)
            self._turn.failed.pop(own.signature, None)
        return found

    def _results(self) -> dict[str, Any]:
        """The values of the steps that succeeded, by their ids."""
        found = {name: self._turn.observed.get(_id(step)) for name, step in self._steps.items()}
        return {name: _value(seen.text) for name, seen in found.items() if seen is not None and not (seen.error or seen.refused)}

    def _in_doubt(self, step: PlanStep) -> str:
        """The tool whose call for this step may have gone through: what would take its place could do it twice. Else empty."""
        made = self._state.calls.get(_id(step))
        return made.tool if made and self._toolbox.in_doubt(made.tool, made.arguments, self._turn) else ""

    def _undone(self, step: PlanStep, why: str, tool: str = "") -> None:
        """Keep why a step was not done, and which tool was away, if it was for that."""
        self._state.undone[step.id] = why
        self._turn.failed[_id(step)] = FailedCall(tool, why)


def _id(step: PlanStep) -> str:
    return f"{PLAN}.{step.id}"


def _misfit(problem: str) -> Observation:
    return Observation(json.dumps({"error": problem}), problem, refused=True)


def _said(found: Observation) -> str:
    """Why a call was refused, as the end of a clause."""
    told = found.error or _value(found.text)
    return str(told.get("error", told) if isinstance(told, dict) else told).rstrip(".")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
