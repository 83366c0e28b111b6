"""Spans of a run: `invoke_agent` > step > `chat` and `execute_tool` (those two in `calls`). Each carries the conversation's id."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agentlab.telemetry import names
from agentlab.telemetry.metrics import STATES, instruments

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram
    from opentelemetry.trace import Span, SpanKind, Tracer, TracerProvider

    from agentlab.result import Reply

__all__ = [
    "Attributes",
    "Run",
    "Surroundings",
    "breaker_changed",
    "current",
    "layer",
    "mark_failed",
    "measured",
    "run",
    "span",
    "spent",
    "step",
    "store_changed",
]

logger = logging.getLogger(__name__)

Attributes = dict[str, str | bool | int | float | tuple[str, ...]]
WELL = frozenset({"complete", "degraded", "paused"})
"""Statuses of a turn that are no error."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The turn under way, as the spans inside of it tell it."""

    agent: str = ""
    conversation: str = ""
    layer: str = ""

    @property
    def of_agent(self) -> dict[str, str]:
        """The agent's name as an attribute; nothing outside of a turn."""
        return {names.AGENT_NAME: self.agent} if self.agent else {}


_surroundings: ContextVar[Surroundings] = ContextVar("agentlab_telemetry", default=Surroundings())  # noqa: B039  # frozen


def current() -> Surroundings:
    """The turn under way."""
    return _surroundings.get()


_made: tuple[TracerProvider, Tracer] | None = None


def _tracer() -> Tracer:
    """The tracer of the current provider, made once: making one costs as much as a span."""
    global _made  # noqa: PLW0603  # one process has one provider
    from opentelemetry import trace  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    provider = trace.get_tracer_provider()
    if _made is None or _made[0] is not provider:
        _made = provider, provider.get_tracer("agentlab")
    return _made[1]


@contextlib.contextmanager
def span(name: str, attributes: Attributes, kind: SpanKind | None = None) -> Iterator[Span]:
    """A span of the conversation. An error that passes sets its status, type and category, never its message.

    Sampler and span processors are the user's: what they raise is logged, and the turn goes on.
    """
    from opentelemetry import trace  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    conversation = current().conversation
    everywhere: Attributes = {names.CONVERSATION_ID: conversation} if conversation else {}
    made = _begun(name, {**everywhere, **attributes}, kind or trace.SpanKind.INTERNAL)
    try:
        with trace.use_span(made, record_exception=False, set_status_on_exception=False):
            yield made
    except BaseException as error:
        mark_failed(made, type(error).__name__)
        category = getattr(error, "category", None)
        if isinstance(category, str):
            made.set_attribute(names.ERROR_CATEGORY, category)
        raise
    finally:
        try:
            made.end()
        except Exception as error:  # noqa: BLE001  # whatever a user's processor raises; it is told
            _broken("end", name, error)


def _begun(name: str, attributes: Attributes, kind: SpanKind) -> Span:
    """A new span; if it cannot begin, one that records nothing and leaves its children to the current one."""
    from opentelemetry import trace  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    try:
        return _tracer().start_span(name, kind=kind, attributes=attributes)
    except Exception as error:  # noqa: BLE001  # whatever a user's sampler or processor raises; it is told
        _broken("beginning", name, error)
        return trace.NonRecordingSpan(trace.get_current_span().get_span_context())


def _broken(when: str, name: str, error: Exception) -> None:
    logger.warning("A span processor broke at the %s of the span %r (%s); the turn goes on.", when, name, type(error).__name__)


def mark_failed(failed: Span, error_type: str) -> None:
    """The operation ended in an error of this type."""
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    failed.set_attribute(names.ERROR_TYPE, error_type)
    failed.set_status(Status(StatusCode.ERROR))


