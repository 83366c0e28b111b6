"""The agent's loop: think, act, observe, until the model answers without asking for a tool, or a bound is reached."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from agentlab import telemetry
from agentlab.answers import Answer, RequestedCall
from agentlab.chain import Asking, ModelChain
from agentlab.errors import BoundExceededError, InvalidOutputError, ModelFailedError
from agentlab.events import Screen, ToolCalled, ToolReturned
from agentlab.history import StoredCall
from agentlab.models import Model, Request
from agentlab.result import Action, Step
from agentlab.structured import Structured
from agentlab.text import canonical
from agentlab.toolbox import Planned, Toolbox
from agentlab.turn import Observation, Turn

__all__ = ["React"]

REPAIRS = 2
"""Answers in a row with unusable calls that a model may correct; one while another model is left."""
SAME_CALL = 3
"""How often a model may make the same call in one turn."""
MOST_CALLS = 16
"""Calls of one answer that are run; the others are answered with an error."""
SURPLUS = Observation('{"error": "Too many calls in one answer; this one was not run."}', "too many calls in one answer")


class React:
    """The loop over one turn. `run` may be called again on the same turn, by a lower layer: it goes on where the turn stands."""

    def __init__(self, chain: ModelChain, toolbox: Toolbox, instructions: str, output: Structured[Any] | None = None) -> None:
        self.chain = chain
        self.toolbox = toolbox
        self.instructions = instructions
        self._output = output

    async def run(self, turn: Turn, *, stop_when_withdrawn: bool) -> str | None:
        """The model's final text; None if a tool was withdrawn on the way and `stop_when_withdrawn`.

        Raises AllModelsFailedError or BoundExceededError.
        """
        withdrawn = len(turn.withdrawn)
        await self._go_on(turn)
        while True:
            text = await self._step(turn)
            if text is not None:
                return text
            if stop_when_withdrawn and len(turn.withdrawn) > withdrawn:
                return None

    async def _go_on(self, turn: Turn) -> None:
        """Run the calls that were asked for before the turn was cut, and did not come to an end."""
        open_calls = turn.history.open_calls()
        if open_calls:
            planned = [self.toolbox.plan(RequestedCall(call.id, call.name, call.arguments), turn) for call in open_calls]
            step = turn.steps[-1] if turn.steps else Step("", "", 0.0, 0)
            await self._run(open_calls, planned, step, turn)

    async def _step(self, turn: Turn) -> str | None:
        turn.spending.step()
        with telemetry.step(turn.spending.steps):
            return await self._taken(turn)

    async def _taken(self, turn: Turn) -> str | None:
        """Ask the model, and run what it calls. The text if it is the last word."""
        before, began = len(turn.history), time.monotonic()
        screen = Screen(turn.listener, turn.spending.steps) if turn.listener else None
        asking = Asking(lambda level: self._request(turn, level), turn.deadline, turn.spending, turn.aside, turn.demoted, screen)
        answer, model = await self.chain.ask(asking)
        turn.correction = []
        if screen is not None:
            screen.finish(answer.text)
        step = Step(answer.text, model.name, time.monotonic() - began, answer.input_tokens + answer.output_tokens)
        turn.steps.append(step)
        if not answer.calls:
            if self._fits(answer, model, before, turn):
                return answer.text
            if screen is not None:
                screen.withdraw(f"{model.name} gave no answer of the form that was asked for")
            return None
        if turn.must_answer:
            if screen is not None:
                screen.withdraw(f"{model.name} kept making the same call")
            raise BoundExceededError("steps", "The model kept making the same call")
        planned = [self.toolbox.plan(call, turn) for call in answer.calls]
        problem = next((plan.problem for plan in planned if plan.tool is None), "")
        if self._beyond_repair(problem, "made unusable tool calls", model, before, turn):
            if screen is not None:
                screen.withdraw(f"{model.name} made calls that cannot be used")
            return None
        await self._act(answer, model, planned, step, turn)
        if any(plan.tool for plan in planned):
            turn.repair_from = len(turn.history)  # what ran is never forgotten: the model would do it again in other words
        self._watch_circles(planned, model, turn)
        return None

    def _request(self, turn: Turn, level: int) -> Request:
        system = turn.system(self.instructions)
        if turn.withdrawn:
            system += (
                f"\n\nUnavailable now: {', '.join(turn.withdrawn)}. Do what is possible without, and say plainly what could not be done."
            )
        messages = [*turn.history.request(system, level), *turn.correction]
        tools = self.toolbox.offered(tuple(turn.withdrawn))
        form = self._output.form if self._output else None
        return Request(messages=messages, tools=tools, may_call=not turn.must_answer, form=form)

    def _fits(self, answer: Answer, model: Model, before: int, turn: Turn) -> bool:
        """Whether the last word has the form that was asked for; if not, the model is told what is wrong, or set aside."""
        if self._output is None:
            return True
        try:
            self._output.read(answer.text)
        except InvalidOutputError as error:
            if not self._beyond_repair(str(error), "gave no answer of the form that was asked for", model, before, turn):
                wish = f"That answer cannot be used: {error} Answer again, with the whole JSON object and nothing else."
                turn.correction = [{"role": "assistant", "content": answer.text}, {"role": "user", "content": wish}]
            return False
        return True

    def _beyond_repair(self, problem: str, what: str, model: Model, before: int, turn: Turn) -> bool:
        """Count answers that cannot be used. After too many, forget them and set the model aside, so that the next one starts clean."""
        if not problem:
            turn.repairs = 0
            return False
        if turn.repairs == 0:
            turn.repair_from = before
        turn.repairs += 1
        if turn.repairs <= (REPAIRS if self.chain.last_left(turn.aside) else 1):
            return False
        turn.history.rollback(turn.repair_from)
        said = f"{model.name} {what} {turn.repairs} times ({problem})"
        turn.aside[model.name] = ModelFailedError(said, category="transient", attempts=turn.repairs)
        turn.repairs = 0
        return True

    async def _act(self, answer: Answer, model: Model, planned: list[Planned], step: Step, turn: Turn) -> None:
        """Run the calls and keep them with their results, so that the next request is a valid one."""
        planned = list({(plan.call.id, plan.signature): plan for plan in planned}.values())
        asked = [_stored(plan, model) for plan in planned]
        stored = turn.history.add_assistant(answer.text, asked, private=_private(answer.private, model))
        turn.observed = {call.id: SURPLUS for call in stored[MOST_CALLS:]}
        await self._run(stored, planned, step, turn)

    async def _run(self, stored: Sequence[StoredCall], planned: Sequence[Planned], step: Step, turn: Turn) -> None:
        for plan in planned[:MOST_CALLS] if turn.listener else ():
            turn.tell(ToolCalled(plan.call.name, plan.arguments, turn.spending.steps))
        await self.toolbox.run_all({call.id: plan for call, plan in zip(stored, planned, strict=True)}, turn)
        for call, plan in zip(stored, planned, strict=True):
            found = turn.observed.pop(call.id)
            turn.history.add_result(call.id, found.text, failed=bool(found.error))
            if found.again:
                turn.again.add(call.id)
            step.actions.append(Action(plan.call.name, plan.arguments, found.text, found.error, found.seconds, found.by))
            turn.tell(ToolReturned(plan.call.name, found.error, found.seconds, turn.spending.steps))
        await turn.save()

    def _watch_circles(self, planned: list[Planned], model: Model, turn: Turn) -> None:
        """A model that makes the same call again and again, or goes back and forth, is set aside; the last one left must answer now.

        A write that was not made before starts afresh: looking at its effect is no circle.
        """
        if any(plan.tool is not None and plan.tool.writes and not turn.seen[plan.signature] for plan in planned):
            turn.seen.clear()
        turn.seen.update({plan.signature for plan in planned})
        if max(turn.seen.values()) < SAME_CALL:
            return
        turn.must_answer = self.chain.last_left(turn.aside)
        if not turn.must_answer:
            turn.seen.clear()
            turn.aside[model.name] = ModelFailedError(f"{model.name} kept making the same call", category="transient", attempts=SAME_CALL)


def _stored(plan: Planned, model: Model) -> StoredCall:
    arguments = canonical(plan.arguments) if plan.tool else "{}"
    return StoredCall(plan.call.id, plan.call.name, arguments, _private(plan.call.private, model))


def _private(note: Any, model: Model) -> Any:
    """A model's note with its owner's name; None if there is no note."""
    return None if note is None else {"of": model.identity, "note": note}
