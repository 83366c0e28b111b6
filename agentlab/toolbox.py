"""An agent's tools: calls are read, asked about where they must be, and run to observations. A failure is an observation, too."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentlab import telemetry
from agentlab.answers import RequestedCall
from agentlab.approval import ApprovalHook, ApprovalRequest, Decision, decided_by
from agentlab.arguments import parse_arguments
from agentlab.bounds import RESERVE
from agentlab.breaker import BreakerPolicy
from agentlab.effects import Effect
from agentlab.errors import BoundExceededError, InvalidArgumentsError, PausedError, ToolFailedError, ToolRefusedError
from agentlab.execution import ToolRunner
from agentlab.shown import shown
from agentlab.text import as_text, canonical, clean, cut
from agentlab.tools import Tool
from agentlab.turn import FailedCall, Observation, Turn

__all__ = ["Planned", "Toolbox"]

UNSURE = "was not run: what was done earlier in this conversation cannot be read just now, so that it might be done twice"
LONGEST_PROBLEM = 2_000
"""Characters of a refusal, or of what is wrong with arguments, that reach the model."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A requested call, read: a tool and its valid arguments, or what is wrong with it."""

    call: RequestedCall
    tool: Tool | None = None
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    problem: str = ""

    @property
    def signature(self) -> str:
        """Equal for equal calls."""
        return canonical([self.call.name, self.arguments if self.tool else as_text(self.call.arguments)])

    @property
    def wanted(self) -> str:
        """Equal for calls of one answer that are wanted once only: equal ones, unless the tool is repeatable."""
        return f"{self.call.id} {self.signature}" if self.tool and self.tool.repeatable else self.signature


