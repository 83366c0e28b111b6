"""Faults of the boundary network after the request was sent: the answer is late, cut or gone, and the work may have been billed."""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping

from agentlab_faults.catalogue.rates import PASSES, RETRIED, TRANSPORT, often
from agentlab_faults.catalogue.wire import halves, rebodied
from agentlab_faults.exchange import Break, Exchange, Part, Pause, WireRequest
from agentlab_faults.fault import Best, Replaces, Row, Served, Shape, Spoils, register

__all__ = [
    "WAITED",
    "DisconnectedUnanswered",
    "ReadTimeout",
    "ResetMidBody",
    "ResetUnanswered",
    "ShortContentLength",
    "SlowDrip",
    "StallMidBody",
    "TruncatedWithoutLength",
    "reset",
]

WAITED: Mapping[Shape, Best] = {"once": "recoverable", "x3": "needs_fallback", "always": "needs_fallback"}
"""One long wait leaves time for a retry; three, each long enough for a long answer, are more than a minute's deadline."""


def reset() -> ConnectionResetError:
    """What a socket raises when its peer resets it."""
    return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


@register(
    Row(
        id="net_read_timeout",
        boundary="network",
        family="timeout",
        category="transient",
        scope="host",
        best=WAITED,
        why="One timeout leaves time for a retry; three in a row, each long enough for a long answer, are more than a minute's deadline.",
        happens="A model server hangs, or a load balancer drops the connection without a word.",
        agent_should="Keep its own deadline, shorter than the SDK's 600 s a try; retry a pure model call, and count the spend as unknown.",
        outcome_unknown=True,
        **often(TRANSPORT, 0.2, harm=3),
    )
)
class ReadTimeout(Replaces):
    """The request is accepted and then no byte of an answer comes."""

    silence: float = math.inf

    def answer(self, request: WireRequest) -> Exchange:
        del request  # every request fares alike
        return Exchange(before=(Pause(self.silence),))


@register(
    Row(
        id="net_reset_before_response",
        boundary="network",
        family="connection",
        category="transient",
        scope="host",
        best=PASSES,
        why="A model call has no side effect, so sending it again costs at worst a second bill.",
        happens="A server process dies with the request in hand, or a load balancer forgets the connection.",
        agent_should="Retry with backoff; expect that the first try may have been billed.",
        outcome_unknown=True,
        **often(TRANSPORT, 0.12, harm=2),
    )
)
class ResetUnanswered(Replaces):
    """The connection is reset after the request was read, before any answer."""

    latency: float = 0.5

    def answer(self, request: WireRequest) -> Exchange:
        del request  # every request fares alike
        return Exchange(before=(Pause(self.latency), Break("ReadError", str(reset()), reset())))


@register(
    Row(
        id="net_disconnect_no_response",
        boundary="network",
        family="connection",
        category="transient",
        scope="host",
        best=PASSES,
        why="Mostly a kept connection that had gone stale: a new one works.",
        happens="The server closes an idle kept-alive connection in the same moment as the client uses it.",
        agent_should="Retry at once on a new connection, then with backoff.",
        outcome_unknown=True,
        **often(TRANSPORT, 0.12, harm=2),
    )
)
class DisconnectedUnanswered(Replaces):
    """The server closes the connection cleanly without sending a byte."""

    latency: float = 0.05

    def answer(self, request: WireRequest) -> Exchange:
        del request  # every request fares alike
        broken = Break("RemoteProtocolError", "Server disconnected without sending a response.")
        return Exchange(before=(Pause(self.latency), broken))


@register(
    Row(
        id="net_reset_mid_body",
        boundary="network",
        family="cut answer",
        category="transient",
        scope="host",
        best=PASSES,
        why="The half answer is worthless, the next one is whole.",
        happens="A gateway restarts or a mobile network changes cells while the body is on its way.",
        agent_should="Never use the half body; retry or fail over, and count the first try as billed.",
        outcome_unknown=True,
        streamed="no",
        **often(TRANSPORT, 0.05, harm=2),
    )
)
class ResetMidBody(Spoils):
    """The connection is reset in the middle of the answer's body."""

    def spoil(self, served: Served) -> Exchange:
        whole = served.exchange.content
        return rebodied(served.exchange, halves(whole)[0], Break("ReadError", str(reset()), reset()), length=len(whole))


