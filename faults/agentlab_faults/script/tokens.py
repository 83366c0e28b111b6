"""A deterministic estimate of tokens: no tokenizer, the same count on every machine.

One token for every four characters, rounded up: OpenAI's own rule of thumb for English text ("What are tokens and how to count them?",
help.openai.com, article 4936856). A prompt counts as compact JSON of messages and tools, whose marks stand for those of the chat format.
"""

from __future__ import annotations

import json
from typing import Any

from agentlab_faults.script.spec import Serving

__all__ = ["completion_tokens", "tokens_of"]

_CHARACTERS = 4
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def tokens_of(*parts: Any) -> int:
    """Tokens of those parts of a request's body that are there, as compact JSON."""
    return _tokens(len(_COMPACT([part for part in parts if part])))


def completion_tokens(serving: Serving) -> int:
    """Tokens of an answer: its text, and the name and arguments of each call. At least one."""
    length = len(serving.content or "") + sum(len(call.name) + len(call.arguments) for call in serving.tool_calls)
    return max(1, _tokens(length))


def _tokens(characters: int) -> int:
    return -(-characters // _CHARACTERS)
