"""Running tool calls: validated, timed, retried by category, behind a breaker each, effects at most once. A failure is an observation."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agentlab import telemetry
from agentlab.answers import RequestedCall
from agentlab.arguments import parse_arguments
from agentlab.bounds import Deadline, within
from agentlab.breaker import Breaker, BreakerPolicy, Permit
from agentlab.classify import classify
from agentlab.effects import Effect
from agentlab.errors import BreakerOpenError, InvalidArgumentsError, ToolFailedError, ToolRefusedError
from agentlab.retry import TOOL_POLICIES, Failure, GaveUpError, call_with_retries
from agentlab.text import as_text, canonical, clean, cut
from agentlab.tools import KEY, Tool
from agentlab.turn import FailedCall, Turn

__all__ = ["Observation", "Planned", "Toolbox"]

LONGEST_RESULT = 20_000
"""Characters of a tool result that reach the model."""
LONGEST_PROBLEM = 2_000
"""Characters of a refusal, or of what is wrong with arguments, that reach the model."""
SHARE = 0.7
"""Part of the remaining time that tool calls may use; the model still has to answer."""
REASONS = {
    "rate_limit": "it is asked too often",
    "auth": "access was refused",
    "budget": "its quota is used up",
    "permanent": "it refused the request",
}


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


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of a call: `text` for the model, `error` a sentence for people (empty on success)."""

    text: str
    error: str = ""
    seconds: float = 0.0