@register(
    Row(
        id="net_short_content_length",
        boundary="network",
        family="cut answer",
        category="transient",
        scope="host",
        best=RETRIED,
        why="The client sees that bytes are missing; the next answer has them.",
        happens="A proxy times out towards its upstream and closes a body that it had announced as longer.",
        agent_should="Retry or fail over; never use the half body.",
        outcome_unknown=True,
        streamed="no",
        **often(TRANSPORT, 0.03, harm=2),
    )
)
class ShortContentLength(Spoils):
    """The connection closes cleanly before the announced number of bytes has come."""

    def spoil(self, served: Served) -> Exchange:
        whole = served.exchange.content
        half = halves(whole)[0]
        text = f"peer closed connection without sending complete message body (received {len(half)} bytes, expected {len(whole)})"
        return rebodied(served.exchange, half, Break("RemoteProtocolError", text), length=len(whole))


@register(
    Row(
        id="net_stall_mid_body",
        boundary="network",
        family="timeout",
        category="transient",
        scope="host",
        best=WAITED,
        why="As with no answer at all: one silence leaves time for a retry, three do not.",
        happens="A proxy's buffer fills up, or a connection dies without a packet to say so.",
        agent_should="Bound each try by the wall clock, cancel, retry, and count the answer as billed.",
        outcome_unknown=True,
        streamed="no",
        **often(TRANSPORT, 0.06, harm=3),
    )
)
class StallMidBody(Spoils):
    """The answer's body stops in the middle and the connection stays open in silence."""

    silence: float = math.inf

    def spoil(self, served: Served) -> Exchange:
        first, rest = halves(served.exchange.content)
        return rebodied(served.exchange, first, Pause(self.silence), rest)


@register(
    Row(
        id="net_truncated_no_length",
        boundary="network",
        family="cut answer",
        category="transient",
        scope="host",
        best=RETRIED,
        why="HTTP cannot tell that it was cut, but JSON can; the next answer is whole.",
        happens="An old proxy answers without Content-Length and closes the connection early.",
        agent_should="Catch ValueError round the call as well as the SDK's errors, and retry.",
        outcome_unknown=True,
        streamed="no",
        **often(TRANSPORT, 0.03, harm=2),
    )
)
class TruncatedWithoutLength(Spoils):
    """A body without Content-Length ends in the middle, which HTTP takes for its end."""

    def spoil(self, served: Served) -> Exchange:
        return rebodied(served.exchange, halves(served.exchange.content)[0], length=None)


@register(
    Row(
        id="net_slow_drip_body",
        boundary="network",
        family="slowness",
        category="transient",
        scope="host",
        best=RETRIED,
        why="Every byte comes in the end, so no read timeout ever fires: only a limit on the whole try leaves time for another one.",
        happens="A provider short of capacity, or a proxy that sends keep-alive bytes, lets each read succeed just in time.",
        agent_should="Impose a wall-clock limit on each try, since a read timeout is per read; cancel and try again or elsewhere.",
        outcome_unknown=True,
        streamed="no",
        **often(TRANSPORT, 0.03, harm=3),
    )
)
class SlowDrip(Spoils):
    """The body comes in `pieces`, each `gap` virtual seconds after the last, always inside the read timeout."""

    pieces: int = 12
    gap: float = 25.0

    def spoil(self, served: Served) -> Exchange:
        whole = served.exchange.content
        size = max(1, -(-len(whole) // self.pieces))
        dripping: list[Part] = []
        for start in range(0, len(whole), size):
            dripping += (Pause(self.gap), whole[start : start + size])
        return rebodied(served.exchange, *dripping)
