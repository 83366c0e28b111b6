"""Running one tool: one slot, one breaker, attempts by category, the effect's key written down before the tool starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agentlab import telemetry
from agentlab.bounds import Deadline, within
from agentlab.breaker import Breaker, BreakerPolicy, Permit
from agentlab.classify import classify
from agentlab.effects import Effect, EffectState
from agentlab.errors import BreakerOpenError, McpCallError, ToolBusyError, ToolFailedError, ToolRefusedError
from agentlab.loops import PerLoop
from agentlab.retry import TOOL_POLICIES, Failure, GaveUpError, call_with_retries
from agentlab.text import times
from agentlab.tools import KEY, Tool
from agentlab.turn import Turn

__all__ = ["ToolRunner"]

SHARE = 0.7
"""Part of the remaining time that tool calls may use; the model still has to answer."""
REASONS = {
    "rate_limit": "it is asked too often",
    "auth": "access was refused",
    "budget": "its quota is used up",
    "permanent": "it refused the request",
}


class ToolRunner:
    """One tool with its breaker and its slots."""

    def __init__(self, tool: Tool, policy: BreakerPolicy | None) -> None:
        self.tool = tool
        self.breaker = Breaker(f"tool:{tool.name}", policy, telemetry.breaker_changed)
        self._slots = PerLoop(lambda: asyncio.Semaphore(tool.concurrency))

    async def run(self, arguments: dict[str, Any], call_id: str, effect: Effect | None, turn: Turn) -> Any:
        """The checked result. Raises ToolFailedError or ToolRefusedError."""
        deadline = turn.deadline.share(SHARE)

        async def attempt() -> Any:
            return await self._attempt(arguments, call_id, effect, deadline, turn)

        def go_on(failure: Failure) -> bool:
            safe = effect is None or self.tool.keyed or failure.classified.unsent
            return safe and self.breaker.admits and not isinstance(failure.error, ToolRefusedError)

        try:
            return await call_with_retries(attempt, policies=TOOL_POLICIES, deadline=deadline, go_on=go_on)
        except GaveUpError as error:
            last = error.failures[-1]
            if isinstance(last.error, ToolRefusedError):
                raise last.error from None
            raise _failed(self.tool, error, effect) from last.error
        except BreakerOpenError as error:
            raise ToolFailedError(
                f"{self.tool.name} is unavailable: it failed repeatedly", category="transient", causes=(error,)
            ) from error

    async def _attempt(self, arguments: dict[str, Any], call_id: str, effect: Effect | None, deadline: Deadline, turn: Turn) -> Any:
        permit = await self.breaker.admit(2 * self.tool.timeout)
        telemetry.attempted(self.breaker)
        try:
            async with self._slot(deadline):
                return await self._made(arguments, call_id, effect, deadline, permit, turn)
        finally:
            await permit.release()

    async def _made(
        self, arguments: dict[str, Any], call_id: str, effect: Effect | None, deadline: Deadline, permit: Permit, turn: Turn
    ) -> Any:
        """One call of the function. What may happen from here on is written down first, with its key."""
        arguments, before = dict(arguments), effect.state if effect else "asked"
        if effect is not None:
            effect.state = "unknown"
            arguments[KEY] = effect.key
            if before != "unknown":
                await self._written_down(effect, before, turn)
        seconds = min(self.tool.timeout, max(deadline.remaining, 0.001))
        try:
            result = self.tool.check(await within(seconds, self.tool.call(arguments, call_id or None)))
        except Exception as error:
            await self._failed_attempt(error, permit, effect, was_unknown=before == "unknown", cut_short=seconds < self.tool.timeout)
            raise
        await permit.succeed()
        return result

    @staticmethod
    async def _written_down(effect: Effect, before: EffectState, turn: Turn) -> None:
        """Keep what may happen. Whoever is stopped by that has not started the tool."""
        try:
            await turn.save()
        except BaseException:
            effect.state = before
            raise

    @asynccontextmanager
    async def _slot(self, deadline: Deadline) -> AsyncIterator[None]:
        """Room for one more call. Raises ToolBusyError if there is none in time."""
        slots = self._slots.here()
        if slots.locked():
            try:
                await within(min(self.tool.timeout, max(deadline.remaining, 0.001)), slots.acquire())
            except TimeoutError:
                raise ToolBusyError(f"{self.tool.name} is busy: {self.tool.concurrency} calls of it have not come back") from None
        else:
            await slots.acquire()
        try:
            yield
        finally:
            slots.release()

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


def _failed(tool: Tool, error: GaveUpError, effect: Effect | None) -> ToolFailedError:
    failures = error.failures
    last = failures[-1]
    reason = "it did not answer in time" if last.classified.timed_out else REASONS.get(last.classified.category, "it failed")
    sentence = f"{tool.name} is unavailable: {reason} (tried {times(len(failures))}{f'; {error.late}' if error.late else ''})"
    if isinstance(last.error, McpCallError):
        sentence += f" and said: {last.error}"
    unknown = effect is not None and effect.state == "unknown"
    if unknown:
        sentence += ". It may have gone through all the same: say neither that it did nor that it did not"
    return ToolFailedError(
        sentence,
        category=last.classified.category,
        causes=tuple(failure.error for failure in failures),
        outcome_unknown=unknown,
        out_of_time=bool(error.late),
    )
