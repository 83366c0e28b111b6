"""The checks of the tools that a request offers, in the flat form of this API, and of its choice among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentlab_faults.dialects.chat.history import check_name
from agentlab_faults.dialects.chat.refused import Refused, invalid_type, member, optional, too_long, unsupported
from agentlab_faults.script.schemas import complaint

__all__ = ["check_tool_choice", "check_tools"]

_MOST_TOOLS = 128
_TOOLS = (
    *("function", "file_search", "computer", "computer_use_preview", "web_search", "web_search_2025_08_26", "mcp", "code_interpreter"),
    *("programmatic_tool_calling", "image_generation", "local_shell", "shell", "custom", "namespace", "tool_search"),
    *("web_search_preview", "web_search_preview_2025_03_11", "apply_patch"),
)
"""Kinds of tools (`ToolParam` of the openai SDK)."""
_CHOICES = ("none", "auto", "required")
_MODES = ("auto", "required")


def check_tools(body: Mapping[str, Any]) -> None:
    """Raises Refused with the first complaint about `tools`."""
    tools = body.get("tools")
    if tools is None:
        return
    if not isinstance(tools, list):
        raise invalid_type("tools", "an array of objects", tools)
    if len(tools) > _MOST_TOOLS:
        raise too_long("tools", "array", _MOST_TOOLS, len(tools))
    for index, tool in enumerate(tools):
        _check_tool(tool, f"tools[{index}]")


def _check_tool(tool: Any, at: str) -> None:
    if not isinstance(tool, dict):
        raise invalid_type(at, "an object", tool)
    kind = member(tool, "type", f"{at}.type", str)
    if kind not in _TOOLS:
        raise unsupported(f"{at}.type", kind, _TOOLS)
    if kind != "function":
        return
    check_name(member(tool, "name", f"{at}.name", str), f"{at}.name")
    optional(tool, "description", f"{at}.description", str)
    optional(tool, "strict", f"{at}.strict", bool)
    parameters = tool.get("parameters")
    if parameters and (wrong := complaint(parameters, strict=tool.get("strict") is True)):
        text = f"Invalid schema for function '{tool['name']}': {wrong}"
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
        raise invalid_type("tool_choice", "one of an object or a string", choice)
    kind = member(choice, "type", "tool_choice.type", str)
    if kind not in (*_TOOLS, "allowed_tools"):
        raise unsupported("tool_choice.type", kind, (*_TOOLS, "allowed_tools"))
    named = _allowed(choice) if kind == "allowed_tools" else [choice]
    offered = {(tool["type"], tool.get("name")) for tool in body.get("tools") or ()}
    for wanted in named:
        if wanted.get("type") in ("function", "custom"):
            member(wanted, "name", "tool_choice.name", str)
        if (wanted.get("type"), wanted.get("name")) not in offered:
            shown = wanted.get("name") or wanted.get("type")
            raise Refused(f"Tool choice '{shown}' not found in 'tools' parameter.", param="tool_choice")


def _allowed(choice: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    mode = member(choice, "mode", "tool_choice.mode", str)
    if mode not in _MODES:
        raise unsupported("tool_choice.mode", mode, _MODES)
    named = member(choice, "tools", "tool_choice.tools", list)
    for index, tool in enumerate(named):
        if not isinstance(tool, dict):
            raise invalid_type(f"tool_choice.tools[{index}]", "an object", tool)
    return named
