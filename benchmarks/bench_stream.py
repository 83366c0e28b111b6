"""What the lab costs a cell of an agent that streams (the bar is 1.25x): 3 streamed model calls, 2 tools, one 429, a fresh client for each.

As `bench_cell.py`, with every answer in events: the mock's body hands over one event a read, as ours does.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
from agentlab_faults.dialects.chat.answers import events
from openai import AsyncOpenAI

from benchmarks.bench_cell import ANSWER, ANSWERS, JSON, LIMITED, PROMPT, SCHEMAS, TOOLS, compared
from benchmarks.measure import Figure, publish

__all__ = ["build", "figures"]


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


def figures() -> list[Figure]:
    """A streaming cell, compared."""
    titles = (
        "a streaming cell over the same streamed SDK calls without us",
        "a streaming cell, all included",
        "the same streamed SDK calls over MockTransport, fresh client",
    )
    return compared(without_us, "benchmarks.bench_stream:build", titles)


if __name__ == "__main__":
    publish(figures())
