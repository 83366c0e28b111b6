"""Faults of the boundary stream in its time and its end: it stalls, drips, breaks off, or ends without saying that it is whole."""

from __future__ import annotations

import math
from collections.abc import Sequence

from agentlab_faults.catalogue.apis import ANTHROPIC, CHAT_ONLY
from agentlab_faults.catalogue.events import StrikesEvent
from agentlab_faults.catalogue.lost_answers import WAITED, reset
from agentlab_faults.catalogue.rates import HARMLESS, PASSES, RETRIED, STREAM, often
from agentlab_faults.exchange import Break, Exchange, Part, Pause
from agentlab_faults.fault import Row, Served, Spoils, register

__all__ = [
    "CutClean",
    "CutMidJson",
    "DrippingStream",
    "FinWithoutLastChunk",
    "NoDoneMarker",
    "ResetMidway",
    "SlowFirstToken",
    "StallMidway",
]

DISCARD = (
    "Discard or mark the partial text, never run a partial tool call, and ask for the turn again; catch the HTTP library's errors too."
)


@register(
    Row(
        id="stream_slow_first_token",
        boundary="stream",
        family="slow stream",
        category="transient",
        scope="model",
        best=WAITED,
        why="Nothing was shown yet, so a retry or a failover is clean; three silences as long as the read timeout are past any deadline.",
        happens="A model queues the request behind others after the load balancer has answered with the headers.",
        agent_should="Keep a deadline of its own for the first token; then retry or fail over, as nothing was shown.",
        streamed="only",
        outcome_unknown=True,
        **often(STREAM, 0.12, harm=3),
    )
)
class SlowFirstToken(Spoils):
    """Status and headers come at once, and then no event for `silence` virtual seconds."""

    silence: float = math.inf
    headers_after: float = 0.2
    """Virtual seconds."""

    def spoil(self, served: Served) -> Exchange:
        return served.exchange._replace(before=(Pause(self.headers_after),), body=(Pause(self.silence), *served.exchange.body))


@register(
    Row(
        id="stream_slow_drip",
        boundary="stream",
        family="slow stream",
        category="transient",
        scope="model",
        best=RETRIED,
        why="Every read succeeds in time, so only a limit on the whole stream leaves time for another try.",
        happens="A provider short of capacity, or a proxy that lets each read succeed just in time.",
        agent_should="Bound the whole stream by the wall clock and check that tokens come at a least rate.",
        streamed="only",
        outcome_unknown=True,
        **often(STREAM, 0.03, harm=3),
    )
)
class DrippingStream(Spoils):
    """Each event comes `gap` virtual seconds after the last, always inside the read timeout."""

    gap: float = 25.0

    def spoil(self, served: Served) -> Exchange:
        dripping: list[Part] = []
        for part in served.exchange.body:
            if not isinstance(part, Pause):
                dripping += (Pause(self.gap), part)
        return served.exchange._replace(body=tuple(dripping))


@register(
    Row(
        id="stream_stall_midway",
        boundary="stream",
        family="slow stream",
        category="transient",
        scope="model",
        best=WAITED,
        why="One silence leaves time for another try, three as long as the read timeout do not.",
        happens="A model server hangs while it generates, or a proxy loses the connection behind it.",
        agent_should=DISCARD,
        streamed="only",
        at_event=True,
        outcome_unknown=True,
        **often(STREAM, 0.08, harm=3),
    )
)
class StallMidway(StrikesEvent):
    """The stream falls silent before an event for `silence` virtual seconds."""

    silence: float = math.inf

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del served
        return (*before, Pause(self.silence), event, *after)


@register(
    Row(
        id="stream_reset_midway",
        boundary="stream",
        family="broken stream",
        category="transient",
        scope="host",
        best=PASSES,
        why="The next stream is whole; the partial one is worth nothing.",
        happens="A gateway is redeployed or a server process dies while it streams.",
        agent_should=DISCARD,
        streamed="only",
        at_event=True,
        outcome_unknown=True,
        **often(STREAM, 0.08, harm=3),
    )
)
class ResetMidway(StrikesEvent):
    """The connection is reset before an event."""

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del served, event, after
        return (*before, Break("ReadError", str(reset()), reset()))


@register(
    Row(
        id="stream_fin_no_last_chunk",
        boundary="stream",
        family="broken stream",
        category="transient",
        scope="host",
        best=PASSES,
        why="The HTTP library sees that the body is not whole; the next one is.",
        happens="A proxy's limit on the time of a response closes the connection in the middle.",
        agent_should=DISCARD,
        streamed="only",
        at_event=True,
        outcome_unknown=True,
        **often(STREAM, 0.06, harm=3),
    )
)
class FinWithoutLastChunk(StrikesEvent):
    """The connection is closed before an event, without the chunk that ends a body."""

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del served, event, after
        text = "peer closed connection without sending complete message body (incomplete chunked read)"
        return (*before, Break("RemoteProtocolError", text))


@register(
    Row(
        id="stream_cut_clean",
        boundary="stream",
        family="broken stream",
        category="transient",
        scope="host",
        best=PASSES,
        why="No error is raised, but the mark of a whole answer is missing; the next stream has it.",
        happens="A gateway loses its upstream and ends the body as if it were whole.",
        agent_should="Demand the terminal mark (finish_reason, message_stop, response.completed): without it the call failed.",
        streamed="only",
        at_event=True,
        outcome_unknown=True,
        **often(STREAM, 0.06, harm=3),
    )
)
class CutClean(StrikesEvent):
    """The body ends, cleanly, before an event."""

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del served, event, after
        return before


@register(
    Row(
        id="stream_cut_mid_json",
        boundary="stream",
        family="broken stream",
        category="transient",
        scope="host",
        best=PASSES,
        why="As with a clean cut: half an event is dropped in silence, and the mark of a whole answer is missing.",
        happens="A gateway loses its upstream between two packets of one event, and ends the body.",
        agent_should="Demand the terminal mark; without it the call failed.",
        streamed="only",
        at_event=True,
        outcome_unknown=True,
        **often(STREAM, 0.03, harm=3),
    )
)
class CutMidJson(StrikesEvent):
    """The body ends, cleanly, in the middle of an event."""

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del served, after
        return (*before, event[: len(event) // 2])


@register(
    Row(
        id="stream_no_done_marker",
        boundary="stream",
        family="odd stream",
        category="none",
        scope="model",
        best=HARMLESS,
        why="The reason why the model stopped came: the answer is whole.",
        happens="Compatible servers that do not know the marker.",
        agent_should="Nothing, if the finish reason came.",
        streamed="only",
        apis=CHAT_ONLY | ANTHROPIC,
        **often(STREAM, 0.03, harm=1),
    )
)
class NoDoneMarker(Spoils):
    """The stream has everything but its last event, `[DONE]` or `message_stop`."""

    def spoil(self, served: Served) -> Exchange:
        return served.exchange._replace(body=served.exchange.body[:-1])
