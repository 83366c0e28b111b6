"""Good answers, and how faults change them: what a run's provider and faults over a test's own code have in common."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentlab_faults.dialects import Answer, Dialect, Json
from agentlab_faults.dialects.understanding import understood
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.fault import Served, Spoils
from agentlab_faults.reading import Reading, parsed
from agentlab_faults.script import Asked, ScriptedModel
from agentlab_faults.script.spec import Serving

__all__ = ["EPOCH", "Good", "put", "recorded", "serve"]

EPOCH = 1_700_000_000
"""The virtual epoch in Unix seconds: 14 November 2023, 22:13:20 UTC."""
_UNSCRIPTED = Serving(content=None, tool_calls=(), finish_reason="stop", ids=(), turn=-1, kind="aside", latency=0.2)
"""What stands for the model's words where no model is asked; it takes a fifth of a virtual second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """A good answer to one request, before any fault."""

    dialect: Dialect
    request: WireRequest
    body: Mapping[str, Any]
    answer: Answer
    payload: Json
    exchange: Exchange
    streams: bool
    latency: float
    """Virtual seconds."""

    def encoded(self, payload: Json) -> Exchange:
        """Another payload, on its way as this answer is."""
        said = self.answer
        return self.dialect.exchange(
            payload, self.body, streams=self.streams, latency=self.latency, serial=said.serial, created=said.created
        )

    def rendered(self, answer: Answer) -> Exchange:
        """Another answer, on its way as this one is."""
        return self.encoded(self.dialect.render(answer, self.body))

    def spoiled(self, fault: Spoils, chunk: int | None = None) -> Exchange:
        """What is left of it after the fault; `chunk` is the event of the stream that it strikes, from 1."""
        return fault.spoil(self.served(chunk))

    def served(self, chunk: int | None = None) -> Served:
        """The answer as a fault gets it."""
        return Served(
            payload=copy.deepcopy(self.payload),
            exchange=self.exchange,
            request=self.request,
            api=self.dialect.api,
            answer=self.answer,
            asked=lambda: self.dialect.read(self.body),
            streams=self.streams,
            chunk=chunk,
            encoded=self.encoded,
            rendered=self.rendered,
        )


def serve(model: ScriptedModel, asked: Asked, read: Reading, request: WireRequest, *, serial: int, created: int) -> Good:
    """The scripted model's answer to a request, in its dialect. Raises ScriptMissing if the script has none."""
    dialect, body = read.dialect, read.body
    serving = model.serve(asked) if dialect.scripted else _UNSCRIPTED
    answer = dialect.answer(serving, request, body, prompt=read.tokens(), serial=serial, created=created)
    return put(dialect, answer, request, body, latency=serving.latency)


def put(dialect: Dialect, answer: Answer, request: WireRequest, body: Mapping[str, Any], *, latency: float) -> Good:
    """An answer put into the bytes that this request gets; the last of them comes after `latency` virtual seconds."""
    payload, streams = dialect.render(answer, body), dialect.streams(request, body)
    return Good(
        dialect=dialect,
        request=request,
        body=body,
        answer=answer,
        payload=payload,
        exchange=dialect.exchange(payload, body, streams=streams, latency=latency, serial=answer.serial, created=answer.created),
        streams=streams,
        latency=latency,
    )


def recorded(
    dialect: Dialect, exchange: Exchange, request: WireRequest, body: Mapping[str, Any], *, serial: int, latency: float = 0.0
) -> Good | None:
    """A real provider's answer as faults take it; None if it is none that this dialect knows (an error, say)."""
    answer = understood(dialect.api, exchange.content, serial=serial) if exchange.status < 300 else None
    if answer is None:
        return None
    streams = dialect.streams(request, body)
    payload = dialect.render(answer, body) if streams else parsed(exchange.content)
    return Good(
        dialect=dialect,
        request=request,
        body=body,
        answer=answer,
        payload=payload,
        exchange=exchange,
        streams=streams,
        latency=latency,
    )
