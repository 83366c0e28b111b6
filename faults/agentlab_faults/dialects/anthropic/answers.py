"""A message as Anthropic writes it, in one piece and as a stream of events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from agentlab_faults.dialects.answer import Answer, Usage
from agentlab_faults.dialects.errors import ANTHROPIC
from agentlab_faults.dialects.sse import event, pieces
from agentlab_faults.script.spec import Called

__all__ = ["dated", "events", "headers", "limits", "render"]

Json = dict[str, Any]
Headers = tuple[tuple[str, str], ...]

_SNAPSHOTS = {
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
}
"""Undated names to the snapshot that answers under them (the model names of the anthropic SDK)."""
_STOPS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
    "context_window": "model_context_window_exceeded",
    "pause": "pause_turn",
    "malformed_call": "end_turn",
}
"""Why the model stopped, in Anthropic's words; a reason that is not here stands as it is."""
_LIMITS = (("requests", 4000), ("tokens", 500_000), ("input-tokens", 400_000), ("output-tokens", 80_000))
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dated(model: str) -> str:
    """The model name that an answer carries: the snapshot behind a name that is known, else the name itself."""
    return _SNAPSHOTS.get(model, model)


def headers(serial: int, *, streams: bool = False) -> Headers:
    """The provider's headers for its answer number `serial`."""
    kind = "text/event-stream; charset=utf-8" if streams else "application/json"
    return (("content-type", kind), *ANTHROPIC.headers(f"{serial:032x}"))


def limits(created: int) -> Headers:
    """What an answer says of the rate limits of its model: nearly all is left, and a second after `created` (Unix seconds) all is again."""
    again = datetime.fromtimestamp(created + 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return tuple(
        (f"anthropic-ratelimit-{name}-{what}", value)
        for name, limit in _LIMITS
        for what, value in (("limit", str(limit)), ("remaining", str(limit - 1 if name == "requests" else limit - 1000)), ("reset", again))
    )


def render(answer: Answer) -> Json:
    """The body of a `message`."""
    message: Json = {
        "id": f"msg_01{answer.serial:022x}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": _content(answer),
        "stop_reason": _STOPS.get(answer.finish or "", answer.finish),
        "stop_sequence": None,
        "usage": _usage(answer.usage) if answer.usage is not None else None,
    }
    if message["stop_reason"] == "refusal":
        message["stop_details"] = {"type": "refusal", "category": None, "explanation": answer.refusal}
    return message


def _content(answer: Answer) -> list[Json]:
    text: list[Json] = [{"type": "text", "text": answer.content}] if answer.content else []
    return [*text, *({"type": "tool_use", "id": call.id, "name": call.name, "input": _input(call)} for call in answer.calls)]


class _Written(dict[str, Any]):
    """A call's arguments as the object that an answer in one piece shows, and the text that a stream shows."""

    text: str


def _input(call: Called) -> Any:
    """The arguments as an object; what no parser can read is an empty one, and only a stream shows its text."""
    try:
        parsed = json.loads(call.arguments)
    except ValueError:
        parsed = {}
    if not isinstance(parsed, dict):
        return parsed
    written = _Written(parsed)
    written.text = call.arguments
    return written


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": usage.completion,
        "service_tier": "standard",
    }


def events(payload: Json) -> list[bytes]:
    """A `message` as the events of its stream."""
    return [event(data["type"], data) for data in _events(payload)]


def _events(payload: Json) -> Iterator[Json]:
    usage = payload.get("usage")
    begun = payload | {"content": [], "stop_reason": None, "usage": usage and usage | {"output_tokens": 1}}
    begun.pop("stop_details", None)
    yield {"type": "message_start", "message": begun}
    content = payload.get("content") or ()
    for index, block in enumerate(content):
        yield from _block(index, block, pings=len(content) == 1)
    delta = {name: payload[name] for name in ("stop_reason", "stop_sequence", "stop_details") if name in payload}
    yield {"type": "message_delta", "delta": delta, "usage": usage and {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


def _block(index: int, block: Json, *, pings: bool) -> Iterator[Json]:
    calls = block.get("type") == "tool_use"
    emptied: Json = {"input": {}} if calls else {"text": ""}
    begun = block | {name: value for name, value in emptied.items() if name in block}
    yield {"type": "content_block_start", "index": index, "content_block": begun}
    if pings:
        yield {"type": "ping"}
    for delta in _deltas(block):
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _deltas(block: Json) -> Iterator[Json]:
    if "text" in block:
        return _said(block["text"])
    return _written(block["input"]) if "input" in block else iter(())


def _said(text: str) -> Iterator[Json]:
    return ({"type": "text_delta", "text": piece} for piece in pieces(text))


def _written(arguments: Any) -> Iterator[Json]:
    text = arguments.text if isinstance(arguments, _Written) else _COMPACT(arguments)
    yield {"type": "input_json_delta", "partial_json": ""}
    for piece in pieces(text, 2) if text else ():
        yield {"type": "input_json_delta", "partial_json": piece}
