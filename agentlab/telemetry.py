"""Spans and events by the OpenTelemetry API, with the GenAI conventions' names pinned here. Content and secrets are never recorded.

The conventions moved out of the OpenTelemetry package and are still in development, so the strings are ours to keep
(open-telemetry/semantic-conventions-genai). Without a configured SDK all of it is a no-op of a few microseconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["breaker_changed", "span"]

AGENT_NAME: Final = "gen_ai.agent.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
ERROR_TYPE: Final = "error.type"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OPERATION: Final = "gen_ai.operation.name"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_MODEL: Final = "gen_ai.response.model"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"

CHAT: Final = "chat"
EXECUTE_TOOL: Final = "execute_tool"
INVOKE_AGENT: Final = "invoke_agent"

ANSWERED_BY: Final = "agentlab.answered_by"
BREAKER_EVENT: Final = "agentlab.breaker"
BREAKER_NAME: Final = "agentlab.breaker.name"
BREAKER_STATE: Final = "agentlab.breaker.state"
STATUS: Final = "agentlab.status"

LONGEST: Final = 200
"""Characters of an attribute whose value comes from outside."""

Attributes = Mapping[str, str | int | float | tuple[str, ...]]


@contextlib.contextmanager
def span(operation: str, subject: str, attributes: Attributes) -> Iterator[Span]:
    """A span named by the conventions (`chat gpt-4o-mini`). An error sets its status and `error.type`, never its message."""
    from opentelemetry import trace  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap
    from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    kind = SpanKind.CLIENT if operation == CHAT else SpanKind.INTERNAL
    tracer = trace.get_tracer("agentlab")
    with tracer.start_as_current_span(
        f"{operation} {subject}",
        kind=kind,
        attributes={OPERATION: operation, **attributes},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_attribute(ERROR_TYPE, type(error).__name__)
            current.set_status(Status(StatusCode.ERROR))
            raise


def breaker_changed(name: str, state: str) -> None:
    """An event on the current span: the breaker of a dependency is now `closed`, `open` or `half_open`."""
    from opentelemetry import trace  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    trace.get_current_span().add_event(BREAKER_EVENT, {BREAKER_NAME: name, BREAKER_STATE: state})
