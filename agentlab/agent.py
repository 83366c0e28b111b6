"""The agent: one conversation, answered turn by turn through the layers of the pipeline."""

from __future__ import annotations

import asyncio
import copy
import functools
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, get_args

from agentlab import telemetry
from agentlab.approval import ApprovalHook, Decision
from agentlab.bounds import Bounds, Deadline, Spending
from agentlab.breaker import BreakerPolicy
from agentlab.cache import ResponseCache
from agentlab.chain import ModelChain
from agentlab.checkpoint import Progress, progress_of
from agentlab.closing import close_all
from agentlab.conversation import CUT, Conversation
from agentlab.ending import BY_A_MODEL, Ending, ending_of, not_begun, taken_over
from agentlab.errors import PausedError, PlanRejectedError, ResumeRefusedError, RunStoppedError, TakenOverError
from agentlab.evaluation import Evaluation, Evaluator, Run
from agentlab.events import Listener, StreamEvent, told
from agentlab.history import plain_text
from agentlab.layers import CachedLayer, FullLayer, Given, Intent, Layer, Pipeline, ReducedLayer, SafetyNet, StaticLayer, Worker
from agentlab.loops import PerLoop
from agentlab.mcp_server import McpServer
from agentlab.memory import Memory
from agentlab.models import Model
from agentlab.planning.choose import Pattern
from agentlab.planning.pattern import PlanAndExecute
from agentlab.react import React
from agentlab.result import Reply
from agentlab.servers import Servers
from agentlab.stores.guard import Guarded
from agentlab.stores.store import Store
from agentlab.structured import Structured
from agentlab.text import canonical
from agentlab.toolbox import Toolbox
from agentlab.tools import Tool
from agentlab.turn import Turn

if TYPE_CHECKING:
    from pydantic import BaseModel

    from agentlab.settings import Settings

__all__ = ["Agent"]

SAFETY_TEXT = "I'm sorry, I could not finish your request just now. Please try again in a few minutes."
NOT_RUN = '{"error": "This call waited for approval and was not run."}'
NOT_MADE = '{"error": "This call was not made, or not finished, before the run was resumed. If it is still wanted, make it again."}'
FORM = "\n\nYour answer to the user is one JSON object of this schema, and nothing else:\n"
BOUNDED_STEPS = 6
"""Steps of a turn with the pattern `bounded_react`, at most."""


