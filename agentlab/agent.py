"""The agent: one conversation, answered turn by turn through the layers of the pipeline."""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from agentlab import telemetry
from agentlab.bounds import Bounds, Deadline, Spending
from agentlab.breaker import BreakerPolicy
from agentlab.cache import ResponseCache
from agentlab.chain import ModelChain
from agentlab.effects import Effects
from agentlab.errors import AgentlabError, ResumeRefusedError, UnexpectedError
from agentlab.events import Listener, StreamEvent, told
from agentlab.history import History, plain_text
from agentlab.layers import CachedLayer, FullLayer, Given, Intent, Layer, Pipeline, ReducedLayer, SafetyNet, StaticLayer
from agentlab.models import Model
from agentlab.notes import with_notes
from agentlab.react import React
from agentlab.result import LayerName, Reply, Status
from agentlab.toolbox import Toolbox
from agentlab.tools import Tool
from agentlab.turn import Turn

__all__ = ["Agent"]

SAFETY_TEXT = "I'm sorry, I could not work on your request: the service is unavailable just now. Please try again in a few minutes."
CUT = '{"error": "The run ended before this call gave a result; it may have gone through all the same."}'
BY_A_MODEL: frozenset[LayerName] = frozenset({"full", "reduced"})
BOUND_STATUS: dict[str, Status] = {
    "seconds": "timeout", "steps": "max_steps_exceeded", "tokens": "budget_exceeded", "money": "budget_exceeded",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """The last turn, if it did not complete: its handle, its text, and where the history stood before the runtime spoke for the model."""

    handle: str
    text: str
    stood_at: int


class Agent:
    """An agent with every reliability layer. Call it with a user's text; it remembers the conversation.

    >>> agent = Agent("helper", instructions="Be brief.", models=[Model(name="gpt-4o-mini")])
    >>> agent.conversation == agent.conversation
    True

    `models` are tried in order. `bounds` hold for one turn. `cache` and `intents` feed the layers below the model; `safety_text` is what
    the last one says. With `degrade=False` there are no lower layers: a turn that the models cannot finish ends in a typed status.
    `tenant` separates cached answers.
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
        model_breaker: BreakerPolicy | None = None,
        tool_breaker: BreakerPolicy | None = None,
    ) -> None:
        self.name = name
        self.tenant = tenant
        self.bounds = bounds or Bounds()
        self.conversation = uuid.uuid4().hex
        self._chain = ModelChain(models, model_breaker)
        self._toolbox = Toolbox(tools, tool_breaker)
        self._cache = cache
        self._history = History()
        self._effects = Effects(self.conversation)
        self._turns = 0
        self._unfinished: _Unfinished | None = None
        self._one_at_a_time = asyncio.Lock()
        react = React(self._chain, self._toolbox, instructions)
        lower: list[Layer] = [ReducedLayer(react), *([CachedLayer(cache)] if cache else []), StaticLayer(intents), SafetyNet(safety_text)]
        self._pipeline = Pipeline([FullLayer(react), *(lower if degrade else lower[:1])])

    async def __call__(self, text: str) -> Reply:
        """Answer one turn. Never raises for what a model, a tool or the network does: the reply's `status` says how it ended.

        Raises UnsupportedContentError for what is no text.
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
        async with self._one_at_a_time:
            self._unfinished = None  # also if this turn is cancelled: an older one is not the last any more
            self._turns += 1
            self._effects.new_turn()
            turn = self._turn(text, first=self._turns == 1)
            turn.listener = listener
            self._history.add_user(text)
            return await self._answer(turn)

    async def resume(self, handle: str) -> Reply:
        """Go on with the last turn, from where it stood, with fresh bounds; no tool is run twice. Raises ResumeRefusedError."""
        async with self._one_at_a_time:
            if self._unfinished is None or self._unfinished.handle != handle:
                raise ResumeRefusedError("This handle names no unfinished turn; only the last turn can be resumed, and only once.")
            unfinished, self._unfinished = self._unfinished, None
            self._history.rollback(unfinished.stood_at)
            return await self._answer(self._turn(unfinished.text))

    async def aclose(self) -> None:
        """Close the connections to the models."""
        await self._chain.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def _turn(self, text: str, *, first: bool = False) -> Turn:
        return Turn(
            text=text,
            first=first,
            tenant=self.tenant,
            history=self._history,
            effects=self._effects,
            deadline=Deadline.after(self.bounds.seconds),
            spending=Spending(self.bounds),
        )

    async def _answer(self, turn: Turn) -> Reply:
        with telemetry.run(self.name, self.conversation) as told:
            try:
                given = await self._pipeline.answer(turn)
            finally:
                self._history.close(CUT)
            if given is None or given.layer not in BY_A_MODEL:
                turn.problem = turn.problem or self._chain.left_alone()
            reply = self._reply(turn, given)
            told.ended(reply)
            return reply

    def _reply(self, turn: Turn, given: Given | None) -> Reply:
        status = _status(turn, given)
        handle = None if status == "complete" else f"{self.conversation}.{self._turns}.{len(self._history)}"
        self._unfinished = None if handle is None else _Unfinished(handle, turn.text, len(self._history))
        if given is None:
            why = turn.problem or "nothing that could answer was well"
            given = Given(with_notes(f"I could not finish this: {why}", turn), "", "full", 0.0)
        if given.said:
            self._history.add_assistant(given.said)
        if self._cache is not None and status == "complete" and turn.first and self._toolbox.cacheable(turn):
            self._cache.put(self.tenant, turn.text, given.text)
        effects = turn.effects.this_turn
        return Reply(
            text=given.text,
            status=status,
            answered_by=given.layer,
            confidence=given.confidence,
            effects=tuple(dict.fromkeys(effect.tool for effect in effects)),
            unconfirmed=tuple(dict.fromkeys(effect.tool for effect in effects if effect.state == "unknown")),
            steps=tuple(turn.steps),
            usage=turn.spending.usage,
            resume=handle,
            error=turn.problem or _failure(turn),
        )


def _status(turn: Turn, given: Given | None) -> Status:
    if given is None:
        return BOUND_STATUS[turn.bound.bound] if turn.bound else "incomplete"
    if given.layer == "full":
        return "complete"
    if isinstance(turn.problem, UnexpectedError):
        return "failed"
    if turn.bound and given.layer == "safety_net":
        return BOUND_STATUS[turn.bound.bound]
    return "degraded"


def _failure(turn: Turn) -> AgentlabError | None:
    reasons = dict.fromkeys([*turn.withdrawn.values(), *(call.why for call in turn.failed.values())])
    return AgentlabError("; ".join(reasons)) if reasons else None
