"""Points: the places where a fault can go, found by watching one fault-free run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["CHUNK", "WHERE", "Point", "PointKind", "Trait"]

PointKind = Literal["llm", "tool", "store", "mcp"]
Trait = Literal["structured", "system", "results", "calls", "tools", "usage"]
WHERE: Mapping[Trait, str] = {
    "structured": "JSON is asked for",
    "system": "there is a system prompt",
    "results": "tools have answered since the last prompt",
    "calls": "two unlike calls were made since the last prompt",
    "tools": "several tools are offered",
    "usage": "the answer tells its tokens (a stream of Chat Completions: only with stream_options.include_usage)",
}
"""What a request shows, in words: a fault that needs it is planned only there, since elsewhere there is nothing to get wrong."""
CHUNK = ".chunk."
"""Stands between a call's point and the number of an event of its stream."""


@dataclass(frozen=True, slots=True)
class Point:
    """One logical call of an agent: `openai.chat.2` is its second chat completion, `tool.refund.1` its first refund,
    `redis.get.1` its first read of a key, `mcp.refund.1` its first call of a tool of an MCP server.

    Retries of a call, and a fallback within one wire API, are further *attempts* at the same point.

    >>> point = Point("openai.chat.2", "llm", "openai.chat", 2, host="api.openai.com", model="gpt-4o-mini", streamed=True, chunks=9)
    >>> [f"{point.name}{CHUNK}{n}" for n in (1, point.chunks)]
    ['openai.chat.2.chunk.1', 'openai.chat.2.chunk.9']
    """

    name: str
    kind: PointKind
    target: str
    """The wire API (`openai.chat`), the tool's name (`refund`), the store's command (`get`), or what an MCP server was asked for: a tool's
    name, `initialize` or `tools_list`."""
    n: int
    host: str = ""
    model: str = ""
    calls_tools: bool = False
    """The fault-free answer called tools (an LLM point only)."""
    streamed: bool = False
    """The answer is a stream (an LLM point only)."""
    chunks: int = 0
    """How many events the fault-free stream has; `openai.chat.2.chunk.3` is the third (an LLM point only)."""
    shows: tuple[Trait, ...] = ()
    """What the request shows (an LLM point of a fault-free run only)."""
    effect: Literal["read", "write", "external", ""] = ""
    """The tool's declared effect; of a store's command, whether it reads or writes (tool and store points only)."""
    unmoved: tuple[str, ...] = ()
    """Faults that have nothing to change in what the tool returned (a tool point of a fault-free run only)."""
    method: str = ""
    """The store's command, or the MCP method (`tools/call`) (store and MCP points only)."""
    transport: Literal["http", "stdio", ""] = ""
    """How the MCP server is reached (an MCP point only)."""
