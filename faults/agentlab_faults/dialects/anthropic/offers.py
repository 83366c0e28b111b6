"""Anthropic's checks of what a request offers and demands: tools, tool choice and the form of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentlab_faults.dialects.anthropic.history import NAME
from agentlab_faults.dialects.anthropic.refused import Refused, member, optional, required
from agentlab_faults.script.schemas import complaint

__all__ = ["check_output", "check_tool_choice", "check_tools"]

_CHOICES = ("auto", "any", "tool", "none")
_BAD_SCHEMA = "JSON schema is invalid. It must match JSON Schema draft 2020-12"
_accepted: list[Any] = []
"""The tools that were in order last time: an agent sends the same ones with every request."""


def check_tools(body: Mapping[str, Any]) -> None:
    """Raises Refused with the first complaint about `tools`."""
    tools = body.get("tools")
    if not tools or tools == _accepted:
        return
    if not isinstance(tools, list):
        raise Refused("tools: Input should be a valid list")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise Refused(f"tools.{index}: Input should be a valid dictionary")
        if tool.get("type") in (None, "custom"):
            _check_custom(tool, f"tools.{index}.custom")
        if tool.get("name") in names:
            raise Refused("tools: Tool names must be unique.")
        names.add(str(tool.get("name")))
    _accepted[:] = tools


def _check_custom(tool: Mapping[str, Any], at: str) -> None:
    name = member(tool, "name", f"{at}.name", str)
    if not NAME.fullmatch(name):
        raise Refused(f"{at}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    optional(tool, "description", f"{at}.description", str)
    schema = member(tool, "input_schema", f"{at}.input_schema", dict)
    if required(schema, "type", f"{at}.input_schema.type") != "object":
        raise Refused(f"{at}.input_schema.type: Input should be 'object'")
    if complaint(schema, strict=False):
        raise Refused(f"{at}.input_schema: {_BAD_SCHEMA}")


def check_tool_choice(body: Mapping[str, Any]) -> None:
    """Raises Refused with the first complaint about `tool_choice`."""
    choice = body.get("tool_choice")
    if choice is None:
        return
    if not isinstance(choice, dict):
        raise Refused("tool_choice: Input should be a valid dictionary or object to extract fields from")
    kind = required(choice, "type", "tool_choice.type")
    if kind not in _CHOICES:
        expected = ", ".join(f"'{one}'" for one in _CHOICES)
        raise Refused(f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags: {expected}")
    optional(choice, "disable_parallel_tool_use", f"tool_choice.{kind}.disable_parallel_tool_use", bool)
    if not body.get("tools"):
        raise Refused("tool_choice may only be specified while providing tools.")
    if kind == "tool":
        name = member(choice, "name", "tool_choice.tool.name", str)
        if not any(tool.get("name") == name for tool in body["tools"]):
            raise Refused(f"Tool '{name}' not found in provided tools")
    if kind in ("any", "tool") and (body.get("thinking") or {}).get("type") == "enabled":
        raise Refused("Thinking may not be enabled when tool_choice forces tool use.")


def check_output(body: Mapping[str, Any]) -> None:
    """Raises Refused with the first complaint about the form that the answer must have."""
    optional(body, "output_config", "output_config", dict)
    for holder, name in (((body.get("output_config") or {}), "format"), (body, "output_format")):
        at = "output_config.format" if name == "format" else name
        optional(holder, name, at, dict)
        form = holder.get(name)
        if form is None:
            continue
        if required(form, "type", f"{at}.type") != "json_schema":
            raise Refused(f"{at}.type: Input should be 'json_schema'")
        if complaint(member(form, "schema", f"{at}.schema", dict), strict=False):
            raise Refused(f"{at}.schema: {_BAD_SCHEMA}")
