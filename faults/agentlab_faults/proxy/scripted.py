"""The script behind the server: the very provider that answers in process, with a real clock."""

from __future__ import annotations

from typing import Final, Protocol

from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.intercept.endpoints import classify
from agentlab_faults.provider import Provider
from agentlab_faults.proxy.channel import Channel
from agentlab_faults.proxy.playing import Answering
from agentlab_faults.proxy.reading import Arrived
from agentlab_faults.proxy.server import problem
from agentlab_faults.run import Run

__all__ = ["Scripted", "Side", "as_sent_to_provider"]

_HOSTS: Final = (
    ("openai.", "api.openai.com"),
    ("anthropic.", "api.anthropic.com"),
    ("gemini.", "generativelanguage.googleapis.com"),
)


def as_sent_to_provider(wire: WireRequest, api: str) -> WireRequest:
    """The request with the host that it would go to: here all providers are one address, and schedules tell them apart by host."""
    host = next((host for prefix, host in _HOSTS if api.startswith(prefix)), wire.host)
    return wire._replace(host=host)


class Side(Protocol):
    """A run and its provider: a scope of `agentlab chaos`, or one cell."""

    run: Run
    provider: Provider


class Scripted:
    """Answers model calls from the script; everything else is told so."""

    async def answer(self, scope: Side, arrived: Arrived, channel: Channel) -> Answering:
        """The exchange to play."""
        del channel  # a script answers at once
        endpoint = classify(arrived.wire)
        if endpoint is not None and endpoint.kind == "telemetry":
            return Answering(Exchange(202, (("content-length", "0"),)))
        if endpoint is None or endpoint.kind != "provider" or endpoint.api == "side":
            return Answering(
                problem(404, f"{arrived.wire.method} {arrived.wire.path[:80]} is no call of a model, and the script answers only those.")
            )
        before = len(scope.run.problems)
        answered = scope.provider(as_sent_to_provider(arrived.wire, endpoint.api))
        if len(scope.run.problems) > before or answered is None:
            return Answering(problem(400, scope.run.problems[-1] if scope.run.problems else "nobody answers this call."))
        return Answering(*answered)
