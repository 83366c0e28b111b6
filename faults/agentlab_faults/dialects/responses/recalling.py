"""What OpenAI keeps of a conversation: earlier responses and conversations, by id, as the items that a request continues."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

__all__ = ["Continued", "conversation_of", "items_of", "recalled", "remember", "stored"]

Json = dict[str, Any]
Memory = MutableMapping[str, Any]


_WHOLE = "whole "
"""Before the id under which a response is kept as it was given."""


class Continued(Json):
    """A request's body whose `input` begins with the items that its `previous_response_id` or `conversation` stands for."""


def recalled(body: Json, memory: Mapping[str, Any]) -> Json:
    """The body with the remembered items in front of its input, and references to items resolved; the same one if there are none.

    A conversation that nothing was said in yet is empty; an earlier response that was never given, or not stored, stays a mere id.
    """
    earlier = _earlier(body, memory)
    if earlier is None:
        return body
    return Continued(body | {"input": [*earlier, *(_resolved(item, memory) for item in items_of(body))]})


def _earlier(body: Json, memory: Mapping[str, Any]) -> list[Any] | None:
    previous, talk = body.get("previous_response_id"), conversation_of(body)
    if isinstance(previous, str) and not talk:
        kept: list[Any] | None = memory.get(previous)
        return kept
    if talk:
        return list(memory.get(talk, ()))
    refers = isinstance(body.get("input"), list) and any(map(_is_reference, body["input"]))
    return [] if refers else None


def conversation_of(body: Mapping[str, Any]) -> str:
    """The id of the conversation that a request belongs to; empty if it names none."""
    talk = body.get("conversation")
    name = talk.get("id") if isinstance(talk, dict) else talk
    return name if isinstance(name, str) else ""


def items_of(body: Mapping[str, Any]) -> list[Any]:
    """A request's input as items."""
    given = body.get("input")
    if isinstance(given, list):
        return given
    return [] if given is None else [{"role": "user", "content": given}]


def _is_reference(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "item_reference"


def _resolved(item: Any, memory: Mapping[str, Any]) -> Any:
    return memory.get(str(item.get("id")), item) if _is_reference(item) else item


def remember(content: bytes, body: Mapping[str, Any], memory: Memory) -> None:
    """Keep what an answer said, as the agent got it, unless the request forbids it (`store`: false)."""
    told = _told(content)
    if told is None or body.get("store") is False:
        return
    said = told.get("output")
    output = [item for item in said if isinstance(item, dict)] if isinstance(said, list) else []
    kept = [*items_of(body), *output]
    memory[str(told.get("id"))] = kept
    memory[_WHOLE + str(told.get("id"))] = told
    memory.update((item["id"], item) for item in output if isinstance(item.get("id"), str))
    if talk := conversation_of(body):
        memory[talk] = kept


def stored(response: str, memory: Mapping[str, Any]) -> Json | None:
    """An earlier response as it was given; None if there is none, or if it was not to be stored."""
    found: Json | None = memory.get(_WHOLE + response)
    return found


def _told(content: bytes) -> Json | None:
    """The response in an answer's bytes: the body, or what the last event of a stream holds."""
    for text in (content, *_ends(content)):
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(told, dict):
            response = told.get("response", told)
            return response if isinstance(response, dict) else None
    return None


def _ends(content: bytes) -> Iterator[bytes]:
    for line in reversed(content.splitlines()):
        if line.startswith(b"data: "):
            yield line.removeprefix(b"data: ")
            return
