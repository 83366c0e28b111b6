"""What an agent of the matrix is built from: which hosts, which options of its own, streamed or not."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

__all__ = ["AGENTS", "FALLBACK_URL", "INSTRUCTIONS", "Asked", "Entry", "Primary", "Wiring"]

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
    """One agent of the matrix: its module, its distribution, and the packages whose exceptions it declares."""

    name: str
    distribution: str
    declares: tuple[str, ...]

    def build(self, wiring: Wiring) -> Asked:
        """The agent."""
        built: Asked = self.module.build(wiring)
        return built

    @property
    def module(self) -> ModuleType:
        """Where it is built; its docstring says what hardens it."""
        return importlib.import_module(f"benchmarks.frameworks.agents.{self.name}")


AGENTS = (
    Entry("ours", "agentlab-chaos", ("agentlab",)),
    Entry("bare", "openai", ("openai",)),
    Entry("with_pydantic_ai", "pydantic-ai-slim", ("pydantic_ai",)),
    Entry("with_openai_agents", "openai-agents", ("agents", "openai")),
    Entry("with_langchain", "langchain", ("langchain", "langchain_core", "langchain_openai", "langgraph", "openai")),
)
