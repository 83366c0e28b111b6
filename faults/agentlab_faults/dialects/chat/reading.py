"""What a chat completion request asks of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentlab_faults.script.asked import Asked
from agentlab_faults.script.spec import ScriptMissing

__all__ = ["read"]


def read(body: Mapping[str, Any]) -> Asked:
    """Read the body of an OpenAI chat completion request that the provider would accept.

    Raises ScriptMissing if it forces a call of a custom tool: scripts call functions.
    """
    functions = [tool["function"] for tool in body.get("tools") or () if tool["type"] == "function"]
    offered = {function["name"]: function.get("parameters") or {} for function in functions}
    allowed, forced, required = _choice(body.get("tool_choice"), offered)
    form = body.get("response_format") or {}
    schema = (form.get("json_schema") or {}).get("schema") if form.get("type") == "json_schema" else None
    return Asked(
        messages=body["messages"],
        callable={name: offered[name] for name in offered if name in allowed},
        forced=forced,
        required=required,
        parallel=body.get("parallel_tool_calls") is not False,
        schema=schema,
        json_object=form.get("type") == "json_object",
    )


def _choice(choice: Any, offered: Mapping[str, Any]) -> tuple[frozenset[str], str | None, bool]:
    """Which tools may be called, the one that must, and whether any must."""
    everything = frozenset(offered)
    if choice == "none":
        return frozenset(), None, False
    if not isinstance(choice, dict):
        return everything, None, choice == "required"
    if choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools") or {}
        names = frozenset(str((t.get("function") or {}).get("name")) for t in allowed.get("tools") or ())
        return everything & names, None, allowed.get("mode") == "required"
    if choice["type"] == "custom":
        raise ScriptMissing(f"The request forces a call of the custom tool {choice['custom']['name']!r}; a script calls functions only.")
    name = choice["function"]["name"]
    return frozenset({name}), name, True
