"""What an agent of the matrix is built from: which hosts, which options of its own, streamed or not."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from types import ModuleType
from typing import Any, Literal

__all__ = ["AGENTS", "FALLBACK_URL", "INSTRUCTIONS", "OURS", "Asked", "Entry", "Primary", "Wiring"]

INSTRUCTIONS = "Use the tools to answer."
FALLBACK_URL = "https://llm.fallback.example/v1"
"""Speaks OpenAI's chat completions, and is never broken."""

Primary = Literal["openai", "responses", "anthropic", "gemini"]
Asked = Callable[[str], Awaitable[Any]]
"""The built agent: a prompt in, its reply out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """How an agent is built. `hardened`: with what its framework offers for it. `fallback`: there is a second host."""

    hardened: bool = False
    fallback: bool = False
    stream: bool = False
    primary: Primary = "openai"


@dataclass(frozen=True, slots=True)
class Entry:
    """One agent of the matrix: its module, its distribution, and the packages whose exceptions it declares.

    `clients` has the distribution through which it speaks to each primary that it can have; empty for its own.
    """

    name: str
    distribution: str
    declares: tuple[str, ...]
    clients: Mapping[Primary, str] = field(hash=False)

    def build(self, wiring: Wiring) -> Asked:
        """The agent."""
        built: Asked = self.module.build(wiring)
        return built

    @property
    def module(self) -> ModuleType:
        """Where it is built; its docstring says what hardens it."""
        return importlib.import_module(f"benchmarks.frameworks.agents.{self.name}")

    def shown(self, primary: Primary) -> str:
        """Its name and version, and those of what it speaks through."""
        if not self.distribution:
            return f"bare loop, {_versioned(self.clients[primary])}"
        through = self.clients[primary]
        return _versioned(self.distribution) + (f" over {_versioned(through)}" if through else "")


def _versioned(distribution: str) -> str:
    return f"{distribution} {version(distribution)}"


OURS = Entry("ours", "agentlab-chaos", ("agentlab",), {"openai": "", "responses": "", "anthropic": "", "gemini": ""})
AGENTS = (
    OURS,
    Entry("bare", "", ("openai", "anthropic", "google"), {"openai": "openai", "anthropic": "anthropic", "gemini": "google-genai"}),
    Entry("with_pydantic_ai", "pydantic-ai-slim", ("pydantic_ai",), {"openai": "", "anthropic": "", "gemini": ""}),
    Entry(
        "with_openai_agents", "openai-agents", ("agents", "openai", "litellm"), {"openai": "", "anthropic": "litellm", "gemini": "litellm"}
    ),
    Entry(
        "with_langchain",
        "langchain",
        (
            "langchain",
            "langchain_core",
            "langchain_openai",
            "langchain_anthropic",
            "langchain_google_genai",
            "langgraph",
            "openai",
            "anthropic",
            "google",
        ),
        {"openai": "", "anthropic": "langchain-anthropic", "gemini": "langchain-google-genai"},
    ),
)
