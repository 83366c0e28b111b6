"""Dialects: the wire APIs that one script is served as."""

from __future__ import annotations

from collections.abc import Mapping

from agentlab_faults.dialects.answer import Answer, Usage
from agentlab_faults.dialects.anthropic import ANTHROPIC_MESSAGES
from agentlab_faults.dialects.chat import CHAT
from agentlab_faults.dialects.dialect import Dialect, Json
from agentlab_faults.dialects.embeddings import EMBEDDINGS
from agentlab_faults.dialects.gemini import GEMINI
from agentlab_faults.dialects.responses import RESPONSES

__all__ = ["ANTHROPIC_MESSAGES", "CHAT", "DIALECTS", "EMBEDDINGS", "GEMINI", "RESPONSES", "Answer", "Dialect", "Json", "Usage"]

DIALECTS: Mapping[str, Dialect] = {
    "openai.chat": CHAT,
    "openai.responses": RESPONSES,
    "anthropic.messages": ANTHROPIC_MESSAGES,
    "gemini.generate": GEMINI,
    "gemini.stream": GEMINI,
    "embeddings": EMBEDDINGS,
}
"""An endpoint's API (`intercept.classify`) to the dialect that is spoken there."""
