"""The provider's checks of what a request offers and demands: tools, tool choice, response format, and the schemas in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agentlab_faults.script.history import check_name
from agentlab_faults.script.refused import Refused, empty_array, invalid_type, missing, too_long, unsupported

__all__ = ["check_response_format", "check_tool_choice", "check_tools"]

_MOST_TOOLS = 128
_CHOICES = ("none", "auto", "required")
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
    if tools == _accepted:
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
    if kind not in {"function", "custom"}:
        raise unsupported(f"{at}.type", kind, ("function", "custom"))
    if kind not in tool:
        raise missing(f"{at}.{kind}")
    function = tool[kind]
    if "name" not in function:
        raise missing(f"{at}.{kind}.name")
    check_name(function["name"], f"{at}.{kind}.name")
    if kind == "function" and function.get("parameters"):
        complaint = _complaint(function["parameters"], strict=function.get("strict") is True)
        if complaint:
            text = f"Invalid schema for function '{function['name']}': {complaint}"
            raise Refused(text, param=f"{at}.function.parameters", code="invalid_function_parameters")


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
    kind = choice.get("type")
    if kind == "allowed_tools":
        named = [_name(tool, "function") for tool in (choice.get("allowed_tools") or {}).get("tools") or ()]
    else:
        named = [_chosen(choice, "custom" if kind == "custom" else "function")]
    offered = {_name(tool, str(tool["type"])) for tool in body["tools"]}
    for name in named:
        if name not in offered:
            raise Refused(
                f"Invalid value for 'tool_choice': no function named '{name}' was specified in the 'tools' parameter.", param="tool_choice"
            )


def _chosen(choice: Mapping[str, Any], kind: str) -> str:
    if not isinstance(choice.get(kind), dict):
        raise missing(f"tool_choice.{kind}")
    if "name" not in choice[kind]:
        raise missing(f"tool_choice.{kind}.name")
    return str(choice[kind]["name"])


def _name(tool: Mapping[str, Any], kind: str) -> str:
    return str((tool.get(kind) or {}).get("name"))


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
    wrapped = form.get("json_schema")
    if not isinstance(wrapped, dict):
        raise missing(at)
    for name in ("name", "schema"):
        if name not in wrapped:
            raise missing(f"{at}.{name}")
    complaint = _complaint(wrapped["schema"], strict=wrapped.get("strict") is True)
    if complaint:
        raise Refused(f"Invalid schema for response_format '{wrapped['name']}': {complaint}", param="response_format")


def _complaint(schema: Any, *, strict: bool) -> str | None:
    """What is wrong with a schema of parameters or of an answer; None if nothing is."""
    if not isinstance(schema, dict):
        return f"{json.dumps(schema)} is not of type 'object', 'boolean'."
    kind = schema.get("type")
    if kind != "object" and not ("anyOf" in schema or "$ref" in schema):
        named = f'type: "{kind}"'
        return f"schema must be a JSON Schema of 'type: \"object\"', got '{named}'."
    return _inside(schema, (), strict=strict)


def _inside(schema: Any, context: tuple[str, ...], *, strict: bool) -> str | None:
    if not isinstance(schema, dict):
        return None
    own = _own(schema, strict=strict)
    if own:
        return f"In context={context!r}, {own}"
    for key in ("properties", "$defs", "definitions"):
        for name, member in (schema.get(key) or {}).items():
            if complaint := _inside(member, (*context, key, name), strict=strict):
                return complaint
    for key in ("anyOf", "allOf", "oneOf"):
        for index, member in enumerate(schema.get(key) or ()):
            if complaint := _inside(member, (*context, key, str(index)), strict=strict):
                return complaint
    return _inside(schema.get("items"), (*context, "items"), strict=strict)


def _own(schema: Mapping[str, Any], *, strict: bool) -> str | None:
    if schema.get("type") == "array" and "items" not in schema and "prefixItems" not in schema:
        return "array schema missing items."
    if not strict or schema.get("type") != "object":
        return None
    if schema.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    names = list(schema.get("properties") or {})
    absent = [name for name in names if name not in (schema.get("required") or ())]
    if absent:
        return f"'required' is required to be supplied and to be an array including every key in properties. Missing '{absent[0]}'."
    return None
