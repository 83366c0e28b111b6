"""The provider's checks of what a request offers and demands: tools, tool choice, response format, and the schemas in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agentlab_faults.dialects.chat.history import check_name
from agentlab_faults.dialects.chat.refused import Refused, empty_array, invalid_type, member, missing, optional, too_long, unsupported
from agentlab_faults.script.schemas import complaint

__all__ = ["check_response_format", "check_tool_choice", "check_tools"]

_MOST_TOOLS = 128
_KINDS = ("function", "custom")
_CHOICES = ("none", "auto", "required")
_MODES = ("auto", "required")
_accepted: list[Any] = []
"""The tools that were in order last time: an agent sends the same ones with every request."""
_FORMATS = ("json_object", "json_schema", "text")


def check_tools(body: Mapping[str, Any]) -> None:
    """Raises Refused with the first complaint about `tools` and `parallel_tool_calls`."""
    tools = body.get("tools")
    if tools is None:
        for name in ("tool_choice", "parallel_tool_calls"):
            if body.get(name) is not None:
                raise Refused(f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.", param=name)
        return
    if tools and tools == _accepted:
        return
    if not isinstance(tools, list):
        raise invalid_type("tools", "an array of objects", tools)
    if not tools:
        raise empty_array("tools")
    if len(tools) > _MOST_TOOLS:
        raise too_long("tools", "array", _MOST_TOOLS, len(tools))
    for index, tool in enumerate(tools):
        _check_tool(tool, f"tools[{index}]")
    _accepted[:] = tools


def _check_tool(tool: Any, at: str) -> None:
    if not isinstance(tool, dict):
        raise invalid_type(at, "an object", tool)
    kind = tool.get("type")
    if kind is None:
        raise missing(f"{at}.type")
    if kind not in _KINDS:
        raise unsupported(f"{at}.type", kind, _KINDS)
    function = member(tool, kind, f"{at}.{kind}", dict)
    check_name(member(function, "name", f"{at}.{kind}.name", str), f"{at}.{kind}.name")
    if kind == "function":
        _check_parameters(function, f"{at}.function")


def _check_parameters(function: Mapping[str, Any], at: str) -> None:
    optional(function, "description", f"{at}.description", str)
    optional(function, "strict", f"{at}.strict", bool)
    parameters = function.get("parameters")
    if parameters is None or parameters == {}:
        return
    if wrong := complaint(parameters, strict=function.get("strict") is True):
        text = f"Invalid schema for function '{function['name']}': {wrong}"
        raise Refused(text, param=f"{at}.parameters", code="invalid_function_parameters")


def check_tool_choice(body: Mapping[str, Any]) -> None:
    """Raises Refused with the first complaint about `tool_choice`."""
    choice = body.get("tool_choice")
    if choice is None:
        return
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise unsupported("tool_choice", choice, _CHOICES)
        return
    if not isinstance(choice, dict):
        raise invalid_type("tool_choice", "one of one of 'none', 'auto', or 'required' or object", choice)
    kind = member(choice, "type", "tool_choice.type", str)
    if kind not in (*_KINDS, "allowed_tools"):
        raise unsupported("tool_choice.type", kind, (*_KINDS, "allowed_tools"))
    named = _allowed(choice) if kind == "allowed_tools" else [_chosen(choice, kind, "tool_choice")]
    offered = {(tool["type"], tool[tool["type"]]["name"]) for tool in body["tools"]}
    for wanted, name in named:
        if (wanted, name) not in offered:
            raise Refused(
                f"Invalid value for 'tool_choice': no {wanted} named '{name}' was specified in the 'tools' parameter.", param="tool_choice"
            )


Named = tuple[str, str]
"""(kind, name) of a tool."""


def _allowed(choice: Mapping[str, Any]) -> list[Named]:
    at = "tool_choice.allowed_tools"
    allowed = member(choice, "allowed_tools", at, dict)
    mode = member(allowed, "mode", f"{at}.mode", str)
    if mode not in _MODES:
        raise unsupported(f"{at}.mode", mode, _MODES)
    named: list[Named] = []
    for index, tool in enumerate(member(allowed, "tools", f"{at}.tools", list)):
        place = f"{at}.tools[{index}]"
        if not isinstance(tool, dict):
            raise invalid_type(place, "an object", tool)
        kind = member(tool, "type", f"{place}.type", str)
        if kind not in _KINDS:
            raise unsupported(f"{place}.type", kind, _KINDS)
        named.append(_chosen(tool, kind, place))
    return named


def _chosen(choice: Mapping[str, Any], kind: str, at: str) -> Named:
    return kind, member(member(choice, kind, f"{at}.{kind}", dict), "name", f"{at}.{kind}.name", str)


def check_response_format(body: Mapping[str, Any]) -> None:
    """Raises Refused with the first complaint about `response_format`."""
    form = body.get("response_format")
    if form is None:
        return
    if not isinstance(form, dict):
        raise invalid_type("response_format", "an object", form)
    kind = form.get("type")
    if kind is None:
        raise missing("response_format.type")
    if kind not in _FORMATS:
        raise unsupported("response_format.type", kind, _FORMATS)
    if kind == "json_object" and "json" not in json.dumps(body["messages"], default=str).lower():
        text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        raise Refused(text, param="messages")
    if kind == "json_schema":
        _check_json_schema(form)


def _check_json_schema(form: Mapping[str, Any]) -> None:
    at = "response_format.json_schema"
    wrapped = member(form, "json_schema", at, dict)
    check_name(member(wrapped, "name", f"{at}.name", str), f"{at}.name")
    if "schema" not in wrapped:
        raise missing(f"{at}.schema")
    optional(wrapped, "strict", f"{at}.strict", bool)
    if wrong := complaint(wrapped["schema"], strict=wrapped.get("strict") is True):
        raise Refused(f"Invalid schema for response_format '{wrapped['name']}': {wrong}", param="response_format")
