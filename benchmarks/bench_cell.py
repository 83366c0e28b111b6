"""What the lab costs a cell (the bar is 1.25x): 3 model calls, 2 tools, one 429, a fresh default `AsyncOpenAI` client for each.

The lab's figure has everything in it: simulation, interceptor, scripted provider, journal, ledger, outcome, and the line for the results.
The other is the same agent with the same SDK calls over `httpx2.MockTransport` with a fresh client and no lab; its one back-off is a
microsecond. The two take turns in one run, and CPU time is counted.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx2
from agentlab_suites.agents import load_agent
from agentlab_suites.cell import play_cell
from agentlab_suites.load import load_suite
from agentlab_suites.masking import Masker
from agentlab_suites.plan import cells_of, discover, prepare
from openai import AsyncOpenAI

from benchmarks.measure import Figure, alternated, publish, spread

SUITE = Path(__file__).with_name("refund.suite.yaml")
CELL = "refund_order[openai.chat.2-http_429_rate]"
PROMPT = "Refund order 5512, it arrived broken."
ANSWER = "I refunded EUR 49.90 for order 5512."
CELLS = 8
ROUNDS = 75


async def lookup_order(id: str) -> dict[str, float]:
    return {"total": 49.90}


async def refund(order: str, amount: float) -> dict[str, bool]:
    return {"ok": True}


TOOLS: dict[str, Callable[..., Awaitable[Any]]] = {"lookup_order": lookup_order, "refund": refund}


def schema(name: str, **arguments: str) -> Any:
    properties = {key: {"type": kind} for key, kind in arguments.items()}
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


SCHEMAS = [schema("lookup_order", id="string"), schema("refund", order="string", amount="number")]


async def converse(client: AsyncOpenAI, prompt: str) -> str:
    """The agent of both figures: a plain tool loop."""
    messages: list[Any] = [{"role": "user", "content": prompt}]
    while True:
        answer = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=SCHEMAS)
        message = answer.choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message)
        for call in message.tool_calls:
            if call.type == "function":
                result = await TOOLS[call.function.name](**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})


def build() -> Callable[[str], Awaitable[str]]:
    """The agent under the lab, with a fresh default client."""
    client = AsyncOpenAI(api_key="sk-bench")
    return lambda prompt: converse(client, prompt)


def completion(message: dict[str, Any], reason: str) -> bytes:
    choice = {"index": 0, "finish_reason": reason, "logprobs": None, "message": {"role": "assistant", "refusal": None, **message}}
    usage = {"prompt_tokens": 60, "completion_tokens": 12, "total_tokens": 72}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "gpt-4o-mini"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


def calling(name: str, arguments: dict[str, Any]) -> bytes:
    call = {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return completion({"content": None, "tool_calls": [call]}, "tool_calls")


ANSWERS = [
    calling("lookup_order", {"id": "5512"}),
    calling("refund", {"order": "5512", "amount": 49.90}),
    completion({"content": ANSWER}, "stop"),
]
LIMITED = b'{"error": {"message": "Rate limit reached", "type": "tokens", "param": null, "code": "rate_limit_exceeded"}}'
JSON = {"content-type": "application/json"}


class Provider:
    """What the mock transport answers: the script, with one 429 before its second answer."""

    def __init__(self) -> None:
        self.requests = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        if self.requests == 2:
            return httpx2.Response(429, content=LIMITED, headers=JSON | {"retry-after-ms": "0.001"})
        done = sum(1 for message in json.loads(request.content)["messages"] if message["role"] == "tool")
        return httpx2.Response(200, content=ANSWERS[done], headers=JSON)


async def without_us() -> None:
    """One run with no lab."""
    provider = Provider()
    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(provider), timeout=600.0)
    if await converse(AsyncOpenAI(api_key="sk-bench", http_client=transport), PROMPT) != ANSWER or provider.requests != 4:
        raise AssertionError("the run without us did not do the same work")


def cell(agent: str) -> Callable[[], None]:
    """How to play the cell once with `agent` (`module:attribute`), the suite and its plan made already."""
    prepared = prepare(load_suite(SUITE), load_agent(agent))
    planned = next(found for found in cells_of(prepared, discover(prepared)) if found.id == CELL)
    mask = Masker()

    def play() -> None:
        line = play_cell(planned, prepared.agent, mask=mask).line
        if line.outcome != "success" or line.counts.requests != 4 or line.counts.commits != 1 or line.seen != 1:
            raise AssertionError(f"the cell did not do the same work: {line}")

    return play


def compared(without: Callable[[], Coroutine[Any, Any, None]], agent: str, titles: tuple[str, str, str]) -> list[Figure]:
    """The ratio and both absolute figures, under `titles`."""
    base, lab = alternated([lambda: asyncio.run(without()), cell(agent)], calls=CELLS, rounds=ROUNDS)
    ratios = [after / before for before, after in zip(base, lab, strict=True)]
    middle = statistics.median(lab)
    rounds = f"{ROUNDS} alternated rounds of {CELLS}: {spread(ratios)}"
    return [
        Figure(titles[0], statistics.median(ratios), "x", bar=1.25, note=rounds),
        Figure(titles[1], middle * 1e3, "ms", note=f"{1 / middle:.0f} cells a second and core"),
        Figure(titles[2], statistics.median(base) * 1e3, "ms"),
    ]


def figures() -> list[Figure]:
    """A cell, compared."""
    titles = (
        "a cell over the same SDK calls without us",
        "a cell, journal, ledger, outcome and line included",
        "the same SDK calls over MockTransport, fresh client",
    )
    return compared(without_us, "benchmarks.bench_cell:build", titles)


if __name__ == "__main__":
    publish(figures())
