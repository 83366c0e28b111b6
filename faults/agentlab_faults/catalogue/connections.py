"""Faults of the boundary network, before a request is sent: nothing ran, nothing was billed, so trying again is always safe."""

from __future__ import annotations

import errno

from agentlab_faults.catalogue.rates import PASSES, TRANSPORT, often
from agentlab_faults.exchange import Break, Exchange, Pause, WireRequest
from agentlab_faults.fault import Replaces, Row, register

__all__ = ["ConnectionRefused"]


@register(
    Row(
        id="net_conn_refused",
        boundary="network",
        family="connection refused",
        category="transient",
        scope="host",
        best=PASSES,
        why="Nothing was sent, so another try is free; while the host stays down only another host can answer.",
        happens="A provider's edge or a local gateway restarts, or a firewall rule closes the port.",
        agent_should="Retry with backoff inside the deadline, count it for the host's breaker, and move to another host.",
        **often(TRANSPORT, 0.1, harm=2),
    )
)
class ConnectionRefused(Replaces):
    """The host answers the connection attempt with a TCP reset."""

    latency: float = 0.05

    def answer(self, request: WireRequest) -> Exchange:
        cause = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        return Exchange(before=(Pause(self.latency, "connect"), Break("ConnectError", str(cause), cause)))
