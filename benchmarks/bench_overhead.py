"""What a framework costs a run of 3 model calls and 2 tools over the bare loop (the bar is 1.5 ms for ours), alternated in one process.

All talk to the same stub in the place of httpx2's transport, through their own SDK, with clients that are built once. Ours has every layer
on: cache, intents, breakers, and spans that are recorded and handed to an exporter that drops them. The frameworks are as they come,
without exporters. CPU time is counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any

import httpx2
from agents import set_tracing_disabled
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from agentlab import Agent, Intent, Model, ResponseCache, tool
from benchmarks.frameworks.matrix import ANSWER, PROMPT
from benchmarks.frameworks.wiring import AGENTS, INSTRUCTIONS, Wiring
from benchmarks.measure import Figure, alternated, publish

BAR = 1.5
"""Milliseconds."""
RUNS = 10
ROUNDS = 15
CALLS = (("search_kb", {"query": "orders"}), ("check_order", {"order_id": "42"}))
Ask = Callable[[], Awaitable[str]]


class Dropping(SpanExporter):
    """Takes every span and does nothing with it."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def completion(step: int) -> bytes:
    """The model's answer once `step` tools have answered."""
    message: dict[str, Any] = {"role": "assistant", "content": ANSWER if step >= len(CALLS) else None, "refusal": None}
    if step < len(CALLS):
        name, arguments = CALLS[step]
        message["tool_calls"] = [{"id": f"call_{step}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}]
    choice = {"index": 0, "finish_reason": "stop" if step >= len(CALLS) else "tool_calls", "logprobs": None, "message": message}
    usage = {"prompt_tokens": 60, "completion_tokens": 12, "total_tokens": 72}
    head = {"id": f"chatcmpl-{step}", "object": "chat.completion", "created": 1_700_000_000, "model": "gpt-4o-mini-2024-07-18"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


ANSWERS = [completion(step) for step in range(len(CALLS) + 1)]


async def answer(_transport: object, request: httpx2.Request) -> httpx2.Response:
    """Stands in the place of `httpx2.AsyncHTTPTransport.handle_async_request`."""
    step = request.content.count(b'"role":"tool"') + request.content.count(b'"role": "tool"')
    return httpx2.Response(200, headers={"content-type": "application/json"}, content=ANSWERS[step])


@tool
async def search_kb(query: str) -> dict[str, Any]:
    """Search the knowledge base."""
    return {"articles": [query]}


@tool
async def check_order(order_id: str) -> dict[str, Any]:
    """Look an order up."""
    return {"order": order_id}


def ours() -> Ask:
    """Every layer on; each run is a conversation of its own, as in a service."""
    agent = Agent(
        "orders",
        instructions=INSTRUCTIONS,
        models=[Model(name="gpt-4o-mini"), Model(name="backup", base_url="https://llm.fallback.example/v1")],
        tools=[search_kb, check_order],
        cache=ResponseCache({"What are your opening hours?": "From nine to five."}),
        intents=[Intent("order", (r"\border\b",), "I could not look up your order.")],
    )

    async def ask() -> str:
        return (await agent.new_conversation()(PROMPT)).text

    return ask


def other(number: int) -> Ask:
    """An agent of the matrix, as it comes."""
    agent = AGENTS[number].build(Wiring())

    async def ask() -> str:
        return str(await agent(PROMPT))

    return ask


def figures() -> list[Figure]:
    """Milliseconds of a run beyond the bare loop's, each round against its own."""
    os.environ |= {"OPENAI_API_KEY": "sk-bench", "FALLBACK_API_KEY": "sk-bench"}  # nothing is sent: the transport answers
    loop = asyncio.new_event_loop()
    httpx2.AsyncHTTPTransport.handle_async_request = answer  # type: ignore[method-assign]
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Dropping()))
    asks = {"bare loop": other(1), "agentlab": ours(), **{entry.distribution: other(n) for n, entry in enumerate(AGENTS) if n >= 2}}
    for name, ask in asks.items():
        if (said := loop.run_until_complete(ask())) != ANSWER:
            sys.exit(f"{name} answered {said!r}")
    trace.set_tracer_provider(provider)
    rounds = alternated([lambda ask=ask: loop.run_until_complete(ask()) for ask in asks.values()], calls=RUNS, rounds=ROUNDS)
    bare, *rest = rounds
    least = f"the bare loop takes {1000 * statistics.median(bare):.2f} ms; {ROUNDS} alternated rounds of {RUNS}"
    found = []
    for name, taken in zip(list(asks)[1:], rest, strict=True):
        beyond = [1000 * (mine - his) for mine, his in zip(taken, bare, strict=True)]
        spread = f"{min(beyond):.2f} to {max(beyond):.2f}"
        shown = name if name == "agentlab" else f"{name} {version(name)}"
        note = f"{spread}; {least}" if name == "agentlab" else spread
        found.append(
            Figure(
                f"a run with {shown} over the bare loop",
                statistics.median(beyond),
                "ms",
                bar=BAR if name == "agentlab" else None,
                note=note,
            )
        )
    return found


if __name__ == "__main__":
    set_tracing_disabled(disabled=True)
    publish(figures())
