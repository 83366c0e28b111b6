"""Faults of the boundary stream that the provider tells itself: an error in the middle of a stream whose status was 200."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from agentlab_faults.catalogue.apis import ANTHROPIC, CHAT_ONLY, GEMINI, RESPONSES_ONLY
from agentlab_faults.catalogue.events import Json, StrikesEvent, events_of, told, written
from agentlab_faults.catalogue.rates import PASSES, RETRIED, STREAM, often
from agentlab_faults.exchange import Part
from agentlab_faults.fault import Row, Served, register

__all__ = [
    "AnthropicError",
    "ErrorChunk",
    "FlatError",
    "NestedError",
    "OpenRouterError",
    "ResponseFailed",
    "ResponseIncomplete",
    "UnnamedAnthropicError",
]

BY_CODE = (
    "Classify by `code` and `type`: the status was 200, and the class says nothing. Discard the partial text; retry what is transient."
)
_FAILED = "The server had an error while processing your request. Sorry about that!"
_LIMITED = (
    "Rate limit reached for gpt-4o-mini in organization org-agentlab on tokens per min (TPM): Limit 200000, Used 199900, Requested 800. "
    "Please try again in 210ms."
)


@register(
    Row(
        id="stream_error_chunk",
        boundary="stream",
        family="stream error",
        category="transient",
        scope="model",
        best=PASSES,
        why="What the provider calls a server error, or a limit of a minute, passes.",
        happens="A model server fails after it has begun to stream, so that no status can tell any more.",
        agent_should=BY_CODE,
        streamed="only",
        at_event=True,
        apis=CHAT_ONLY | GEMINI,
        outcome_unknown=True,
        **often(STREAM, 0.06, harm=3),
    )
)
class ErrorChunk(StrikesEvent):
    """The stream ends in an error object instead of an event: a server error, a rate limit, or (`text`) an error that is a mere text."""

    error: Literal["server_error", "rate_limit", "text"] = "server_error"

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del after
        error = self._gemini() if served.api in GEMINI else self._chat()
        return (*before, written({"error": error}, like=event))

    def _chat(self) -> Json | str:
        bodies: dict[str, Json | str] = {
            "server_error": {"message": _FAILED, "type": "server_error", "param": None, "code": None},
            "rate_limit": {"message": _LIMITED, "type": "tokens", "param": None, "code": "rate_limit_exceeded"},
            "text": "boom",
        }
        return bodies[self.error]

    def _gemini(self) -> Json | str:
        bodies: dict[str, Json | str] = {
            "server_error": {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"},
            "rate_limit": {"code": 429, "message": "Resource has been exhausted (e.g. check quota).", "status": "RESOURCE_EXHAUSTED"},
            "text": "boom",
        }
        return bodies[self.error]


@register(
    Row(
        id="stream_error_openrouter",
        boundary="stream",
        family="stream error",
        category="transient",
        scope="model",
        best=PASSES,
        why="The gateway lost one upstream; the next stream has another one.",
        happens="OpenRouter's upstream disconnects after the first tokens.",
        agent_should=BY_CODE,
        streamed="only",
        at_event=True,
        apis=CHAT_ONLY,
        outcome_unknown=True,
        **often(STREAM, 0.03, harm=3),
    )
)
class OpenRouterError(StrikesEvent):
    """The stream ends in an ordinary chunk that has an `error` beside its choices, whose finish reason is `error`."""

    code: int = 502
    message: str = "Provider disconnected"

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del after
        head = {name: value for name, value in told(events_of(served.exchange.body)[0]).items() if name not in ("choices", "usage")}
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        error = {"code": self.code, "message": self.message}
        chunk = head | {"provider": "upstream", "error": error, "choices": [choice]}
        return (*before, written(chunk, like=event), written(b"[DONE]", like=event))


class _SaysAnthropicError(StrikesEvent):
    """Ends the stream in Anthropic's error object."""

    error: Literal["overloaded_error", "api_error", "rate_limit_error", "timeout_error"] = "overloaded_error"

    def event(self, name: str, like: bytes) -> bytes:
        """The error as an event."""
        words = {
            "overloaded_error": "Overloaded",
            "api_error": "Internal server error",
            "rate_limit_error": "This request would exceed your account's rate limit. Please try again later.",
            "timeout_error": "Request timed out",
        }
        error = {"details": None, "type": self.error, "message": words[self.error]}
        return written({"type": "error", "error": error, "request_id": "req_011CagentlabStream"}, like=like, name=name)


@register(
    Row(
        id="stream_error_anthropic",
        boundary="stream",
        family="stream error",
        category="transient",
        scope="model",
        best=PASSES,
        why="Overload passes within seconds to minutes.",
        happens="Anthropic is overloaded after the stream has begun; the SDK's error says status 200 then.",
        agent_should="Retry by the error's `type` (overloaded_error, api_error, rate_limit_error), never by class or status.",
        streamed="only",
        at_event=True,
        apis=ANTHROPIC,
        outcome_unknown=True,
        **often(STREAM, 0.03, harm=3),
    )
)
class AnthropicError(_SaysAnthropicError):
    """The stream ends in an event named `error`."""

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del served, after
        return (*before, self.event("error", event))


