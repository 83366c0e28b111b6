"""The provider's checks of a request's messages: roles and contents, and that every tool call has its result right behind it.

A call in the history may name a tool that is not offered (the provider does not mind either), but no name that a tool cannot have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentlab_faults.dialects.chat.refused import Refused, empty_array, invalid_type, member, missing, too_long, unsupported

__all__ = ["NAME", "check_messages", "check_name"]

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_INSTEAD_OF_CONTENT = ("tool_calls", "function_call", "refusal", "audio")
"""What stands in for an assistant's content."""
_PARTS: Mapping[str, type] = {"text": str, "image_url": dict, "input_audio": dict, "refusal": str, "audio": dict, "file": dict}
"""Kinds of content parts, and the JSON type of what each holds under its own name."""
_INPUTS = {"function": "arguments", "custom": "input"}
"""Kinds of tool calls, and where the model's input to them stands."""
NAME = re.compile(r"[a-zA-Z0-9_-]+")
"""Names of functions."""


def check_name(name: Any, param: str) -> None:
    """Raises Refused if it is no name of a function."""
    if not isinstance(name, str):
        raise invalid_type(param, "a string", name)
    if not name:
        message = f"Invalid '{param}': empty string. Expected a string with minimum length 1, but got an empty string instead."
        raise Refused(message, param=param, code="empty_string")
    if not NAME.fullmatch(name):
        message = f"Invalid '{param}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        raise Refused(message, param=param, code="invalid_value")
    if len(name) > 64:
        raise too_long(param, "string", 64, len(name))


def check_messages(messages: Any) -> None:
    """Raises Refused with the first complaint about the messages: their shape, then missing contents, then the order of tool results."""
    if not isinstance(messages, list):
        raise invalid_type("messages", "an array of objects", messages)
    if not messages:
        raise empty_array("messages")
    for index, message in enumerate(messages):
        _check_shape(message, f"messages[{index}]")
    for index, message in enumerate(messages):
        if message.get("content") is None and not _stands_in(message):
            raise Refused("Invalid value for 'content': expected a string, got null.", param=f"messages.[{index}].content")
    _check_order(messages)


def _check_shape(message: Any, at: str) -> None:
    if not isinstance(message, dict):
        raise invalid_type(at, "an object", message)
    role = message.get("role")
    if role is None:
        raise missing(f"{at}.role")
    if role not in _ROLES:
        raise unsupported(f"{at}.role", role, _ROLES)
    content = message.get("content")
    if content is not None and not isinstance(content, str | list):
        raise invalid_type(f"{at}.content", "one of a string or array of objects", content)
    for index, part in enumerate(content if isinstance(content, list) else ()):
        _check_part(part, f"{at}.content[{index}]")
    call_id = message.get("tool_call_id")
    if call_id is not None and not isinstance(call_id, str):
        raise invalid_type(f"{at}.tool_call_id", "a string", call_id)
    if message.get("tool_calls") is not None:
        _check_calls(message["tool_calls"], f"{at}.tool_calls")


def _check_part(part: Any, at: str) -> None:
    if not isinstance(part, dict):
        raise invalid_type(at, "an object", part)
    kind = member(part, "type", f"{at}.type", str)
    if kind not in _PARTS:
        raise unsupported(f"{at}.type", kind, tuple(_PARTS))
    if _PARTS[kind] is str:
        member(part, kind, f"{at}.{kind}", str)
    else:
        member(part, kind, f"{at}.{kind}", dict)


def _check_calls(calls: Any, at: str) -> None:
    if not isinstance(calls, list):
        raise invalid_type(at, "an array of objects", calls)
    if not calls:
        raise empty_array(at)
    for index, call in enumerate(calls):
        place = f"{at}[{index}]"
        if not isinstance(call, dict):
            raise invalid_type(place, "an object", call)
        member(call, "id", f"{place}.id", str)
        kind = member(call, "type", f"{place}.type", str)
        if kind not in _INPUTS:
            raise unsupported(f"{place}.type", kind, tuple(_INPUTS))
        _check_call(call, kind, place)


def _check_call(call: Mapping[str, Any], kind: str, place: str) -> None:
    at = f"{place}.{kind}"
    called = member(call, kind, at, dict)
    check_name(member(called, "name", f"{at}.name", str), f"{at}.name")
    member(called, _INPUTS[kind], f"{at}.{_INPUTS[kind]}", str)


def _stands_in(message: Mapping[str, Any]) -> bool:
    return message["role"] == "assistant" and any(message.get(name) is not None for name in _INSTEAD_OF_CONTENT)


def _check_order(messages: Sequence[Mapping[str, Any]]) -> None:
    """Each assistant message with tool calls is followed by one tool message for each of its ids, and by nothing else in between."""
    asked: set[str] = set()
    waiting: dict[str, None] = {}
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            _check_result(message, f"messages.[{index}]", asked)
            waiting.pop(message["tool_call_id"], None)
            continue
        if waiting:
            raise _orphans(waiting, index)
        ids = [call["id"] for call in message.get("tool_calls") or ()] if message["role"] == "assistant" else []
        asked, waiting = set(ids), dict.fromkeys(ids)
    if waiting:
        raise _orphans(waiting, len(messages))


def _check_result(message: Mapping[str, Any], at: str, asked: set[str]) -> None:
    if not asked:
        text = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
        raise Refused(text, param=f"{at}.role")
    call_id = message.get("tool_call_id")
    if call_id is None:
        raise Refused("Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.", param=f"{at}.tool_call_id")
    if call_id not in asked:
        text = f"Invalid parameter: 'tool_call_id' of '{call_id}' not found in 'tool_calls' of previous message."
        raise Refused(text, param=f"{at}.tool_call_id")


def _orphans(waiting: Mapping[str, None], index: int) -> Refused:
    text = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(waiting)}"
    )
    return Refused(text, param=f"messages.[{index}].role")
