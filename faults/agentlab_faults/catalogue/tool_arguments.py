"""Faults of the boundary content in a tool call's arguments: what the model wrote there is not what the tool can take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentlab_faults.catalogue.rates import CONTENT, often
from agentlab_faults.catalogue.wire import encode, rebodied
from agentlab_faults.exchange import Exchange
from agentlab_faults.fault import Best, Row, Served, Shape, Spoils, register

__all__ = ["SpoilsArguments", "TruncatedArguments"]

REPAIRED: dict[Shape, Best] = {"once": "recoverable", "always": "needs_fallback"}
"""A repair turn is another call, so three attempts at one call are no shape of their own."""


def calls_of(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every tool call of a chat completion's choices."""
    for choice in payload.get("choices") or ():
        yield from choice["message"].get("tool_calls") or ()


class SpoilsArguments(Spoils):
    """Rewrites the arguments of each tool call; an answer without one goes through untouched."""

    def rewrite(self, arguments: str) -> Any:
        """What stands in the call's `arguments` instead of the JSON text that the model wrote."""
        raise NotImplementedError

    def spoil(self, served: Served) -> Exchange:
        calls = list(calls_of(served.payload))
        if not calls:
            return served.exchange
        for call in calls:
            call["function"]["arguments"] = self.rewrite(call["function"]["arguments"])
        return rebodied(served.exchange, encode(served.payload))


@register(
    Row(
        id="tool_args_truncated",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=REPAIRED,
        why="The model writes them whole when it is told what was wrong; one that never does must be replaced.",
        happens="The model stops at its output limit in the middle of a call, or a gateway merges chunks wrongly.",
        agent_should="Never run the tool; return the parse error as the tool's result and let the model write the call again, a few times at most.",
        answer="tool_calls",
        **often(CONTENT, 0.1, harm=3),
    )
)
class TruncatedArguments(SpoilsArguments):
    """A tool call's arguments stop in the middle of their JSON."""

    finish: str | None = None
    """Another finish reason, `length` where the model ran out of output tokens."""

    def rewrite(self, arguments: str) -> str:
        return arguments[: max(1, len(arguments) * 2 // 3)]

    def spoil(self, served: Served) -> Exchange:
        if self.finish is not None and any(calls_of(served.payload)):
            served.payload["choices"][0]["finish_reason"] = self.finish
        return super().spoil(served)
