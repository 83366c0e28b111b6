"""Faults of the boundary network, after the request was sent: the answer is late, cut or gone, and the work may have been billed."""

from __future__ import annotations

import math

from agentlab_faults.catalogue.rates import TRANSPORT, often
from agentlab_faults.exchange import Exchange, Pause, WireRequest
from agentlab_faults.fault import Replaces, Row, register

__all__ = ["ReadTimeout"]


@register(
    Row(
        id="net_read_timeout",
        boundary="network",
        family="timeout",
        category="transient",
        scope="host",
        best={"once": "recoverable", "x3": "needs_fallback", "always": "needs_fallback"},
        why="One timeout leaves time for a retry; three in a row, each long enough for a long answer, are more than a minute's deadline.",
        happens="A model server hangs, or a load balancer drops the connection without a word.",
        agent_should="Keep its own deadline, shorter than the SDK's 600 s a try; retry a pure model call, and count the spend as unknown.",
        outcome_unknown=True,
        **often(TRANSPORT, 0.3, harm=3),
    )
)
class ReadTimeout(Replaces):
    """The request is accepted and then no byte of an answer comes."""

    silence: float = math.inf

    def answer(self, request: WireRequest) -> Exchange:
        return Exchange(before=(Pause(self.silence),))
