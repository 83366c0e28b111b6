"""Seams in agent frameworks, put in by the framework's module name once the user's code has imported it; nothing is imported from here.

Each lies inside the framework's own timeout and error handler, so that those really run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from agentlab_faults.intercept.importing import after_import
from agentlab_faults.tools.adapters import agentlab, langchain, openai_agents, pydantic_ai

__all__ = ["adapt_frameworks", "is_seamed_tool"]

_ADAPTERS: Mapping[str, Callable[[ModuleType], None]] = {
    "agentlab.tools": agentlab.adapt,
    "agents.tool": openai_agents.adapt,
    "langchain_core.tools.base": langchain.adapt,
    "pydantic_ai.toolsets.function": pydantic_ai.adapt,
}

_TOOLS: Mapping[tuple[str, str], tuple[str, str, str]] = {
    ("agents.tool", "FunctionTool"): ("agents.tool", *openai_agents.SEAM),
    ("langchain_core.tools.base", "BaseTool"): ("langchain_core.tools.base", *langchain.SEAM),
    ("pydantic_ai.tools", "Tool"): ("pydantic_ai.toolsets.function", *pydantic_ai.SEAM),
}
"""A framework's class of tools, and where its seam lies: module, class and method."""


@cache
def _watch() -> None:
    after_import(_ADAPTERS)


def adapt_frameworks() -> None:
    """Put seams into the agent frameworks that are loaded, and into those that will be. Cheap when there is nothing new to do."""
    _watch()
    for name, adapt in _ADAPTERS.items():
        module = sys.modules.get(name)
        if module is not None:  # once more: a finder that came before ours may have imported it, or somebody undone the seam
            adapt(module)


def is_seamed_tool(value: Any) -> bool:
    """Whether it is a framework's tool whose executions all pass the hub."""
    for cls in type(value).__mro__:
        place = _TOOLS.get((cls.__module__, cls.__name__))
        if place is not None:
            module, owner, method = place
            found = getattr(getattr(sys.modules.get(module), owner, None), method, None)
            return hasattr(found, "agentlab_seam")
    return False
