"""The checks of a request's input: the items' shapes, and that every function call has its output and every output its call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentlab_faults.dialects.chat.history import check_name
from agentlab_faults.dialects.chat.refused import Refused, invalid_type, member, missing, unsupported
from agentlab_faults.dialects.responses.recalling import Continued, items_of

__all__ = ["check_input"]

_ROLES = ("assistant", "system", "developer", "user")
_TEXTS: Mapping[str, str] = {"input_text": "text", "output_text": "text", "refusal": "refusal", "summary_text": "text"}
"""Kinds of content parts that hold text, and where."""
_PARTS = (*_TEXTS, "input_image", "input_file", "input_audio", "computer_screenshot")


def check_input(body: Mapping[str, Any]) -> None:
    """Raises Refused with the first complaint about the input."""
    given = body.get("input")
    if given is None and not isinstance(body, Continued):
        if body.get("prompt") is None:
            raise missing("input")
        return
    if not isinstance(given, str | list):
        raise invalid_type("input", "one of a text string or an array of input items", given)
    items = items_of(body)
    if not items:
        text = "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise Refused(text, param="input", code="empty_array")
    for index, item in enumerate(items):
        _check_item(item, f"input[{index}]")
    _check_pairs(items)


def _check_item(item: Any, at: str) -> None:
    if not isinstance(item, dict):
        raise invalid_type(at, "an object", item)
    kind = item.get("type", "message")
    if kind == "message":
        role = member(item, "role", f"{at}.role", str)
        if role not in _ROLES:
            raise unsupported(f"{at}.role", role, _ROLES)
        _check_content(item, at)
    elif kind == "function_call":
        check_name(member(item, "name", f"{at}.name", str), f"{at}.name")
        for name in ("call_id", "arguments"):
            member(item, name, f"{at}.{name}", str)
    elif kind == "function_call_output":
        member(item, "call_id", f"{at}.call_id", str)
        _check_output(item, at)
    elif kind == "item_reference":
        raise Refused(f"Item with id '{item.get('id')}' not found.", param="input", status=404)
    elif not isinstance(kind, str):
        raise invalid_type(f"{at}.type", "a string", kind)


def _check_content(item: Mapping[str, Any], at: str) -> None:
    if "content" not in item:
        raise missing(f"{at}.content")
    content = item["content"]
    if not isinstance(content, str | list):
        raise invalid_type(f"{at}.content", "one of an array of objects or string", content)
    for index, part in enumerate(content if isinstance(content, list) else ()):
        _check_part(part, f"{at}.content[{index}]")


def _check_part(part: Any, at: str) -> None:
    if not isinstance(part, dict):
        raise invalid_type(at, "an object", part)
    kind = member(part, "type", f"{at}.type", str)
    if kind not in _PARTS:
        raise unsupported(at, kind, _PARTS)
    if kind in _TEXTS:
        member(part, _TEXTS[kind], f"{at}.{_TEXTS[kind]}", str)


def _check_output(item: Mapping[str, Any], at: str) -> None:
    if "output" not in item:
        raise missing(f"{at}.output")
    if not isinstance(item["output"], str | list):
        raise invalid_type(f"{at}.output", "one of an array of objects or string", item["output"])


def _check_pairs(items: list[Any]) -> None:
    called = [item["call_id"] for item in items if item.get("type") == "function_call"]
    answered = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    for call_id in answered:
        if call_id not in called:
            raise Refused(f"No tool call found for function call output with call_id {call_id}.", param="input")
    for call_id in called:
        if call_id not in answered:
            raise Refused(f"No tool output found for function call {call_id}.", param="input")
