"""Spans of calls: `chat` and `execute_tool`, each one logical call with its retries, its breaker and its duration.

Content is recorded only where it was asked for, secrets never.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from agentlab.telemetry import names
from agentlab.telemetry.content import captured, messages_json, shown
from agentlab.telemetry.metrics import instruments
from agentlab.telemetry.spans import Attributes, current, mark_failed, measured, span

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from agentlab.answers import Answer
    from agentlab.models import Model, Request

__all__ = ["ChatCall", "HasState", "ToolCall", "attempted", "chat", "tool"]

PORTS = {"https": 443, "http": 80}
TOOL_FAILED = "ToolFailedError"


class HasState(Protocol):
    """What is said of a breaker."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> str: ...


@dataclass(slots=True)
class _Attempts:
    """How often the call under way was tried, and behind which breaker."""

    number: int = 0
    breaker: HasState | None = None


_attempts: ContextVar[_Attempts | None] = ContextVar("agentlab_telemetry_attempts", default=None)


def attempted(breaker: HasState) -> None:
    """The call under way is tried (again), behind this breaker."""
    attempts = _attempts.get()
    if attempts is not None:
        attempts.number += 1
        attempts.breaker = breaker


@contextlib.contextmanager
def _counted(made: Span) -> Iterator[None]:
    """Attempts and breaker of the call, as they are when it ends."""
    attempts = _Attempts()
    token = _attempts.set(attempts)
    try:
        yield
    finally:
        _attempts.reset(token)
        breaker = attempts.breaker
        state = {names.BREAKER_NAME: breaker.name, names.BREAKER_STATE: breaker.state} if breaker else {}
        made.set_attributes({names.ATTEMPTS: attempts.number, **state})


class ChatCall:
    """One logical call to one model."""

    def __init__(self, made: Span, common: Mapping[str, str | int]) -> None:
        self._span = made
        self._common = common
        self._asked = 0.0

    def sent(self, request: Request) -> None:
        """A request goes out. What it asks is recorded only where content may be."""
        self._asked = time.monotonic()
        if captured():
            system, asked = messages_json(request.messages)
            self._span.set_attributes({names.SYSTEM_INSTRUCTIONS: system, names.INPUT_MESSAGES: asked})

    def began(self) -> None:
        """The first event of a streamed answer is here."""
        seconds = time.monotonic() - self._asked
        self._span.set_attribute(names.RESPONSE_TIME_TO_FIRST_CHUNK, seconds)
        instruments().first_chunk_seconds.record(seconds, self._common)

    def answered(self, answer: Answer) -> None:
        """The valid answer."""
        self._span.set_attributes(
            {
                names.RESPONSE_MODEL: answer.model[: names.LONGEST],
                names.RESPONSE_FINISH_REASONS: (answer.finish,),
                names.INPUT_TOKENS: answer.input_tokens,
                names.OUTPUT_TOKENS: answer.output_tokens,
                names.ESTIMATED: answer.estimated,
            }
        )
        if captured():
            self._span.set_attribute(names.OUTPUT_MESSAGES, shown([_as_message(answer)]))
        if not answer.estimated:  # the conventions: a count that is not known is not reported
            tokens = instruments().tokens
            tokens.record(answer.input_tokens, {**self._common, names.TOKEN_TYPE: "input"})
            tokens.record(answer.output_tokens, {**self._common, names.TOKEN_TYPE: "output"})


def _as_message(answer: Answer) -> dict[str, Any]:
    said = [{"type": "text", "content": answer.text}] if answer.text else []
    calls = [{"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments} for call in answer.calls]
    return {"role": "assistant", "parts": [*said, *calls], "finish_reason": answer.finish}


@contextlib.contextmanager
def chat(model: Model, provider: str) -> Iterator[ChatCall]:
    """The span `chat` and its metrics."""
    from opentelemetry.trace import SpanKind  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    common = {names.OPERATION: names.CHAT, names.PROVIDER: provider, names.REQUEST_MODEL: model.name, **_server(model.base_url)}
    with (
        measured(instruments().call_seconds, common),
        span(f"{names.CHAT} {model.name}", {**common, **_asked(model)}, SpanKind.CLIENT) as made,
        _counted(made),
    ):
        yield ChatCall(made, common)


def _asked(model: Model) -> Attributes:
    asked: Attributes = {names.REQUEST_MAX_TOKENS: model.max_tokens, names.LAYER: current().layer}
    if model.temperature is not None:
        asked[names.REQUEST_TEMPERATURE] = float(model.temperature)
    if model.stream:
        asked[names.REQUEST_STREAM] = True
    return asked


def _server(base_url: str) -> dict[str, str | int]:
    parts = urlsplit(base_url)
    if not parts.hostname:
        return {}
    return {names.SERVER_ADDRESS: parts.hostname, names.SERVER_PORT: parts.port or PORTS.get(parts.scheme, 443)}


class ToolCall:
    """One logical tool call."""

    def __init__(self, made: Span) -> None:
        self.failed = False
        self._span = made

    def observed(self, arguments: Mapping[str, Any], text: str, error: str) -> None:
        """What came of it: its text for the model, and a sentence if it failed. Both are recorded only where content may be."""
        self.failed = bool(error)
        if error:
            mark_failed(self._span, TOOL_FAILED)
        if captured():
            self._span.set_attributes({names.TOOL_ARGUMENTS: shown(dict(arguments)), names.TOOL_RESULT: shown(text)})


@contextlib.contextmanager
def tool(name: str, call_id: str) -> Iterator[ToolCall]:
    """The span `execute_tool` and its metrics."""
    common: dict[str, str | int] = {names.TOOL_NAME: name, names.TOOL_TYPE: "function", **current().of_agent}
    attributes: Attributes = {names.OPERATION: names.EXECUTE_TOOL, **common, names.LAYER: current().layer}
    if call_id:
        attributes[names.TOOL_CALL_ID] = call_id[: names.LONGEST]
    with (
        measured(instruments().tool_seconds, common) as more,
        span(f"{names.EXECUTE_TOOL} {name}", attributes) as made,
        _counted(made),
    ):
        call = ToolCall(made)
        yield call
        if call.failed:
            more[names.ERROR_TYPE] = TOOL_FAILED
