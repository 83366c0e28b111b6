"""Faults of the boundary tool that fail loudly, or that touch the effect: errors, silence, lost confirmations, doubled deliveries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from agentlab_faults.catalogue.rates import HARMLESS, TOOL, often
from agentlab_faults.fault import Best, BreaksTool, Row, Shape, Strike, ToolCall, register

__all__ = ["DeliveredTwice", "LostConfirmation", "ToolRaises", "ToolTimeout", "ToolUpstreamFails", "UpstreamError"]

LOUD: Mapping[Shape, Best] = {"once": "recoverable", "x3": "needs_fallback", "always": "needs_fallback"}
"""Once: the next try works. Three in a row is what a breaker opens for: then only another tool, or an honest word, is left."""


class UpstreamError(RuntimeError):
    """What a tool raises when the service behind it answers with an error status."""

    def __init__(self, tool: str, status: int) -> None:
        super().__init__(f"{tool}: the service behind it answered HTTP {status}")
        self.status = status


@register(
    Row(
        id="tool_exception",
        boundary="tool",
        family="tool error",
        category="transient",
        scope="tool",
        best=LOUD,
        why="The tool did nothing and works when called again; broken three times or for good, it leaves a fallback tool or saying so.",
        happens="A bug, a bad row or a lost database connection in the tool's own code.",
        agent_should="Retry within the tool's own budget, give the model a short error without secrets, then say what could not be done.",
        kinds=frozenset({"tool"}),
        **often(TOOL, 0.4, harm=2),
    )
)
class ToolRaises(BreaksTool):
    """The tool raises an exception before it does anything."""

    message: str = "database connection lost"

    def strike(self, call: ToolCall) -> Strike:
        return Strike(runs=False, error=RuntimeError(f"{call.name}: {self.message}"))


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
        **often(TOOL, 0.25, harm=3),
    )
)
class ToolTimeout(BreaksTool):
    """The tool is called and never returns; its body never runs."""

    silence: float = math.inf

    def strike(self, call: ToolCall) -> Strike:
        del call  # every execution fares alike
        return Strike(runs=False, delay=self.silence)


@register(
    Row(
        id="tool_http_429_5xx",
        boundary="tool",
        family="tool error",
        category="transient",
        scope="tool",
        best=LOUD,
        why="The service behind the tool recovers within moments; if it does not, a fallback tool or an honest word is left.",
        happens="The CRM, shop or search service behind the tool is overloaded or limits its callers.",
        agent_should="Retry in the tool with a budget of its own, not by spending a model turn on each try.",
        kinds=frozenset({"tool"}),
        **often(TOOL, 0.25, harm=2),
    )
)
class ToolUpstreamFails(BreaksTool):
    """The tool raises because the service behind it answers 429 or a 5xx."""

    status: Literal[429, 500, 502, 503, 504] = 503

    def strike(self, call: ToolCall) -> Strike:
        return Strike(runs=False, delay=0.2, error=UpstreamError(call.name, self.status))


@register(
    Row(
        id="tool_partial_success",
        boundary="tool",
        family="lost confirmation",
        category="transient",
        scope="tool",
        best={"once": "recoverable", "always": "fatal"},
        why="A second call with the same idempotency key confirms the first; if each confirmation is lost, one can only say 'may have'.",
        happens="A payment goes through and the connection drops before the answer comes back.",
        agent_should="Retry only with the same idempotency key, or read back first; never claim nor deny what is not confirmed.",
        kinds=frozenset({"tool"}),
        effect="write",
        outcome_unknown=True,
        **often(TOOL, 0.05, harm=3),
    )
)
class LostConfirmation(BreaksTool):
    """The tool commits its effect, and then its answer is lost: silence until the agent's timeout, or a reset connection."""

    lost: Literal["timeout", "reset"] = "timeout"

    def strike(self, call: ToolCall) -> Strike:
        if self.lost == "timeout":
            return Strike(runs=True, delay=math.inf)
        return Strike(runs=True, error=ConnectionResetError(f"{call.name}: connection reset by peer"))


@register(
    Row(
        id="tool_duplicate_effect",
        boundary="tool",
        family="doubled delivery",
        category="semantic",
        scope="tool",
        best=HARMLESS,
        why="With an idempotency key the second delivery is recognised and does nothing, each time.",
        happens="A queue or a proxy between agent and tool delivers the same request twice.",
        agent_should="Send an idempotency key with each write.",
        kinds=frozenset({"tool"}),
        effect="write",
        **often(TOOL, 0.03, harm=3),
    )
)
class DeliveredTwice(BreaksTool):
    """The tool's body runs twice for one call, with the same arguments."""

    def strike(self, call: ToolCall) -> Strike:
        del call  # every execution fares alike
        return Strike(runs=True, twice=True)
