"""A chat completion as OpenAI writes it, in one piece and as a stream of chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentlab_faults.dialects.answer import Answer, Usage
from agentlab_faults.dialects.sse import data, pieces
from agentlab_faults.script.spec import Called

__all__ = ["asks_usage", "dated", "events", "render"]

Json = dict[str, Any]

_SNAPSHOTS = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
}
"""Undated names to the snapshot that answers under them (OpenAI's model pages)."""
_FINGERPRINT = "fp_0a1b2c3d4e"
_TIERS = {"flex": "flex", "priority": "priority", "fast": "priority"}
"""The tier asked for to the one that is answered; all others are answered `default`."""
_NONE_CACHED = {"cached_tokens": 0, "audio_tokens": 0}
_NONE_REASONED = {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
_FINISHES = {"refusal": "stop", "context_window": "length", "malformed_call": "stop", "pause": "stop"}
"""What stands in for reasons that this API has no word for."""


def dated(model: str) -> str:
    """The model name that an answer carries: the snapshot behind a name that is known, else the name itself."""
    return _SNAPSHOTS.get(model, model)


def render(answer: Answer, body: Mapping[str, Any]) -> Json:
    """The body of a `chat.completion`."""
    finish = _FINISHES.get(answer.finish or "", answer.finish)
    return {
        "id": f"chatcmpl-{answer.serial:08x}",
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [{"index": 0, "message": _message(answer), "logprobs": None, "finish_reason": finish}],
        "usage": _usage(answer.usage) if answer.usage is not None else None,
        "service_tier": _TIERS.get(str(body.get("service_tier")), "default"),
        "system_fingerprint": _FINGERPRINT,
    }


def _usage(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "prompt_tokens_details": dict(_NONE_CACHED),
        "completion_tokens_details": dict(_NONE_REASONED),
    }


def _message(answer: Answer) -> Json:
    message: Json = {"role": "assistant", "content": answer.content, "refusal": answer.refusal, "annotations": []}
    if answer.calls:
        message["tool_calls"] = [_call(call) for call in answer.calls]
    return message


def _call(call: Called) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def asks_usage(body: Mapping[str, Any]) -> bool:
    """Whether a streaming request wants to be told its tokens."""
    options = body.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def events(payload: Json, body: Mapping[str, Any]) -> list[bytes]:
    """A `chat.completion` as its chunks, the mark of its end included; usage comes only to those who ask for it."""
    tells_usage = asks_usage(body)
    head = {
        "id": payload["id"],
        "object": "chat.completion.chunk",
        **{name: payload[name] for name in ("created", "model", "service_tier", "system_fingerprint")},
    }
    choices = [choice for choices in _choices(payload) for choice in choices]
    chunks = [{**head, "choices": [choice], **({"usage": None} if tells_usage else {})} for choice in choices]
    if tells_usage:
        chunks.append({**head, "choices": [], "usage": payload["usage"]})
    return [*(data(chunk) for chunk in chunks), b"data: [DONE]\n\n"]


def _choices(payload: Json) -> Iterator[Iterator[Json]]:
    for choice in payload.get("choices") or ():
        yield _pieces_of(choice)


def _pieces_of(choice: Json) -> Iterator[Json]:
    message = choice["message"]
    index = choice["index"]
    if message is None:
        yield _delta(index, None, choice["finish_reason"])
        return
    calls = message.get("tool_calls") or []
    text = message.get("content")
    first: Json = {"role": "assistant", "content": "" if isinstance(text, str) else text, "refusal": None}
    yield _delta(index, first)
    for piece in pieces(text) if isinstance(text, str) and text else ():
        yield _delta(index, {"content": piece})
    for piece in pieces(message["refusal"]) if message.get("refusal") else ():
        yield _delta(index, {"refusal": piece})
    for number, call in enumerate(calls):
        yield from (_delta(index, {"tool_calls": [part]}) for part in _parts_of(call, number))
    yield _delta(index, {}, choice["finish_reason"])


def _parts_of(call: Json, number: int) -> Iterator[Json]:
    begun: Json = {name: call[name] for name in ("id", "type") if name in call}
    function = call.get("function")
    if function is None:
        yield {"index": number, **begun}
        return
    yield {"index": number, **begun, "function": {"name": function["name"], "arguments": ""}}
    arguments = function["arguments"]
    for piece in pieces(arguments, 2) if isinstance(arguments, str) else [arguments]:
        yield {"index": number, "function": {"arguments": piece}}


def _delta(index: int, delta: Json | None, finish: str | None = None) -> Json:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
