"""Plan-and-execute on one turn: a plan by structured output, checked, approved, carried out, and told with what could not be done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from agentlab import telemetry
from agentlab.approval import PLAN, ApprovalRequest
from agentlab.chain import Asking, ModelChain
from agentlab.errors import AgentlabError, InvalidOutputError, ModelFailedError, PlanRejectedError
from agentlab.events import Screen
from agentlab.history import Message, StoredCall
from agentlab.models import Model, Request
from agentlab.planning.execute import Execution
from agentlab.planning.plan import Limits, Plan, PlanState, problems
from agentlab.result import Action, Step
from agentlab.text import canonical, cut
from agentlab.toolbox import Toolbox
from agentlab.turn import Turn

if TYPE_CHECKING:
    from agentlab.structured import Form, Structured

__all__ = ["PlanAndExecute"]

T = TypeVar("T")

REPAIRS = 1
"""Plans that cannot be carried out which a model may correct, before another model is asked or the plan is rejected."""
LONGEST_REASONS = 4_000
"""Characters of what is wrong with a plan that the model reads."""
PLANNING = """

First write a plan: the steps that reach what the user asks for, each one call of a tool. Steps that do not depend on each other are run at
the same time. Plan no step whose tool is not listed; plan no steps at all if none is needed. The tools, with their parameters:
"""
TELLING = """

