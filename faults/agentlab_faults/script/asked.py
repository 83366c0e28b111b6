"""What a request asks of the model, whatever its wire API: its history, the tools it offers, and the form that the answer must have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

__all__ = ["Asked", "Signature", "text_of"]

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
    """One request, read. `messages` are in the form of OpenAI's chat API.

    `callable` holds the schema of each tool that the answer may call, after `tool_choice`.
    """

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
    ids: str = "call_"
    """How the provider's ids of tool calls begin."""
    unnamed: frozenset[str] = frozenset()
    """Ids that the dialect made up for calls which the history shows without one."""

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

    @cached_property
    def turn(self) -> Sequence[Mapping[str, Any]]:
        """What came since the user's last message."""
        last = max((at for at, message in enumerate(self.messages) if message.get("role") == "user"), default=-1)
        return self.messages[last + 1 :]

    @cached_property
    def called(self) -> list[tuple[str, str]]:
        """(tool, arguments as text) of every call since the user's last message, in order."""
        calls = [call for message in self.turn for call in message.get("tool_calls") or () if isinstance(call.get("function"), Mapping)]
        return [(str(call["function"].get("name")), str(call["function"].get("arguments"))) for call in calls]

    def shown(self) -> dict[str, str | None]:
        """Every call id in the history, in order, with the text of its result; None while it has none."""
        seen: dict[str, str | None] = {}
        for message in self.messages:
            if message.get("role") == "tool":
                seen[str(message.get("tool_call_id"))] = text_of(message)
            for call in message.get("tool_calls") or ():
                seen.setdefault(str(call.get("id")), None)
        return seen