class Toolbox:
    """An agent's tools with their breakers. Raises ValueError if two share a name, TypeError if a signature makes no schema."""

    def __init__(self, tools: Sequence[Tool], policy: BreakerPolicy | None = None, approve: ApprovalHook | None = None) -> None:
        self._policy = policy
        self._approve = approve
        self._tools: dict[str, Tool] = {}
        self._schemas: dict[str, dict[str, Any]] = {}
        self._runners: dict[str, ToolRunner] = {}
        self.add(tools)

    def add(self, tools: Sequence[Tool]) -> None:
        """Offer more tools."""
        for tool in tools:
            if tool.name in self._tools:
                raise ValueError(f"Two tools have the same name, {tool.name!r}; the model could not tell them apart.")
            self._schemas[tool.name] = tool.schema
            self._tools[tool.name] = tool
        for tool in [*tools, *(tool.fallback for tool in tools if tool.fallback)]:
            self._runners.setdefault(tool.name, ToolRunner(tool, self._policy))

    @property
    def names(self) -> frozenset[str]:
        """What the tools are called."""
        return frozenset(self._tools)

    @property
    def broken(self) -> list[str]:
        """Tools whose breaker is open now, their fallbacks' too. One that is being probed is not broken."""
        return [tool.name for tool in self._tools.values() if self._open(tool) and not (tool.fallback and not self._open(tool.fallback))]

    def offered(self, without: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The schemas of the tools that a model may call."""
        return [schema for name, schema in self._schemas.items() if name not in without]

    def named(self, without: Sequence[str] = ()) -> dict[str, Tool]:
        """The tools that a plan may call, by their names."""
        return {name: tool for name, tool in self._tools.items() if name not in without}

    def cacheable(self, turn: Turn) -> bool:
        """Whether this turn's answer may be cached: made of results that all may be. A refusal tells things, too."""
        return bool(turn.used) and turn.used == turn.succeeded and all(self._tools[name].cacheable for name in turn.used)

    def plan(self, call: RequestedCall, turn: Turn) -> Planned:
        """Read a call without running it."""
        tool = self._tools.get(call.name)
        offered = [name for name in self._tools if name not in turn.withdrawn]
        if tool is None or tool.name in turn.withdrawn:
            return Planned(call, problem=f"There is no tool {cut(call.name, 64)!r}. Tools: {', '.join(offered) or 'none'}.")
        try:
            # a write is never run on arguments that had to be guessed at, however well
            arguments = tool.validate(parse_arguments(call.arguments, repair=not tool.writes))
        except InvalidArgumentsError as error:
            return Planned(call, problem=cut(str(error), LONGEST_PROBLEM))
        return Planned(call, tool, arguments)

    async def run_all(self, calls: Mapping[str, Planned], turn: Turn) -> None:
        """Run the calls of one answer, by their ids, into `turn.observed`: reads side by side, all in order as soon as one writes.

        What was observed already is not run again; equal calls run once, unless the tool is repeatable. Raises PausedError at a call that
        waits for approval, and TakenOverError; only they and cancellation get out.
        """
        first: dict[str, str] = {}
        for call_id, plan in calls.items():
            if plan.tool is None:
                turn.observed.setdefault(call_id, Observation(json.dumps({"error": plan.problem}), plan.problem))
            first.setdefault(plan.wanted, call_id)
        waiting = {call_id: calls[call_id] for call_id in first.values() if call_id not in turn.observed}
        if any(plan.tool is not None and (plan.tool.writes or plan.tool.approval) for plan in waiting.values()):
            for call_id, plan in waiting.items():
                await self.run(call_id, plan, turn)
        else:
            await asyncio.gather(*(self.run(call_id, plan, turn) for call_id, plan in waiting.items()))
        for call_id, plan in calls.items():
            turn.observed.setdefault(call_id, turn.observed[first[plan.wanted]])

    async def run(self, call_id: str, planned: Planned, turn: Turn) -> Observation:
        """Run a planned call to an observation, which is kept at once if the tool writes. What gets out: see `run_all`."""
        tool = planned.tool
        if tool is None:
            return Observation(json.dumps({"error": planned.problem}), planned.problem)
        began = time.monotonic()
        found = await self._withheld(call_id, tool, planned, turn)
        if found is None:
            with telemetry.tool(tool.name, planned.call.id) as told:
                found = await self._observed(tool, planned, turn)
                told.observed(planned.arguments, found.text, found.error)
        turn.observed[call_id] = dataclasses.replace(found, seconds=time.monotonic() - began)
        if tool.writes:
            await turn.save()
        return turn.observed[call_id]

    async def _withheld(self, call_id: str, tool: Tool, planned: Planned, turn: Turn) -> Observation | None:
        """What the model is told instead of a result, if the call is not to be run: it was made before, or somebody refused it."""
        turn.used.add(tool.name)
        if tool.writes and not turn.effects.past_known:
            turn.failed[planned.signature] = FailedCall(tool.name, why := f"{tool.name} {UNSURE}")
            return Observation(json.dumps({"error": f"{why}. Say so; do not make the call again now."}), why, again=True)
        told = _doubt(tool, planned, turn)
        if told or not tool.needs_approval(planned.arguments):
            return Observation(told) if told else None
        decision = await self._decided(call_id, tool, planned, turn)
        if decision.approved:
            return None
        reason = f" and said: {cut(clean(decision.reason), LONGEST_PROBLEM)}" if decision.reason else ""
        told = json.dumps({"error": f"A person refused this call{reason}. It was not run; do not make it again."})
        return Observation(told, refused=True)

    async def _decided(self, call_id: str, tool: Tool, planned: Planned, turn: Turn) -> Decision:
        return await self.decide(ApprovalRequest(call_id, tool.name, json.loads(canonical(planned.arguments))), turn)

    async def decide(self, request: ApprovalRequest, turn: Turn) -> Decision:
        """A person's decision. Raises PausedError if there is none, and BoundExceededError if the hook takes longer than there is time."""
        known = turn.decisions.get(request.call_id) or turn.decisions.get(request.signature)
        if known is not None:
            return known
        found = await self._asked(request, turn)
        if found is None:
            raise PausedError(request)
        turn.decide(request, found)
        return found

    def in_doubt(self, name: str, arguments: dict[str, Any], turn: Turn) -> bool:
        """Whether this very call may have gone through, by the tool or by its fallback: what would take its place could do it twice."""
        tool = self._tools.get(name)
        return tool is not None and any(last.state == "unknown" for last in _happened(tool, arguments, turn))

    async def _asked(self, request: ApprovalRequest, turn: Turn) -> Decision | None:
        if self._approve is None:
            return None
        try:
            return await decided_by(self._approve, request, turn.deadline.share(1 - RESERVE).remaining)
        except TimeoutError as error:
            raise BoundExceededError("seconds", f"Nobody decided about {request.tool} in time") from error
        except Exception as error:  # whatever a hook raises, nobody has said yes: the run waits for somebody
            raise PausedError(request) from error

    async def _observed(self, tool: Tool, planned: Planned, turn: Turn) -> Observation:
        try:
            return await self._result(tool, planned.arguments, planned.call.id, turn, planned.signature)
        except ToolRefusedError as refusal:
            return _refusal(refusal)
        except ToolFailedError as failure:
            return await self._fallen_back(tool, planned, failure, turn) or self._failure(planned, failure, turn)

    async def _result(self, tool: Tool, arguments: dict[str, Any], call_id: str, turn: Turn, signature: str) -> Observation:
        """Raises ToolFailedError or ToolRefusedError."""
        effect = turn.effects.begin(tool.name, arguments) if tool.writes else None
        text = shown(await self._runners[tool.name].run(arguments, call_id, effect, turn), tool.name)
        if effect is not None:
            turn.effects.confirm(effect, text)
        turn.failed.pop(signature, None)
        turn.succeeded.add(tool.name)
        return Observation(text)

    async def _fallen_back(self, tool: Tool, planned: Planned, failure: ToolFailedError, turn: Turn) -> Observation | None:
        """What the tool's fallback came to; None if none may run now, or what it gave up may have happened, or that failed as well."""
        fallback = tool.fallback
        if fallback is None or failure.outcome_unknown or (fallback.writes and not turn.effects.past_known):
            return None
        try:
            arguments = fallback.validate(planned.arguments)
            if fallback.needs_approval(arguments):
                return None
            found = await self._result(fallback, arguments, planned.call.id, turn, planned.signature)
        except ToolRefusedError as refusal:
            return _refusal(refusal)
        except (InvalidArgumentsError, ToolFailedError):
            return None  # the tool's own failure is what is told
        turn.succeeded.add(tool.name)
        return dataclasses.replace(found, by=fallback.name)

    def _failure(self, planned: Planned, failure: ToolFailedError, turn: Turn) -> Observation:
        """Remember the failure, and withdraw the tool if it is broken now (another call's probe may be under way)."""
        name = planned.call.name
        turn.failed[planned.signature] = FailedCall(name, failure.sentence, failure.out_of_time)
        if name in self.broken:
            turn.withdrawn[name] = failure.sentence
        return Observation(json.dumps({"error": failure.sentence}), failure.sentence, again=failure.out_of_time)

    def _open(self, tool: Tool) -> bool:
        return self._runners[tool.name].breaker.state == "open"


def _refusal(refusal: ToolRefusedError) -> Observation:
    return Observation(json.dumps({"error": cut(clean(as_text(refusal)), LONGEST_PROBLEM)}), refused=True)


def _doubt(tool: Tool, planned: Planned, turn: Turn) -> str:
    """What the model is told of a write that has happened, or may have, by the tool or by its fallback; empty if it is to be run.

    Within a turn nothing is done twice. A later turn may want it again: the model is told once, and the same call after that is wanted.
    """
    doubts = (_doubt_of(last, tool, planned, turn) for last in _happened(tool, planned.arguments, turn))
    return next((told for told in doubts if told), "")


def _happened(tool: Tool, arguments: dict[str, Any], turn: Turn) -> Iterator[Effect]:
    """What the tool, and its fallback, last did or may have done with these arguments."""
    for one in filter(None, (tool, tool.fallback)):
        try:
            last = turn.effects.last(one.name, arguments if one is tool else one.validate(arguments)) if one.writes else None
        except InvalidArgumentsError:
            continue  # the fallback cannot have run
        if last is not None:
            yield last


def _doubt_of(last: Effect, tool: Tool, planned: Planned, turn: Turn) -> str:
    keyed = tool.keyed and last.tool == tool.name  # the fallback has another key
    if tool.repeatable and last.state == "done":
        return ""
    here = last.turn == turn.effects.turn
    if last.state == "done" and here:
        return f"This was done already in this turn, and is not done again. Its result: {last.result}"
    if last.state == "unknown" and (keyed or (not here and planned.signature in turn.questioned)):
        return ""
    if last.state == "unknown" and here:
        return json.dumps({"error": f"{tool.name} may have gone through already, and is not tried again. Say exactly that."})
    if planned.signature in turn.questioned:
        return ""
    turn.questioned.add(planned.signature)
    return _question(tool, last)


def _question(tool: Tool, last: Effect) -> str:
    if last.state == "unknown":
        return (
            f"In an earlier turn this very call may have gone through. It was not made now. If the user wants {tool.name} all the same, "
            "make the same call again."
        )
    return (
        f"In an earlier turn this very call was made and went through (its result: {last.result}). It was not made again now. "
        "Only if the user asked for it to be done once more, make the same call again."
    )