The plan was carried out; its results stand above. Answer the user now. Say plainly what could not be done, and claim nothing else."""


class PlanAndExecute:
    """The pattern over one turn. `run` may be called again on the same turn: it goes on with the plan that stands there."""

    def __init__(
        self,
        chain: ModelChain,
        toolbox: Toolbox,
        instructions: str,
        *,
        dependencies: bool = True,
        approve_plans: bool = False,
        output: Structured[Any] | None = None,
    ) -> None:
        self.chain = chain
        self.toolbox = toolbox
        self.instructions = instructions
        self._dependencies = dependencies
        self._approve_plans = approve_plans
        self._output = output

    async def run(self, turn: Turn, *, stop_when_withdrawn: bool) -> str | None:
        """The answer. A tool that breaks on the way has its fallback tools, and a note in the answer: the plan is not given up for it.

        Raises AllModelsFailedError, BoundExceededError, PlanRejectedError, PausedError or TakenOverError.
        """
        del stop_when_withdrawn
        if turn.plan is None:
            turn.plan = PlanState(await self._planned(turn))
            await turn.save()
        await self._approved(turn.plan.plan, turn)
        await Execution(turn.plan, self.toolbox, turn).run()
        before, told = len(turn.history), list(turn.plan.told)
        self._into_history(turn.plan, turn)
        try:
            return await self._told(turn.plan, turn)
        except BaseException:
            turn.history.rollback(before)
            turn.plan.told = told
            raise

    async def _planned(self, turn: Turn) -> Plan:
        """A plan that can be carried out."""
        from agentlab.planning.draft import read_plan, structured  # noqa: PLC0415  # loads pydantic at first use

        def read(text: str) -> Plan:
            try:
                plan = read_plan(text)
            except InvalidOutputError as error:
                raise PlanRejectedError((str(error),)) from error
            reasons = problems(plan, self.toolbox.named(tuple(turn.withdrawn)), self._limits(turn))
            if reasons:
                raise PlanRejectedError(tuple(reasons))
            return plan

        catalogue = "\n".join(canonical(schema["function"]) for schema in self.toolbox.offered(tuple(turn.withdrawn)))
        _, plan = await self._read(turn, turn.system(self.instructions) + PLANNING + (catalogue or "(none)"), structured.form, read)
        return plan

    async def _told(self, state: PlanState, turn: Turn) -> str:
        undone = "".join(f"\n- {cut(why, LONGEST_REASONS)}" for why in state.undone.values())
        system = turn.system(self.instructions) + TELLING + (f"\nNot done:{undone}" if undone else "")
        output = self._output
        text, _ = await self._read(turn, system, output.form if output else None, output.read if output else str)
        return text

    async def _read(self, turn: Turn, system: str, form: Form | None, read: Callable[[str], T]) -> tuple[str, T]:
        """The first answer that `read` takes: a model may correct it, then the next one is asked. Raises PlanRejectedError, or else the
        same as `run`."""
        told: list[Message] = []
        while True:
            screen = Screen(turn.listener, turn.spending.steps + 1) if turn.listener and turn.plan else None
            text, model = await self._answer(turn, system, told, form, screen)
            try:
                return text, read(text)
            except (InvalidOutputError, PlanRejectedError) as error:
                if screen is not None:
                    screen.withdraw(f"{model.name} gave no answer that could be used")
                told = self._corrected(text, error, model, told, turn)

    def _corrected(self, text: str, error: AgentlabError, model: Model, told: list[Message], turn: Turn) -> list[Message]:
        """What is said about an answer that cannot be used; nothing to the next model. Raises PlanRejectedError if there is none."""
        said = cut(str(error), LONGEST_REASONS)
        if len(told) < 2 * REPAIRS:
            wish = f"That cannot be used: {said} Write all of it again, corrected."
            return [*told, {"role": "assistant", "content": text}, {"role": "user", "content": wish}]
        if isinstance(error, PlanRejectedError) and self.chain.last_left(turn.aside):
            raise error
        turn.aside[model.name] = ModelFailedError(
            f"{model.name} gave no answer that could be used ({said})", category="transient", attempts=REPAIRS + 1
        )
        return []

    async def _answer(self, turn: Turn, system: str, told: list[Message], form: Form | None, screen: Screen | None) -> tuple[str, Model]:
        """The next valid text of the first model that gives one, shown on the screen if there is one."""
        turn.spending.step()
        began = time.monotonic()

        def build(level: int) -> Request:
            messages = [*turn.history.request(system, level), *told]
            tools = self.toolbox.offered() if turn.plan else []
            return Request(messages=messages, tools=tools, may_call=False, form=form)

        with telemetry.step(turn.spending.steps):
            answer, model = await self.chain.ask(Asking(build, turn.deadline, turn.spending, turn.aside, turn.demoted, screen))
        if screen is not None:
            screen.finish(answer.text)
        turn.steps.append(Step(answer.text, model.name, time.monotonic() - began, answer.input_tokens + answer.output_tokens))
        return answer.text, model

    async def _approved(self, plan: Plan, turn: Turn) -> None:
        """Raises PlanRejectedError if somebody refuses the plan, and PausedError if nobody is there to decide."""
        if not self._approve_plans or not plan.steps:
            return
        decision = await self.toolbox.decide(ApprovalRequest(PLAN, PLAN, plan.as_json()), turn)
        if not decision.approved:
            raise PlanRejectedError((f"A person refused it{f': {decision.reason}' if decision.reason else ''}",))

    def _limits(self, turn: Turn) -> Limits:
        money = turn.spending.bounds.money
        return Limits(None if money is None else max(0.0, money - turn.spending.usage.money), turn.deadline.remaining, self._dependencies)

    @staticmethod
    def _into_history(state: PlanState, turn: Turn) -> None:
        """Keep what was done as calls with results, so that the next request is a valid one."""
        made = {call_id: call for call_id, call in state.calls.items() if call_id in turn.observed and call_id not in state.told}
        if not made:
            return
        asked = [StoredCall("", call.tool, canonical(call.arguments)) for call in made.values()]
        stored = turn.history.add_assistant(state.plan.goal, asked)
        actions = turn.steps[-1].actions if turn.steps else []
        for kept, (call_id, call) in zip(stored, made.items(), strict=True):
            found = turn.observed[call_id]
            turn.history.add_result(kept.id, found.text, failed=bool(found.error))
            actions.append(Action(call.tool, call.arguments, found.text, found.error, found.seconds, found.by))
            if not (found.error or found.refused):
                state.told.append(call_id)
