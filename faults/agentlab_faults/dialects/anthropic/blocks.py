"""Content blocks: what stands in a message, a system prompt or a tool's result, as a text or as a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["blocks_of", "text_in"]

Json = dict[str, Any]


def blocks_of(content: Any) -> list[Json]:
    """The content as blocks; a text is one block of text. What is no block is the refusal's to say, and left out."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def text_in(content: Any) -> str:
    """The texts of the content, joined."""
    return "".join(_texts(blocks_of(content)))


def _texts(blocks: Iterable[Json]) -> Iterable[str]:
    return (str(block.get("text") or "") for block in blocks if block.get("type") == "text")
