"""What a chat request asks of the model: its history, the tools it offers, and the form that the answer must have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from agentlab_faults.script.spec import ScriptMissing

__all__ = ["Asked", "Signature", "read", "text_of"]

Signature = tuple[tuple[str, str], ...]
"""(role, masked text) of the user's and the assistant's messages."""

_VARYING = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{22}|\d+")


def text_of(message: Mapping[str, Any]) -> str:
    """A message's text; the text parts joined if its content is a list."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return ""


@dataclass
class Asked:
    """One request, read. `callable` holds the schema of each tool that the answer may call, after `tool_choice`."""

    messages: Sequence[Mapping[str, Any]]
    callable: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    forced: str | None = None
    """The one tool that must be called."""
    required: bool = False
    """Some tool must be called."""
    parallel: bool = True
    schema: Mapping[str, Any] | None = None
    """The JSON schema that the text must match."""
    json_object: bool = False
    """The text must be any JSON object."""

    @cached_property
    def signature(self) -> Signature:
        """The user's and the assistant's texts without what varies between runs: digits and uuids masked, the system prompt left out."""
        return tuple((m["role"], _VARYING.sub("#", text_of(m))) for m in self.messages if m.get("role") in {"user", "assistant"})

    @cached_property
    def user_texts(self) -> list[str]:
        """The user's messages in order."""
        return [text_of(m) for m in self.messages if m.get("role") == "user"]

    @cached_property
    def setting(self) -> str:
        """System and user texts, and a line `tool:NAME` for each tool, for a script's `when`."""
        texts = [text_of(m) for m in self.messages if m.get("role") in {"system", "developer", "user"}]
        return "\n".join([*texts, *(f"tool:{name}" for name in self.callable)])

    def shown(self) -> dict[str, str | None]:
        """Every call id in the history, in order, with the text of its result; None while it has none."""
        seen: dict[str, str | None] = {}
        for message in self.messages:
            if message.get("role") == "tool":
                seen[str(message.get("tool_call_id"))] = text_of(message)
            for call in message.get("tool_calls") or ():
                seen.setdefault(str(call.get("id")), None)
        return seen


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
