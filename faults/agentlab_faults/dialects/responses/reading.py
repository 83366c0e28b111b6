"""What a Responses request asks of the model, its items in the form of chat messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentlab_faults.dialects.responses.recalling import items_of
from agentlab_faults.script.asked import Asked, text_of
from agentlab_faults.script.spec import ScriptMissing

__all__ = ["messages_of", "read"]

Json = dict[str, Any]


def read(body: Mapping[str, Any]) -> Asked:
    """Read the body of a Responses request that the provider would accept.

    Raises ScriptMissing if it forces a call of a tool that is no function: scripts call functions.
    """
    offered = {tool["name"]: tool.get("parameters") or {} for tool in body.get("tools") or () if tool["type"] == "function"}
    allowed, forced, required = _choice(body.get("tool_choice"), offered)
    form = (body.get("text") or {}).get("format") or {}
    return Asked(
        messages=messages_of(body),
        callable={name: offered[name] for name in offered if name in allowed},
        forced=forced,
        required=required,
        parallel=body.get("parallel_tool_calls") is not False,
        schema=form.get("schema") if form.get("type") == "json_schema" else None,
        json_object=form.get("type") == "json_object",
    )


def _choice(choice: Any, offered: Mapping[str, Any]) -> tuple[frozenset[str], str | None, bool]:
    """Which tools may be called, the one that must, and whether any must."""
    everything = frozenset(offered)
    if choice == "none":
        return frozenset(), None, False
    if not isinstance(choice, dict):
        return everything, None, choice == "required"
    if choice["type"] == "allowed_tools":
        return everything & {str(tool.get("name")) for tool in choice["tools"]}, None, choice["mode"] == "required"
    if choice["type"] != "function":
        raise ScriptMissing(f"The request forces a call of the hosted tool {choice['type']!r}; a script calls functions only.")
    return frozenset({choice["name"]}), choice["name"], True


def messages_of(body: Mapping[str, Any]) -> list[Json]:
    """Instructions and input as the messages of a chat: calls stand with the words before them, as chat has them in one message."""
    messages: list[Json] = []
    if isinstance(body.get("instructions"), str):
        messages.append({"role": "system", "content": body["instructions"]})
    for message in _messages(items_of(body)):
        last = messages[-1] if messages else {}
        if message["role"] == "assistant" and last.get("role") == "assistant" and "tool_calls" in message:
            last.setdefault("tool_calls", []).extend(message["tool_calls"])
        else:
            messages.append(message)
    return messages


def _messages(items: Iterable[Any]) -> Iterator[Json]:
    for item in items:
        match item:
            case {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}:
                call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
                yield {"role": "assistant", "content": None, "tool_calls": [call]}
            case {"type": "function_call_output", "call_id": call_id, "output": output}:
                yield {"role": "tool", "tool_call_id": call_id, "content": text_of({"content": output})}
            case {"role": role, "content": content}:
                yield {"role": role, "content": text_of({"content": content})}
            case _:  # reasoning, hosted tools' calls: nothing that a script has said or waits for
                pass
