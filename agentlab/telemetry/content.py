"""Prompts, answers, arguments and results in spans: off unless the conventions' variable allows it, and never with a secret in them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from agentlab.secrets import hide_secrets
from agentlab.telemetry import names
from agentlab.text import clean, cut

__all__ = ["captured", "messages_json", "shown"]

ALLOWED: Final = frozenset({"true", "span_only", "span_and_event"})
LONGEST: Final = 50_000
"""Characters of one content attribute."""


def captured() -> bool:
    """Whether spans may have content: the variable is `true`, `SPAN_ONLY` or `SPAN_AND_EVENT`. Content in events is not offered."""
    return os.environ.get(names.CAPTURE_CONTENT, "").strip().lower() in ALLOWED


def shown(value: Any) -> str:
    """A value as JSON without secrets, bounded."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return cut(hide_secrets(clean(text)), LONGEST)


def messages_json(messages: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """System instructions and the other messages of a request, in the conventions' form."""
    system = [{"type": "text", "content": message["content"]} for message in messages if message["role"] == "system"]
    return shown(system), shown([_message(message) for message in messages if message["role"] != "system"])


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    if message["role"] == "tool":
        part = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": message.get("content")}
        return {"role": "tool", "parts": [part]}
    text = message.get("content")
    parts: list[dict[str, Any]] = [{"type": "text", "content": text}] if text else []
    calls = [(call["id"], call["function"]) for call in message.get("tool_calls", ())]
    parts += [{"type": "tool_call", "id": call_id, "name": made["name"], "arguments": made["arguments"]} for call_id, made in calls]
    return {"role": message["role"], "parts": parts}