class Agent:
    """An agent with every reliability layer. Call it with a user's text; it remembers the conversation.

    >>> agent = Agent("helper", instructions="Be brief.", models=[Model(name="gpt-4o-mini")])
    >>> agent.conversation == agent.conversation
    True

    `models` are tried in order. `bounds` hold for one turn. `cache` and `intents` feed the layers below the model; `safety_text` is what
    the last one says. With `degrade=False` there are no lower layers: a turn that the models cannot finish ends in a typed status.
    `tenant` separates cached answers and checkpoints.

    With `checkpoints` each step is kept in that store: any turn that did not complete can be resumed by its handle, in another process
    too, and one that a crash cut. Name the `conversation` to go on with one that is kept there. `memory` is shown to the model, which
    writes to it with a tool. The tools of MCP `servers` join the agent's own. `approve` is asked about calls of tools that need approval;
    without an answer the turn pauses.

    `evaluator` scores a sample of the turns (`evaluate_share`, 0 to 1) in the background, by name from 0 to 5; telemetry gets the scores.
    """

    def __init__(
        self,
        name: str,
        *,
        instructions: str,
        models: Sequence[Model],
        tools: Sequence[Tool] = (),
        bounds: Bounds | None = None,
        cache: ResponseCache | None = None,
        intents: Sequence[Intent] = (),
        safety_text: str = SAFETY_TEXT,
        degrade: bool = True,
        tenant: str = "",
        conversation: str | None = None,
        checkpoints: Store | None = None,
        memory: Memory | None = None,
        servers: Sequence[McpServer] = (),
        approve: ApprovalHook | None = None,
        pattern: Pattern = "react",
        approve_plans: bool = False,
        output: type[BaseModel] | None = None,
        model_breaker: BreakerPolicy | None = None,
        tool_breaker: BreakerPolicy | None = None,
        evaluator: Evaluator | None = None,
        evaluate_share: float = 0.1,
    ) -> None:
        self.name = name
        self.tenant = tenant
        self.bounds = bounds or Bounds()
        _check_kinds(models, tools, pattern)
        _check_prices(models, self.bounds)
        self._chain = ModelChain(models, model_breaker)
        self._toolbox = Toolbox([*tools, memory.tool] if memory else tools, tool_breaker, approve)
        self._servers = Servers(servers, self._toolbox)
        self._memory = memory
        self._cache = cache
        self._store = Guarded(checkpoints, "checkpoints") if checkpoints else None
        self._talk = Conversation(name, conversation, tenant, self._store)
        self._evaluation = Evaluation(evaluator, evaluate_share) if evaluator else None
        self._one_at_a_time = PerLoop(asyncio.Lock)
        self._output = Structured(output) if output else None
        self._degrade = degrade
        worker = self._worker(pattern, instructions, approve_plans=approve_plans)
        lower: list[Layer] = [ReducedLayer(worker), *([CachedLayer(cache)] if cache else []), StaticLayer(intents), SafetyNet(safety_text)]
        self._pipeline = Pipeline([FullLayer(worker), *(lower if degrade else lower[:1])])

    @classmethod
    def from_settings(cls, name: str, settings: Settings, *, instructions: str, **options: Any) -> Self:
        """An agent as these settings want it. `options` are further parameters of `Agent`, and win."""
        return cls(name, instructions=instructions, **{**settings.options(), **options})

    @property
    def conversation(self) -> str:
        """The conversation's id."""
        return self._talk.id

    async def __call__(self, text: str) -> Reply:
        """Answer one turn. Never raises for what a model, a tool or the network does: the reply's `status` says how it ended.

        Raises UnsupportedContentError for what is no text, and ResumeRefusedError if the store holds a checkpoint of this conversation that
        cannot be used.
        """
        return await self._converse(text)

    def stream(self, text: str) -> AsyncGenerator[StreamEvent]:
        """The same turn as events while it is under way (`agentlab.events`); the last one is the Reply.

        The words come as they are written if the model has `stream=True`, else all at once. A stream that breaks before any of its words
        was shown is begun again unseen; after that, `Withdrawn` says that the words of this step are void. Closing the iterator ends the
        turn: use `contextlib.aclosing` if it may be left early.

        >>> async def watch(agent: Agent) -> None:
        ...     async for event in agent.stream("Where is my order?"):
        ...         if isinstance(event, TextDelta):
        ...             print(event.text, end="")
        """
        return told(functools.partial(self._converse, text))

    async def _converse(self, text: str, listener: Listener | None = None) -> Reply:
        text = plain_text(text)
        async with self._one_at_a_time.here():
            turn = self._turn(text)
            turn.listener = listener
            try:
                await self._talk.begin(text, turn)
            except TakenOverError as error:
                return Ending(turn, not_begun(), "failed", error).reply(self._output)
            return await self._answer(turn)

    def new_conversation(self, conversation: str | None = None, *, tenant: str | None = None) -> Agent:
        """Another conversation with this agent: models, tools, their breakers and the cache are shared, nothing that was said is.

        A service keeps one agent and begins a conversation for each of its users, so that all of them learn at once that a provider is
        down. `tenant` is this agent's unless given. Raises ValueError as the constructor does, and for an agent with a memory, which is
        of one subject only.
        """
        if self._memory is not None:
            raise ValueError("An agent with a memory is for one subject; build another agent, with another Memory, for another one.")
        other = copy.copy(self)
        other.tenant = self.tenant if tenant is None else tenant
        other._talk = Conversation(self.name, conversation, other.tenant, self._store)
        other._one_at_a_time = PerLoop(asyncio.Lock)
        return other

    async def resume(self, handle: str, *, approve: bool | None = None, reason: str = "") -> Reply:
        """Go on with the last turn, from where it stood, with fresh bounds; no tool is run twice.

        `approve` decides about the call that a paused turn waits for; the `reason` of a refusal is told to the model. A handle works once,
        in any process that shares the checkpoints. Raises ResumeRefusedError.
        """
        return await self._go_on(handle, approve, reason)

    def stream_resumed(self, handle: str, *, approve: bool | None = None, reason: str = "") -> AsyncGenerator[StreamEvent]:
        """`resume` as events, like `stream`."""
        return told(functools.partial(self._go_on, handle, approve, reason))

    async def _go_on(self, handle: str, approve: bool | None, reason: str, listener: Listener | None = None) -> Reply:
        async with self._one_at_a_time.here():
            deadline = Deadline.after(self.bounds.seconds)
            progress = await self._talk.claim(handle, deadline)
            turn = self._resumed(progress)
            turn.listener = listener
            if approve is not None and progress.waiting is not None:
                turn.decide(progress.waiting, Decision(approve, reason))
            try:
                await turn.save()
            except TakenOverError as error:
                raise ResumeRefusedError(f"This handle was used already: {error}.") from error
            return await self._answer(turn)

    async def unfinished(self) -> str | None:
        """The handle of this conversation's last turn if it did not complete, as the store has it: also of one that a crash cut.

        Whoever resumes with it takes the turn over: a worker that still runs it stops before its next step. None if there is nothing to
        resume. Raises StoreAwayError, and ResumeRefusedError for a checkpoint that cannot be used.
        """
        return await self._talk.unfinished(Deadline.after(self.bounds.seconds))

    async def aclose(self) -> None:
        """Close the connections to models and MCP servers; evaluations under way get a few seconds to end."""
        await close_all(self._evaluation, self._chain, self._servers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def _worker(self, pattern: Pattern, instructions: str, *, approve_plans: bool) -> Worker:
        if self._output is not None:
            instructions += FORM + canonical(self._output.form.schema)
        if pattern == "bounded_react":
            self.bounds = replace(self.bounds, steps=min(self.bounds.steps, BOUNDED_STEPS))
        if pattern in {"react", "bounded_react"}:
            return React(self._chain, self._toolbox, instructions, self._output)
        return PlanAndExecute(
            self._chain,
            self._toolbox,
            instructions,
            dependencies=pattern == "plan_dag",
            approve_plans=approve_plans,
            output=self._output,
        )

    def _turn(self, text: str) -> Turn:
        turn = Turn(
            text=text,
            first=False,
            tenant=self.tenant,
            history=self._talk.history,
            effects=self._talk.effects,
            deadline=Deadline.after(self.bounds.seconds),
            spending=Spending(self.bounds),
        )

        async def save() -> None:
            await self._talk.save(turn, progress_of(turn, len(turn.history)))

        turn.save = save
        return turn

    def _resumed(self, progress: Progress) -> Turn:
        """The turn as it stood. Tools that were withdrawn are offered again, unless their breakers are open in this process."""
        turn = self._turn(progress.text)
        turn.before = progress.usage
        turn.steps = list(progress.steps)
        turn.withdrawn = {name: why for name, why in progress.withdrawn.items() if name in self._toolbox.broken}
        turn.failed = dict(progress.failed)
        turn.used, turn.succeeded, turn.questioned = set(progress.used), set(progress.succeeded), set(progress.questioned)
        turn.observed = {call_id: found for call_id, found in progress.observed.items() if not found.again}
        turn.decisions = dict(progress.decisions)
        turn.plan = progress.plan
        turn.history.reopen(progress.again, NOT_MADE)
        turn.seen = Counter()
        return turn

    async def _answer(self, turn: Turn) -> Reply:
        with telemetry.run(self.name, self.conversation) as told:
            await self._servers.open(turn)
            if self._memory is not None:
                await self._memory.open(turn)
            try:
                reply = await self._reply(turn, *await self._given(turn))
            except TakenOverError as error:
                turn.history.forget_turn()  # the other worker's is the conversation's
                reply = Ending(turn, taken_over(), "failed", error).reply(self._output)
            told.ended(reply)
            if self._evaluation is not None and reply.status != "paused":
                self._evaluation.offer(Run(agent=self.name, conversation=self.conversation, text=turn.text, reply=reply))
            return reply

    async def _given(self, turn: Turn) -> tuple[Given | None, RunStoppedError | None, int]:
        """What the pipeline gives, or the pause, and where the history stood. Raises TakenOverError."""
        given, stopped, closing = None, None, CUT
        try:
            given = await self._pipeline.answer(turn)
        except (PausedError, PlanRejectedError) as error:
            stopped, closing = error, NOT_RUN
        finally:
            stood_at = len(turn.history)
            turn.history.close(closing)
        return given, stopped, stood_at

    async def _reply(self, turn: Turn, given: Given | None, stopped: RunStoppedError | None, stood_at: int) -> Reply:
        if given is None or given.layer not in BY_A_MODEL:
            turn.problem = turn.problem or self._chain.left_alone()
        ending = ending_of(turn, given, stopped, degrade=self._degrade)
        complete, given = ending.status == "complete", ending.given
        if given.said:
            turn.history.add_assistant(given.said)
        if self._cache is not None and complete and turn.first and self._toolbox.cacheable(turn):
            self._cache.put(self.tenant, turn.text, given.text)
        handle = await self._talk.end(turn, None if complete else progress_of(turn, stood_at, ending.waiting))
        return ending.reply(self._output, handle)


def _check_kinds(models: Any, tools: Any, pattern: str) -> None:
    """Raises TypeError or ValueError, with what to write instead: whoever has no type checker is told here."""
    for name, given, kind, instead in (
        ("models", models, Model, 'Model(name="gpt-4o-mini")'),
        ("tools", tools, Tool, "a function decorated with @tool"),
    ):
        listed = isinstance(given, Collection) and not isinstance(given, str)
        odd = [one for one in given if not isinstance(one, kind)] if listed else [given]
        if odd:
            raise TypeError(f"Agent({name}=...) takes a list of {kind.__name__}s, each {instead}; not {odd[0]!r}.")
    if pattern not in get_args(Pattern):
        raise ValueError(f"There is no pattern {pattern!r}; there are {', '.join(get_args(Pattern))}.")


def _check_prices(models: Sequence[Model], bounds: Bounds) -> None:
    """Raises ValueError if money is bounded, but it is not known what a model costs: the bound would hold nothing."""
    unknown = [model.name for model in models if bounds.money is not None and not model.priced]
    if unknown:
        raise ValueError(f"Bounds(money=...) needs the price of {', '.join(unknown)}: give it as Model(price=(input, output)).")
