"""Faults of the boundary content, below the JSON: a 200 whose body is not the document it should be."""

from __future__ import annotations

from agentlab_faults.catalogue.rates import CONTENT, PASSES, often
from agentlab_faults.catalogue.wire import halves, rebodied
from agentlab_faults.exchange import Exchange
from agentlab_faults.fault import Row, Served, Spoils, register

__all__ = ["TruncatedJson"]


@register(
    Row(
        id="body_truncated_json",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="model",
        best=PASSES,
        why="The next answer is whole; the half one is never usable.",
        happens="A gateway or proxy cuts a body at its buffer's end and sets Content-Length to what is left.",
        agent_should="Catch ValueError round the call as well as the SDK's errors (the SDK lets the JSON error out raw) and retry.",
        outcome_unknown=True,
        **often(CONTENT, 0.1, harm=2),
    )
)
class TruncatedJson(Spoils):
    """The answer's JSON ends in the middle, with a Content-Length that fits."""

    def spoil(self, served: Served) -> Exchange:
        return rebodied(served.exchange, halves(served.exchange.content)[0])
