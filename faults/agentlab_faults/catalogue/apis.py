"""The wire APIs that rows name, where a fault cannot act on the answers of all."""

from __future__ import annotations

__all__ = ["CHAT_ONLY", "OPENAI"]

CHAT_ONLY = frozenset({"openai.chat"})
"""What only Chat Completions has a place for."""
OPENAI = frozenset({"openai.chat", "openai.responses"})
"""Where arguments are a text, and every call has an id."""
