"""The wire APIs that rows name, where a fault cannot act on the answers of all."""

from __future__ import annotations

__all__ = ["ANTHROPIC", "CHAT_ONLY", "GEMINI", "GENERATES", "OPENAI", "OPENAI_WIDE", "RESPONSES_ONLY", "WITHOUT_GEMINI", "WRITTEN"]

CHAT_ONLY = frozenset({"openai.chat"})
"""What only Chat Completions has a place for."""
RESPONSES_ONLY = frozenset({"openai.responses"})
"""What only Responses has a place for."""
OPENAI = CHAT_ONLY | RESPONSES_ONLY
"""Where arguments are a text, and every call has an id."""
ANTHROPIC = frozenset({"anthropic.messages"})
GEMINI = frozenset({"gemini.generate"})
OPENAI_WIDE = OPENAI | {"openai.completions", "embeddings"}
"""Every API whose errors OpenAI, or a gateway like it, writes."""
WITHOUT_GEMINI = OPENAI_WIDE | ANTHROPIC
WRITTEN = OPENAI | {"anthropic.messages/stream"}
"""Where a call's arguments are a text that need not be JSON; in one piece, Anthropic's are an object."""
GENERATES = OPENAI | ANTHROPIC | GEMINI
"""Where a model talks: tools are offered, and a history is sent."""
