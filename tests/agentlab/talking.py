"""Real SDKs against the lab's dialects: what reaches the wire is read back, what comes off it is rendered by the provider's own rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agentlab_faults.dialects import DIALECTS, Answer
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.intercept.endpoints import classify
from agentlab_faults.sim import Simulation

from agentlab.answers import Answer as OurAnswer
from agentlab.client import ModelClient
from agentlab.models import Api, Model, Request
from agentlab.providers import provider_of

MODELS: dict[str, Model] = {
    "openai-chat": Model(name="gpt-4o-mini"),
    "openai-responses": Model(name="gpt-4.1-mini", api="openai-responses"),
    "anthropic": Model(name="claude-haiku-4-5", api="anthropic"),
    "google": Model(name="gemini-2.5-flash", api="google"),
    "google 3": Model(name="gemini-3-flash", api="google"),
}
for _model in MODELS.values():
    provider_of(_model).load()  # before any run: on a busy machine it can take longer than the lab waits for code that does not give way
APIS: tuple[Api, ...] = ("openai-chat", "openai-responses", "anthropic", "google")


@dataclass
class Dialects:
    """Answers each request in its own dialect with `answer`, unless the provider would refuse it."""

    simulation: Simulation
    answer: Answer = field(default_factory=lambda: said("Fine."))
    bodies: list[Any] = field(default_factory=list)
    """What was asked."""
    read: list[list[Any]] = field(default_factory=list)
    """The messages as the provider understood them."""
    refusals: list[bytes] = field(default_factory=list)

    def __call__(self, request: WireRequest) -> tuple[Exchange, None]:
        body = json.loads(request.body)
        endpoint = classify(request)
        assert endpoint is not None
        dialect = DIALECTS[endpoint.api]
        self.bodies.append(body)
        refusal = dialect.refuse(request, body, serial=1)
        if refusal is not None:
            self.refusals.append(refusal.content)
            return refusal, None
        self.read.append(list(dialect.read(body).messages))
        payload = dialect.render(self.answer, body)
        return dialect.exchange(payload, body, streams=dialect.streams(request, body), latency=1.0, serial=1), None

    def ask(self, client: ModelClient, messages: Sequence[Any], shown: list[str] | None = None, **options: Any) -> OurAnswer:
        """The answer to one request."""
        request = Request(messages=messages, **options)
        show = None if shown is None else shown.append
        found: OurAnswer = self.simulation.settle(client.ask(request, seconds=8.0, at_most=9.0, max_tokens=1000, show=show))
        return found


def said(text: str | None, *calls: Any, finish: str = "stop", **options: Any) -> Answer:
    """A model's answer before any dialect."""
    return Answer(content=text, calls=calls, finish=finish, usage=options.pop("usage", None), model="m", created=1, serial=1, **options)