class Toolbox:
    """An agent's tools with their breakers. Raises ValueError if two share a name, TypeError if a signature makes no schema."""

    def __init__(self, tools: Sequence[Tool], policy: BreakerPolicy | None = None) -> None:
        self._tools = {tool.name: tool for tool in tools}
        if len(self._tools) != len(tools):
            raise ValueError("Two tools have the same name; the model could not tell them apart.")
        self._schemas = {tool.name: tool.schema for tool in tools}
        self._breakers = {name: Breaker(f"tool:{name}", policy, telemetry.breaker_changed) for name in self._tools}

    @property
    def broken(self) -> list[str]:
        """Tools whose breaker is open now. One that is being probed is not broken."""
        return [name for name, breaker in self._breakers.items() if breaker.state == "open"]

    def offered(self, without: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The schemas of the tools that a model may call."""
        return [schema for name, schema in self._schemas.items() if name not in without]

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

    async def run_all(self, planned: Sequence[Planned], turn: Turn) -> list[Observation]:
        """Run the calls of one answer: reads side by side, all in order as soon as one writes.

        Equal calls run once, unless the tool is repeatable.
        """
        unique = {plan.wanted: plan for plan in planned}
        if any(plan.tool is not None and plan.tool.writes for plan in unique.values()):
            found = [await self.run(plan, turn) for plan in unique.values()]
        else:
            found = list(await asyncio.gather(*(self.run(plan, turn) for plan in unique.values())))
        observed = dict(zip(unique, found, strict=True))
        return [observed[plan.wanted] for plan in planned]

    async def run(self, planned: Planned, turn: Turn) -> Observation:
        """Run a planned call to an observation; only cancellation gets out."""
        if planned.tool is None:
            return Observation(json.dumps({"error": planned.problem}), planned.problem)
        began = time.monotonic()
        with telemetry.tool(planned.tool.name, planned.call.id) as told:
            text, error = await self._observed(planned.tool, planned, turn)
            told.observed(planned.arguments, text, error)
        return Observation(text, error, time.monotonic() - began)

    async def _observed(self, tool: Tool, planned: Planned, turn: Turn) -> tuple[str, str]:
        turn.used.add(tool.name)
        effect = self._effect(tool, planned.arguments, turn)
        if effect is not None and effect.state == "done":
            return f"This was done already in this turn, and is not done again. Its result: {_shown(effect.result, tool.name)}", ""
        try:
            result = await self._retried(tool, planned, effect, turn)
        except ToolRefusedError as refusal:
            return json.dumps({"error": cut(clean(as_text(refusal)), LONGEST_PROBLEM)}), ""
        except ToolFailedError as failure:
            self._note(planned, failure, turn)
            return json.dumps({"error": failure.sentence}), failure.sentence
        if effect is not None:
            turn.effects.confirm(effect, result)
        turn.failed.pop(planned.signature, None)
        turn.succeeded.add(tool.name)
        return _shown(result, tool.name), ""

    def _effect(self, tool: Tool, arguments: dict[str, Any], turn: Turn) -> Effect | None:
        if not tool.writes:
            return None
        done = None if tool.repeatable else turn.effects.done_this_turn(tool.name, arguments)
        return done or turn.effects.begin(tool.name, arguments)

    def _note(self, planned: Planned, failure: ToolFailedError, turn: Turn) -> None:
        """Remember the failure, and withdraw the tool if its breaker is open now (another call's probe may be under way)."""
        name = planned.call.name
        turn.failed[planned.signature] = FailedCall(name, failure.sentence)
        if self._breakers[name].state == "open":
            turn.withdrawn[name] = failure.sentence

    async def _retried(self, tool: Tool, planned: Planned, effect: Effect | None, turn: Turn) -> Any:
        """The checked result. Raises ToolFailedError or ToolRefusedError."""
        breaker = self._breakers[tool.name]
        deadline = turn.deadline.share(SHARE)

        def go_on(failure: Failure) -> bool:
            safe = effect is None or tool.keyed or failure.classified.unsent
            return safe and breaker.admits and not isinstance(failure.error, ToolRefusedError)

        try:
            return await call_with_retries(
                lambda: self._attempt(tool, planned, effect, deadline), policies=TOOL_POLICIES, deadline=deadline, go_on=go_on
            )
        except GaveUpError as error:
            last = error.failures[-1]
            if isinstance(last.error, ToolRefusedError):
                raise last.error from None
            raise _failed(tool, error.failures, effect) from last.error
        except BreakerOpenError as error:
            raise ToolFailedError(f"{tool.name} is unavailable: it failed repeatedly", category="transient", causes=(error,)) from error

    async def _attempt(self, tool: Tool, planned: Planned, effect: Effect | None, deadline: Deadline) -> Any:
        permit = await self._breakers[tool.name].admit(2 * tool.timeout)
        telemetry.attempted(self._breakers[tool.name])
        seconds = min(tool.timeout, max(deadline.remaining, 0.001))
        before = effect.state if effect else "asked"
        arguments = dict(planned.arguments)
        if effect is not None:
            effect.state = "unknown"
            arguments[KEY] = effect.key
        try:
            result = tool.check(await within(seconds, tool.call(arguments, planned.call.id or None)))
        except Exception as error:
            await self._failed_attempt(error, permit, effect, was_unknown=before == "unknown", cut_short=seconds < tool.timeout)
            raise
        else:
            await permit.succeed()
            return result
        finally:
            await permit.release()

    @staticmethod
    async def _failed_attempt(error: Exception, permit: Permit, effect: Effect | None, *, was_unknown: bool, cut_short: bool) -> None:
        found = classify(error)
        refused = isinstance(error, ToolRefusedError)
        if refused:
            await permit.succeed()
        elif found.counts and not (found.timed_out and cut_short):
            await permit.fail()
        certain = refused or found.unsent or found.declined
        if effect is not None and certain and not was_unknown:
            effect.state = "refused"


def _failed(tool: Tool, failures: list[Failure], effect: Effect | None) -> ToolFailedError:
    last = failures[-1]
    reason = "it did not answer in time" if last.classified.timed_out else REASONS.get(last.classified.category, "it failed")
    sentence = f"{tool.name} is unavailable: {reason} (tried {len(failures)} times)"
    unknown = effect is not None and effect.state == "unknown"
    if unknown:
        sentence += ". It may have gone through all the same: say neither that it did nor that it did not"
    return ToolFailedError(
        sentence, category=last.classified.category, causes=tuple(failure.error for failure in failures), outcome_unknown=unknown
    )


def _shown(result: Any, tool: str) -> str:
    """A result as the model reads it: text, or JSON, bounded; emptiness is said."""
    if result is None or (isinstance(result, str | list | dict | tuple) and not result):
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
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else str(value)
