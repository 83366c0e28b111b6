"""agentlab_faults: break any agent the way providers, tools and stores really fail, in virtual time, the same way every time.

Names are loaded on first use, so that `from agentlab_faults import tool` costs an agent in production next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentlab_faults.engine import play
    from agentlab_faults.exchange import Break, Exchange, Pause, Timeouts, WireRequest
    from agentlab_faults.fault import (
        BreaksMcp,
        BreaksStore,
        BreaksTool,
        Fault,
        McpCall,
        McpStrike,
        Rate,
        Replaces,
        Rewrites,
        Row,
        Served,
        Spoils,
        StoreCall,
        StoreStrike,
        Strike,
        ToolCall,
        all_faults,
        register,
    )
    from agentlab_faults.played import Clean, Played, Setup, Struck, Talk, Tool
    from agentlab_faults.points import Point
    from agentlab_faults.respx_effects import respx_effect
    from agentlab_faults.schedule import FAULT_FREE, Injection, Schedule, Window
    from agentlab_faults.tools import commit, hook, hook_at, tool

_HOMES = {
    "engine": ("play",),
    "exchange": ("Break", "Exchange", "Pause", "Timeouts", "WireRequest"),
    "fault": (
        "BreaksMcp",
        "BreaksStore",
        "BreaksTool",
        "Fault",
        "McpCall",
        "McpStrike",
        "Rate",
        "Replaces",
        "Rewrites",
        "Row",
        "Served",
        "Spoils",
        "StoreCall",
        "StoreStrike",
        "Strike",
        "ToolCall",
        "all_faults",
        "register",
    ),
    "played": ("Clean", "Played", "Setup", "Struck", "Talk", "Tool"),
    "points": ("Point",),
    "respx_effects": ("respx_effect",),
    "schedule": ("FAULT_FREE", "Injection", "Schedule", "Window"),
    "tools": ("commit", "hook", "hook_at", "tool"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "FAULT_FREE",
    "Break",
    "BreaksMcp",
    "BreaksStore",
    "BreaksTool",
    "Clean",
    "Exchange",
    "Fault",
    "Injection",
    "McpCall",
    "McpStrike",
    "Pause",
    "Played",
    "Point",
    "Rate",
    "Replaces",
    "Rewrites",
    "Row",
    "Schedule",
    "Served",
    "Setup",
    "Spoils",
    "StoreCall",
    "StoreStrike",
    "Strike",
    "Struck",
    "Talk",
    "Timeouts",
    "Tool",
    "ToolCall",
    "Window",
    "WireRequest",
    "all_faults",
    "commit",
    "hook",
    "hook_at",
    "play",
    "register",
    "respx_effect",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