@contextlib.contextmanager
def measured(histogram: Histogram, common: Mapping[str, str | int]) -> Iterator[dict[str, str]]:
    """The duration of what is inside, in seconds. What is put into the dictionary joins its attributes; an error joins by itself."""
    more: dict[str, str] = {}
    began = time.monotonic()
    try:
        yield more
    except BaseException as error:
        more[names.ERROR_TYPE] = type(error).__name__
        raise
    finally:
        histogram.record(time.monotonic() - began, {**common, **more})


class Run:
    """One turn of an agent."""

    def __init__(self, made: Span) -> None:
        self.status = "failed"
        self.answered_by = ""
        self._span = made

    def ended(self, reply: Reply) -> None:
        """The turn came to a reply."""
        self.status, self.answered_by = reply.status, reply.answered_by
        self._span.set_attributes(
            {
                names.STATUS: reply.status,
                names.ANSWERED_BY: reply.answered_by,
                names.CONFIDENCE: reply.confidence,
                names.STEPS: len(reply.steps),
                names.INPUT_TOKENS: reply.usage.input_tokens,
                names.OUTPUT_TOKENS: reply.usage.output_tokens,
                names.ESTIMATED: reply.usage.estimated,
            }
        )
        if reply.missing:
            self._span.set_attribute(names.MISSING, reply.missing)
        if reply.without:
            self._span.set_attribute(names.WITHOUT, reply.without)
        if reply.status not in WELL:
            mark_failed(self._span, reply.status)


@contextlib.contextmanager
def run(agent: str, conversation: str) -> Iterator[Run]:
    """The span `invoke_agent` and its metrics. A turn whose caller cancelled it counts as `cancelled`, one that raised as `failed`."""
    token = _surroundings.set(Surroundings(agent, conversation))
    made, who = instruments(), {names.AGENT_NAME: agent}
    try:
        with (
            measured(made.agent_seconds, who) as more,
            span(f"{names.INVOKE_AGENT} {agent}", {names.OPERATION: names.INVOKE_AGENT, names.AGENT_NAME: agent}) as invoked,
        ):
            turn = Run(invoked)
            try:
                yield turn
            except BaseException as error:
                turn.status = "failed" if isinstance(error, Exception) else "cancelled"
                raise
            finally:
                made.runs.add(1, {**who, names.STATUS: turn.status, names.ANSWERED_BY: turn.answered_by})
            if turn.status not in WELL:
                more[names.ERROR_TYPE] = turn.status
    finally:
        _surroundings.reset(token)


@contextlib.contextmanager
def layer(name: str) -> Iterator[None]:
    """The layer whose work is under way: an event on the turn's span, and an attribute of the spans inside."""
    _event(names.LAYER_EVENT, {names.LAYER: name})
    token = _surroundings.set(replace(current(), layer=name))
    try:
        yield
    finally:
        _surroundings.reset(token)


@contextlib.contextmanager
def step(number: int) -> Iterator[None]:
    """One step of a turn, from 1: what the model was asked, and the tools that it called."""
    with span(f"step {number}", {names.STEP: number, names.LAYER: current().layer}):
        yield


def spent(model: str, money: float) -> None:
    """A model call cost so many US dollars."""
    if money > 0:
        instruments().cost.add(money, {names.REQUEST_MODEL: model, **current().of_agent})


def breaker_changed(name: str, state: str) -> None:
    """The breaker of a dependency is now `closed`, `open` or `half_open`: an event on the current span, and a metric."""
    _event(names.BREAKER_EVENT, {names.BREAKER_NAME: name, names.BREAKER_STATE: state})
    instruments().breakers.set(STATES[state], {names.BREAKER_NAME: name})


def store_changed(name: str, *, available: bool) -> None:
    """A shared store is in use (again), or away and replaced by this process's memory: an event on the current span, and a metric."""
    _event(names.STORE_EVENT, {names.STORE: name, names.STORE_AVAILABLE: available})
    instruments().stores.set(int(available), {names.STORE: name})


def _event(name: str, attributes: Attributes) -> None:
    from opentelemetry import trace  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    trace.get_current_span().add_event(name, attributes)
