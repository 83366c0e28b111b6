"""agentlab: a reference agent runtime with every reliability layer, and the front door to the lab that breaks it.

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentlab.agent import Agent
    from agentlab.approval import ApprovalRequest, Decision
    from agentlab.bounds import Bounds, Usage
    from agentlab.breaker import Breaker, BreakerPolicy
    from agentlab.cache import ResponseCache
    from agentlab.embeddings import Embeddings
    from agentlab.errors import (
        AgentlabError,
        AllModelsFailedError,
        BoundExceededError,
        BreakerOpenError,
        CallFailedError,
        ConflictError,
        InvalidOutputError,
        InvalidScoreError,
        MissingExtraError,
        ModelFailedError,
        PlanRejectedError,
        ResumeRefusedError,
        SettingsError,
        StoreAwayError,
        TakenOverError,
        ToolFailedError,
        ToolRefusedError,
        UnexpectedError,
        UnsupportedContentError,
    )
    from agentlab.evaluation import Run
    from agentlab.events import StreamEvent, TextDelta, ToolCalled, ToolReturned, Withdrawn
    from agentlab.layers import Intent
    from agentlab.mcp_server import McpServer
    from agentlab.memory import Memory
    from agentlab.models import Model
    from agentlab.planning.choose import choose_pattern
    from agentlab.planning.plan import Plan, PlanStep
    from agentlab.redis_breakers import RedisBreakers
    from agentlab.result import Reply, Step
    from agentlab.settings import Settings
    from agentlab.stores import InMemoryStore, RedisStore, SqliteStore
    from agentlab.tools import Tool, tool

__all__ = [
    "Agent",
    "AgentlabError",
    "AllModelsFailedError",
    "ApprovalRequest",
    "BoundExceededError",
    "Bounds",
    "Breaker",
    "BreakerOpenError",
    "BreakerPolicy",
    "CallFailedError",
    "ConflictError",
    "Decision",
    "Embeddings",
    "InMemoryStore",
    "Intent",
    "InvalidOutputError",
    "InvalidScoreError",
    "McpServer",
    "Memory",
    "MissingExtraError",
    "Model",
    "ModelFailedError",
    "Plan",
    "PlanRejectedError",
    "PlanStep",
    "RedisBreakers",
    "RedisStore",
    "Reply",
    "ResponseCache",
    "ResumeRefusedError",
    "Run",
    "Settings",
    "SettingsError",
    "SqliteStore",
    "Step",
    "StoreAwayError",
    "StreamEvent",
    "TakenOverError",
    "TextDelta",
    "Tool",
    "ToolCalled",
    "ToolFailedError",
    "ToolRefusedError",
    "ToolReturned",
    "UnexpectedError",
    "UnsupportedContentError",
    "Usage",
    "Withdrawn",
    "choose_pattern",
    "tool",
]

_HOMES = {
    "agent": ("Agent",),
    "approval": ("ApprovalRequest", "Decision"),
    "bounds": ("Bounds", "Usage"),
    "breaker": ("Breaker", "BreakerPolicy"),
    "cache": ("ResponseCache",),
    "embeddings": ("Embeddings",),
    "errors": tuple(name for name in __all__ if name.endswith("Error")),
    "events": ("StreamEvent", "TextDelta", "ToolCalled", "ToolReturned", "Withdrawn"),
    "evaluation": ("Run",),
    "layers": ("Intent",),
    "mcp_server": ("McpServer",),
    "memory": ("Memory",),
    "models": ("Model",),
    "planning.choose": ("choose_pattern",),
    "planning.plan": ("Plan", "PlanStep"),
    "redis_breakers": ("RedisBreakers",),
    "result": ("Reply", "Step"),
    "settings": ("Settings",),
    "stores": ("InMemoryStore", "RedisStore", "SqliteStore"),
    "tools": ("Tool", "tool"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'agentlab' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"agentlab.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