@register(
    Row(
        id="stream_error_anthropic_unnamed",
        boundary="stream",
        family="stream error",
        category="transient",
        scope="model",
        best=PASSES,
        why="The SDK drops the error, but the mark of a whole answer is missing.",
        happens="A gateway passes the data of Anthropic's events on without their names.",
        agent_should="Demand message_stop; a stream without it failed, whatever it said before.",
        streamed="only",
        at_event=True,
        apis=ANTHROPIC,
        outcome_unknown=True,
        **often(STREAM, 0.01, harm=3),
    )
)
class UnnamedAnthropicError(_SaysAnthropicError):
    """The stream ends in an error without its event's name, which SDKs drop."""

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del served, after
        return (*before, self.event("", event))


@register(
    Row(
        id="stream_error_responses_flat",
        boundary="stream",
        family="stream error",
        category="transient",
        scope="model",
        best=PASSES,
        why="What the provider calls a server error passes.",
        happens="The documented form of an error in a stream of Responses; the SDK hands it out as one more event.",
        agent_should="Treat an event of type `error` as a failure by its `code`: nothing is raised for it.",
        streamed="only",
        at_event=True,
        apis=RESPONSES_ONLY,
        outcome_unknown=True,
        **often(STREAM, 0.03, harm=3),
    )
)
class FlatError(StrikesEvent):
    """The stream ends in an event `error` whose code and message lie beside its type."""

    code: str = "server_error"

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del served, after
        number = len(events_of(before))
        words = "An error occurred while processing your request."
        error = {"type": "error", "code": self.code, "message": words, "param": None, "sequence_number": number}
        return (*before, written(error, like=event, name="error"))


@register(
    Row(
        id="stream_error_responses_nested",
        boundary="stream",
        family="stream error",
        category="rate_limit",
        scope="model",
        best=PASSES,
        why="A limit of a minute passes.",
        happens="Seen beside the documented form, and often followed by response.failed; this one the SDK raises.",
        agent_should=BY_CODE,
        streamed="only",
        at_event=True,
        apis=RESPONSES_ONLY,
        outcome_unknown=True,
        **often(STREAM, 0.02, harm=3),
    )
)
class NestedError(StrikesEvent):
    """The stream ends in an event `error` that holds an error object."""

    code: str = "rate_limit_exceeded"
    message: str = _LIMITED

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del served, after
        error = {"type": "invalid_request_error", "code": self.code, "message": self.message, "param": None}
        told_so = {"type": "error", "error": error, "sequence_number": len(events_of(before))}
        return (*before, written(told_so, like=event, name="error"))


def _ended(served: Served, before: Sequence[Part], event: bytes, status: str, changes: Json) -> bytes:
    """The event with which a stream of Responses ends that has not come to its end."""
    begun = served.payload | {"status": status, "error": None, "incomplete_details": None, "output": [], "usage": None} | changes
    name = f"response.{status}"
    return written({"type": name, "sequence_number": len(events_of(before)), "response": begun}, like=event, name=name)


@register(
    Row(
        id="stream_responses_failed",
        boundary="stream",
        family="stream error",
        category="transient",
        scope="model",
        best=PASSES,
        why="Another try does not meet the same failure.",
        happens="The model fails to go on; the SDK hands the event out, and its helper raises RuntimeError at the end.",
        agent_should="Check each stream for response.failed, and act by response.error.code.",
        streamed="only",
        at_event=True,
        apis=RESPONSES_ONLY,
        outcome_unknown=True,
        **often(STREAM, 0.03, harm=3),
    )
)
class ResponseFailed(StrikesEvent):
    """The stream ends in `response.failed` with an error code."""

    code: str = "server_error"
    message: str = "The model failed to generate a response."

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del after
        return (*before, _ended(served, before, event, "failed", {"error": {"code": self.code, "message": self.message}}))


@register(
    Row(
        id="stream_responses_incomplete",
        boundary="stream",
        family="cut answer",
        category="context",
        scope="model",
        best=RETRIED,
        why="Asking again, or with a higher limit, gives the whole answer; a model that always stops early must be replaced.",
        happens="The output limit is reached, or a filter stops the answer; in the SDK's helper a plain length stop looks like a crash.",
        agent_should="Check for response.incomplete and its reason: a cut text is no answer.",
        streamed="only",
        at_event=True,
        apis=RESPONSES_ONLY,
        outcome_unknown=True,
        **often(STREAM, 0.03, harm=3),
    )
)
class ResponseIncomplete(StrikesEvent):
    """The stream ends in `response.incomplete` with the text so far."""

    reason: Literal["max_output_tokens", "content_filter"] = "max_output_tokens"

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del after
        said = [held for held in map(told, events_of(before)) if held.get("type") == "response.output_text.delta"]
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": "".join(held["delta"] for held in said)}
        items = [
            {"id": held["item_id"], "type": "message", "status": "incomplete", "content": [part], "role": "assistant"} for held in said
        ]
        return (*before, _ended(served, before, event, "incomplete", {"incomplete_details": {"reason": self.reason}, "output": items[:1]}))
