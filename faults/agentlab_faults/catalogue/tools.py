"""Faults of the boundary tool that fail loudly: an error, or silence."""

from __future__ import annotations

import math

from agentlab_faults.catalogue.rates import TOOL, often
from agentlab_faults.fault import Best, BreaksTool, Row, Shape, Strike, ToolCall, register

__all__ = ["ToolRaises", "ToolTimeout"]

LOUD: dict[Shape, Best] = {"once": "recoverable", "x3": "needs_fallback", "always": "needs_fallback"}
"""Once: the next try works. Three in a row is what a breaker opens for: then only another tool, or an honest word, is left."""


@register(
    Row(
        id="tool_exception",
        boundary="tool",
        family="tool error",
        category="transient",
        scope="tool",
        best=LOUD,
        why="The tool did nothing and works when called again; a tool that stays broken leaves a fallback tool or saying so.",
        happens="A bug, a bad row or a lost database connection in the tool's own code.",
        agent_should="Feed the error back as the tool's result, short and without secrets, retry within the tool's own budget, then say what could not be done.",
        kinds=frozenset({"tool"}),
        **often(TOOL, 0.45, harm=2),
    )
)
class ToolRaises(BreaksTool):
    """The tool raises an exception before it does anything."""

    message: str = "database connection lost"

    def strike(self, call: ToolCall) -> Strike:
        return Strike(runs=False, error=RuntimeError(self.message))


@register(
    Row(
        id="tool_timeout",
        boundary="tool",
        family="tool timeout",
        category="transient",
        scope="tool",
        best=LOUD,
        why="A timeout on the tool and one more call get over it; hanging each time it must be left out, and the user told.",
        happens="The tool's backend hangs: a lock, a dead peer, an overloaded queue.",
        agent_should="Have a timeout on each tool, cancel the call, tell the model, and retry a write only with its idempotency key.",
        kinds=frozenset({"tool"}),
        outcome_unknown=True,
        **often(TOOL, 0.3, harm=3),
    )
)
class ToolTimeout(BreaksTool):
    """The tool is called and never returns."""

    silence: float = math.inf

    def strike(self, call: ToolCall) -> Strike:
        return Strike(runs=False, delay=self.silence)
