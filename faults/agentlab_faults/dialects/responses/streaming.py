"""A response as the events of its stream: each with its name, its number, and in the order in which the provider sends them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentlab_faults.dialects.sse import event, pieces

__all__ = ["events", "opened"]

Json = dict[str, Any]
Named = tuple[str, Json]
"""(name of the event, its members without type and number)."""


def events(payload: Json) -> list[bytes]:
    """A rendered response as events, from `response.created` to `response.completed`, `.incomplete` or `.failed`."""
    return [event(name, {"type": name, "sequence_number": number, **told}) for number, (name, told) in enumerate(_events(payload))]


def opened(payload: Json) -> Json:
    """The response as it stands when the stream begins."""
    return payload | {"status": "in_progress", "error": None, "incomplete_details": None, "output": [], "usage": None}


def _events(payload: Json) -> Iterator[Named]:
    begun = opened(payload)
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(payload["output"] if isinstance(payload.get("output"), list) else ()):
        yield from _item(item, index)
    status = payload.get("status")
    yield f"response.{status if status in ('incomplete', 'failed') else 'completed'}", {"response": payload}


def _item(item: Json, index: int) -> Iterator[Named]:
    place = {"item_id": item.get("id"), "output_index": index}
    empty: Json = {"content": []} if item.get("type") == "message" else {"arguments": ""}
    yield "response.output_item.added", {"output_index": index, "item": item | {"status": "in_progress"} | empty}
    if item.get("type") == "message":
        for number, part in enumerate(item.get("content") or ()):
            yield from _part(part, place | {"content_index": number})
    else:
        yield from _arguments(item, place)
    yield "response.output_item.done", {"output_index": index, "item": item}


def _part(part: Json, place: Json) -> Iterator[Named]:
    key = "refusal" if part["type"] == "refusal" else "text"
    name = "refusal" if key == "refusal" else "output_text"
    more: Json = {} if key == "refusal" else {"logprobs": []}
    yield "response.content_part.added", place | {"part": part | {key: ""}}
    for piece in pieces(part[key]) if isinstance(part[key], str) else [part[key]]:
        yield f"response.{name}.delta", place | {"delta": piece} | more
    yield f"response.{name}.done", place | {key: part[key]} | more
    yield "response.content_part.done", place | {"part": part}


def _arguments(item: Json, place: Json) -> Iterator[Named]:
    arguments = item.get("arguments")
    for piece in pieces(arguments, 2) if isinstance(arguments, str) else [arguments]:
        yield "response.function_call_arguments.delta", place | {"delta": piece}
    yield "response.function_call_arguments.done", place | {"name": item.get("name"), "arguments": arguments}
