"""The form that the model's words must take: plain text, JSON of a response format, or a call of an output tool."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from agentlab_faults.script.asked import Asked
from agentlab_faults.script.fit import fit
from agentlab_faults.script.schemas import referred
from agentlab_faults.script.spec import ScriptMissing

__all__ = ["Form", "form_of", "plan_form", "to_json"]


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_json(value: Any) -> str:
    """Compact JSON, as the provider writes tool arguments."""
    return _COMPACT(value)


@dataclass(frozen=True, slots=True)
class Form:
    """Words in their form: `content`, or the JSON `arguments` of the output tool `tool`."""

    content: str | None = None
    tool: str | None = None
    arguments: str = ""


def form_of(words: str | Mapping[str, Any], asked: Asked, scripted: Collection[str]) -> Form:
    """Put the words into the form that the request asks for. `scripted` names the tools that the script itself calls.

    Raises ScriptMissing if some tool must be called and the script has no call left.
    """
    tool = _output_tool(words, asked, scripted)
    if tool is not None:
        return Form(tool=tool, arguments=to_json(fit(words, asked.callable[tool])))
    if asked.schema is not None:
        return Form(content=to_json(fit(words, asked.schema)))
    if asked.json_object:
        return Form(content=_any_object(words))
    return Form(content=words if isinstance(words, str) else to_json(words))


def plan_form(plan: Mapping[str, Any], asked: Asked, scripted: Collection[str]) -> Form | None:
    """The plan in the form that the request asks for; None if it asks for nothing that has all of the plan's members."""
    if asked.schema is not None and _has(asked.schema, plan):
        return Form(content=to_json(fit(plan, asked.schema)))
    tool = next((name for name, schema in asked.callable.items() if name not in scripted and _has(schema, plan)), None)
    return None if tool is None else Form(tool=tool, arguments=to_json(fit(plan, asked.callable[tool])))


def _has(schema: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
    root = referred(schema["$ref"], schema) or {} if "$ref" in schema else schema
    return set(plan) <= set(root.get("properties", ()))


def _output_tool(words: str | Mapping[str, Any], asked: Asked, scripted: Collection[str]) -> str | None:
    if asked.forced is not None:
        if asked.forced in scripted:
            raise ScriptMissing(
                f"The request forces a call of {asked.forced!r}, and the script has none left; add one, or let the agent choose."
            )
        return asked.forced
    candidates = [name for name in asked.callable if name not in scripted]
    if isinstance(words, Mapping):
        for name in candidates:
            if set(asked.callable[name].get("properties", ())) == set(words):
                return name
    if not asked.required:
        return None
    if not candidates:
        raise ScriptMissing(
            "The request must be answered by a tool call (tool_choice is 'required'), and the script has none left; add a call."
        )
    return next((name for name in candidates if name.startswith("final_result")), candidates[-1])


def _any_object(words: str | Mapping[str, Any]) -> str:
    """A JSON object in any case: a text that is none becomes the member `text` of one."""
    if isinstance(words, Mapping):
        return to_json(words)
    try:
        parsed = json.loads(words)
    except ValueError:
        parsed = None
    return words if isinstance(parsed, dict) else to_json({"text": words})
