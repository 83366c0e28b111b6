"""What the lab costs a cell of an agent that streams (the bar is 1.25x): 3 streamed model calls, 2 tools, one 429, a fresh client for each.

As `bench_cell.py`, with every answer in events: the mock's body hands over one event a read, as ours does.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
from agentlab_faults.dialects.chat.answers import events
from agentlab_suites.agents import load_agent
from agentlab_suites.cell import play_cell
from agentlab_suites.load import load_suite
from agentlab_suites.masking import Masker
from agentlab_suites.plan import cells_of, discover, prepare
from openai import AsyncOpenAI

from benchmarks.bench_cell import ANSWER, ANSWERS, CELL, CELLS, JSON, LIMITED, PROMPT, ROUNDS, SCHEMAS, SUITE, lookup_order, refund
from benchmarks.measure import Figure, alternated, publish, spread

__all__ = ["build", "figures"]


TOOLS: dict[str, Callable[..., Awaitable[Any]]] = {"lookup_order": lookup_order, "refund": refund}


async def converse(client: AsyncOpenAI, prompt: str) -> str:
    """The agent of both figures: a plain tool loop over streams."""
    messages: list[Any] = [{"role": "user", "content": prompt}]
    while True:
        text, calls = "", {}
        async for chunk in await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=SCHEMAS, stream=True):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for part in choice.delta.tool_calls or ():
                    call = calls.setdefault(part.index, {"id": part.id, "type": "function", "function": {"name": "", "arguments": ""}})
                    if part.function is not None:
                        call["function"]["name"] += part.function.name or ""
                        call["function"]["arguments"] += part.function.arguments or ""
        if not calls:
            return text
        messages.append({"role": "assistant", "content": text or None, "tool_calls": list(calls.values())})
        for call in calls.values():
            result = await TOOLS[call["function"]["name"]](**json.loads(call["function"]["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})


def build() -> Callable[[str], Awaitable[str]]:
    """The agent under the lab, with a fresh default client."""
    client = AsyncOpenAI(api_key="sk-bench")
    return lambda prompt: converse(client, prompt)


def streamed(answer: bytes) -> list[bytes]:
    """A completion as the events that the scripted provider makes of it."""
    return events({"service_tier": "default", "system_fingerprint": "fp"} | json.loads(answer), {})


STREAMS = [streamed(answer) for answer in ANSWERS]


class Events(httpx2.AsyncByteStream):
    """A body that hands over one event a read."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


class Provider:
    """What the mock transport answers: the script, with one 429 before its second answer."""

    def __init__(self) -> None:
        self.requests = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        if self.requests == 2:
            return httpx2.Response(429, content=LIMITED, headers=JSON | {"retry-after-ms": "0.001"})
        done = sum(1 for message in json.loads(request.content)["messages"] if message["role"] == "tool")
        return httpx2.Response(200, stream=Events(STREAMS[done]), headers={"content-type": "text/event-stream"})


async def without_us() -> None:
    """One run with no lab."""
    provider = Provider()
    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(provider), timeout=600.0)
    if await converse(AsyncOpenAI(api_key="sk-bench", http_client=transport), PROMPT) != ANSWER or provider.requests != 4:
        raise AssertionError("the run without us did not do the same work")


def cell() -> Callable[[], None]:
    """How to play the cell once, the suite and its plan made already."""
    prepared = prepare(load_suite(SUITE), load_agent("benchmarks.bench_stream:build"))
    planned = next(found for found in cells_of(prepared, discover(prepared)) if found.id == CELL)
    mask = Masker()

    def play() -> None:
        line = play_cell(planned, prepared.agent, mask=mask).line
        if line.outcome != "success" or line.counts.requests != 4 or line.counts.commits != 1 or line.seen != 1:
            raise AssertionError(f"the cell did not do the same work: {line}")

    return play


def figures() -> list[Figure]:
    """The ratio and both absolute figures."""
    base, lab = alternated([lambda: asyncio.run(without_us()), cell()], calls=CELLS, rounds=ROUNDS)
    ratios = [after / before for before, after in zip(base, lab, strict=True)]
    middle = statistics.median(lab)
    return [
        Figure(
            "a streaming cell over the same streamed SDK calls without us",
            statistics.median(ratios),
            "x",
            bar=1.25,
            note=f"{ROUNDS} alternated rounds of {CELLS}: {spread(ratios)}",
        ),
        Figure("a streaming cell, all included", middle * 1e3, "ms", note=f"{1 / middle:.0f} cells a second and core"),
        Figure("the same streamed SDK calls over MockTransport, fresh client", statistics.median(base) * 1e3, "ms"),
    ]


if __name__ == "__main__":
    publish(figures())
