"""A provider whose answers a test writes down, in virtual time, through the real SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from agentlab_faults import intercept
from agentlab_faults.exchange import Break, Exchange, Part, Pause, WireRequest
from agentlab_faults.sim import Simulation

PRIMARY = "api.openai.com"
FALLBACK = "llm.fallback.example"
Answering = Exchange | Callable[[dict[str, Any]], Exchange]


def answer(message: dict[str, Any], finish: str, **usage: int) -> Exchange:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
        "usage": usage or {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
    return Exchange(200, (("content-type", "application/json"),), (Pause(1.0), json.dumps(body).encode()))


def say(text: Any, finish: str = "stop", **usage: int) -> Exchange:
    return answer({"content": text}, finish, **usage)


def call(*calls: tuple[str, Any], ids: tuple[str | None, ...] = (), finish: str = "tool_calls") -> Exchange:
    """An answer that calls tools: (name, arguments); arguments that are no text are written as JSON."""
    made = [
        {
            "id": ids[n] if n < len(ids) else f"call_{n}_{abs(hash(str(calls))) % 9999}",
            "type": "function",
            "function": {"name": name, "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments)},
        }
        for n, (name, arguments) in enumerate(calls)
    ]
    return answer({"content": None, "tool_calls": made}, finish)


def error(status: int, code: str = "", headers: tuple[tuple[str, str], ...] = (), message: str = "broken") -> Exchange:
    body = json.dumps({"error": {"message": message, "type": "error", "code": code or None}}).encode()
    return Exchange(status, (("content-type", "application/json"), *headers), (Pause(1.0), body))


def raw(*parts: Part, content_type: str = "application/json") -> Exchange:
    return Exchange(200, (("content-type", content_type),), parts)


def refused() -> Exchange:
    return Exchange(before=(Break("ConnectError", "refused"),))


def silent() -> Exchange:
    return Exchange(before=(Pause(float("inf")),))


@dataclass
class Wire:
    """The hosts' answers, one for each request in order; the last one stays. `requests` holds (host, body, virtual seconds)."""

    simulation: Simulation
    hosts: dict[str, list[Answering]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any], float]] = field(default_factory=list)

    def primary(self, *answers: Answering) -> None:
        self.hosts[PRIMARY] = list(answers)

    def fallback(self, *answers: Answering) -> None:
        self.hosts[FALLBACK] = list(answers)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.simulation.settle(work)

    @property
    def now(self) -> float:
        return self.simulation.now

    @property
    def asked(self) -> list[str]:
        return [host for host, _, _ in self.requests]

    def messages(self, n: int = -1) -> list[dict[str, Any]]:
        """The messages of the n-th request."""
        found: list[dict[str, Any]] = self.requests[n][1]["messages"]
        return found

    def __call__(self, request: WireRequest) -> tuple[Exchange, None]:
        body = json.loads(request.body)
        self.requests.append((request.host, body, self.simulation.now))
        queue = self.hosts[request.host]
        chosen = queue.pop(0) if len(queue) > 1 else queue[0]
        return (chosen if isinstance(chosen, Exchange) else chosen(body)), None


@pytest.fixture
def wire() -> Iterator[Wire]:
    intercept.install()
    simulation = Simulation(seed=0, cap=100_000.0)
    provider = Wire(simulation)
    with intercept.armed(provider), simulation:
        yield provider
