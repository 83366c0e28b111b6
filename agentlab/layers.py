"""The degradation pipeline: full, reduced, cached, static, safety_net. Each layer is less able and more certain than the one before."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from agentlab import telemetry
from agentlab.bounds import within
from agentlab.cache import ResponseCache
from agentlab.chain import ModelChain
from agentlab.errors import AllModelsFailedError, BoundExceededError, RunStoppedError, UnexpectedError
from agentlab.notes import with_notes
from agentlab.result import LayerName
from agentlab.toolbox import Toolbox
from agentlab.turn import Turn

__all__ = ["CachedLayer", "FullLayer", "Given", "Intent", "Layer", "Pipeline", "ReducedLayer", "SafetyNet", "StaticLayer", "Worker"]

LOOKED_AT = 2_000
"""Characters of a user's text that intents look at: a pattern may take quadratic time."""
HEALTH_SECONDS = 2.0
"""Seconds that a layer's health check may take."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A kind of request that is known in advance. Any of `patterns` (regular expressions, case ignored) tells it.

    `answer` is for outages. It must say what could not be done; whether something was done is added by the runtime, which knows.

    >>> refunds = Intent("refund", (r"\\brefund", r"money back"), "I cannot refund anything just now. Please write to help@shop.example.")
    >>> refunds.matches("I want my MONEY BACK!")
    True
    """

    name: str
    patterns: tuple[str, ...]
    answer: str

    def matches(self, text: str) -> bool:
        """Whether the text is a request of this kind."""
        return any(re.search(pattern, text[:LOOKED_AT], re.IGNORECASE) for pattern in self.patterns)


class Worker(Protocol):
    """A pattern of work (ReAct, plan-and-execute) over the models and the tools."""

    chain: ModelChain
    toolbox: Toolbox

    async def run(self, turn: Turn, *, stop_when_withdrawn: bool) -> str | None:
        """The answer; None if a tool was withdrawn on the way and `stop_when_withdrawn`."""


class Layer(ABC):
    """One level of the pipeline. `confidence` (0 to 1) is its own declaration of how far its answers can be trusted."""

    name: ClassVar[LayerName]
    confidence: ClassVar[float]

    async def healthy(self, turn: Turn) -> bool:
        """Whether it makes sense to ask this layer now."""
        del turn
        return True

    @abstractmethod
    async def answer(self, turn: Turn) -> str | None:
        """The answer, or None if this layer has none."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer and the layer that gave it. `said` is the answer without the runtime's notes."""

    text: str
    said: str
    layer: LayerName
    confidence: float


class FullLayer(Layer):
    """The agent with all of its tools."""

    name = "full"
    confidence = 0.9

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def healthy(self, turn: Turn) -> bool:
        """A model is there, and no tool's breaker is open."""
        return self._worker.chain.admits and not self._worker.toolbox.broken and not turn.withdrawn

    async def answer(self, turn: Turn) -> str | None:
        """The model's answer; None if a tool had to be withdrawn on the way."""
        return await self._worker.run(turn, stop_when_withdrawn=True)


class ReducedLayer(Layer):
    """The agent without its broken tools."""

    name = "reduced"
    confidence = 0.6

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def healthy(self, turn: Turn) -> bool:
        """A model is there, and the full layer did not run into its bounds."""
        return self._worker.chain.admits and turn.problem is None

    async def answer(self, turn: Turn) -> str | None:
        """The model's answer with what is left."""
        for name in self._worker.toolbox.broken:
            turn.withdrawn.setdefault(name, f"{name} is unavailable: it failed repeatedly")
        return await self._worker.run(turn, stop_when_withdrawn=False)


class CachedLayer(Layer):
    """An answer that was given to a very similar question before."""

    name = "cached"
    confidence = 0.7

    def __init__(self, cache: ResponseCache) -> None:
        self._cache = cache

    async def answer(self, turn: Turn) -> str | None:
        """The cached answer, marked as such."""
        hit = await self._cache.find(turn.tenant, turn.text, turn.deadline.remaining)
        if hit is None:
            return None
        return f"{hit.answer}\n\n(This is a saved answer: the live assistant is unavailable just now.)"


class StaticLayer(Layer):
    """A prepared answer for a kind of request that is known; nothing for any other."""

    name = "static"
    confidence = 0.4

    def __init__(self, intents: Sequence[Intent]) -> None:
        self._intents = tuple(intents)

    async def answer(self, turn: Turn) -> str | None:
        """The first matching intent's answer."""
        found = next((intent for intent in self._intents if intent.matches(turn.text)), None)
        return None if found is None else _plus_nothing_done(found.answer, turn)


class SafetyNet(Layer):
    """A fixed text. It cannot fail, so nobody asks whether it is healthy."""

    name = "safety_net"
    confidence = 0.1

    def __init__(self, text: str) -> None:
        self._text = text

    async def answer(self, turn: Turn) -> str | None:
        """The text."""
        return _plus_nothing_done(self._text, turn)


async def _healthy(layer: Layer, turn: Turn) -> bool:
    try:
        return await within(HEALTH_SECONDS, layer.healthy(turn))
    except Exception:  # noqa: BLE001  # a check that hangs or breaks is an answer: not healthy
        return False


def _plus_nothing_done(text: str, turn: Turn) -> str:
    """The text, with the assurance that nothing was done if that is certain for the whole conversation."""
    return text if not turn.effects.none_ever else f"{text} Nothing was changed on your account."


class Pipeline:
    """Layers in order. The last one must always have an answer."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = tuple(layers)

    async def answer(self, turn: Turn) -> Given | None:
        """The first answer of a healthy layer; None only if no layer had one. Only RunStoppedError and cancellation get out."""
        for layer in self._layers:
            said = await self._ask(layer, turn)
            if said is not None:
                return self._given(layer, said, turn)
        return None

    @staticmethod
    async def _ask(layer: Layer, turn: Turn) -> str | None:
        try:
            if not isinstance(layer, SafetyNet) and not await _healthy(layer, turn):
                return None
            with telemetry.layer(layer.name):
                return await layer.answer(turn)
        except (AllModelsFailedError, BoundExceededError) as problem:
            turn.problem = problem
        except RunStoppedError:
            raise
        except Exception as error:  # noqa: BLE001  # not swallowed: it is the reply's error, and the status is `failed`
            turn.problem = UnexpectedError(f"The layer {layer.name} broke ({type(error).__name__})")
            turn.problem.__cause__ = error
        return None

    @staticmethod
    def _given(layer: Layer, said: str, turn: Turn) -> Given:
        unknown = any(effect.state == "unknown" for effect in turn.effects.this_turn)
        if layer.name == "full" and not (turn.failed or unknown or turn.must_answer):
            return Given(said, said, "full", layer.confidence)
        if layer.name == "full":
            return Given(with_notes(said, turn), said, "reduced", ReducedLayer.confidence)
        return Given(with_notes(said, turn), said, layer.name, layer.confidence)
