"""What the lab costs a cell (the bar is 1.25x): 3 model calls, 2 tools, one 429, a fresh default `AsyncOpenAI` client for each.

The engine's figure has everything in it: simulation, interceptor, scripted provider, journal, ledger. The other is the same agent with the
same SDK calls over `httpx2.MockTransport` with a fresh client and no lab; its one back-off is a microsecond. The two take turns in one run.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
from agentlab_faults import Injection, Schedule, Setup, Talk, Tool, play, tool
from agentlab_faults.catalogue import select
from agentlab_faults.script import Call, Say, ScriptSpec
from openai import AsyncOpenAI

from benchmarks.measure import Figure, alternated, publish, spread

PROMPT = "Refund order 5512, it arrived broken."
ANSWER = "I refunded EUR 49.90 for order 5512."
CELLS = 40
ROUNDS = 11


@tool
async def lookup_order(id: str) -> dict[str, float]:
    return {"total": 49.90}


@tool
async def refund(order: str, amount: float) -> dict[str, bool]:
    return {"ok": True}


TOOLS: dict[str, Callable[..., Awaitable[Any]]] = {"lookup_order": lookup_order, "refund": refund}


def schema(name: str, **arguments: str) -> Any:
    properties = {key: {"type": kind} for key, kind in arguments.items()}
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": properties, "required": list(properties)}},
    }


SCHEMAS = [schema("lookup_order", id="string"), schema("refund", order="string", amount="number")]


async def agent(client: AsyncOpenAI) -> str:
    """The agent of both figures: a plain tool loop."""
    messages: list[Any] = [{"role": "user", "content": PROMPT}]
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


SCRIPT = ScriptSpec(
    turns=(
        Call(calls=(("lookup_order", {"id": "5512"}),)),
        Call(calls=(("refund", {"order": "5512", "amount": 49.90}),)),
        Say(ANSWER),
    )
)
SETUP = Setup(
    scripts=(SCRIPT,),
    prompts=(PROMPT,),
    tools={
        "lookup_order": Tool(name="lookup_order", returns={"total": 49.90}),
        "refund": Tool(name="refund", effect="write", identity=("order",)),
    },
)


def conversation(talk: Talk) -> None:
    talk.turn(PROMPT)
    talk.reply(talk.settle(agent(AsyncOpenAI(api_key="sk-bench"))))


def completion(message: dict[str, Any], reason: str) -> bytes:
    choice = {"index": 0, "finish_reason": reason, "logprobs": None, "message": {"role": "assistant", "refusal": None, **message}}
    usage = {"prompt_tokens": 60, "completion_tokens": 12, "total_tokens": 72}
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o-mini",
        "choices": [choice],
        "usage": usage,
    }
    return json.dumps(whole).encode()


def calling(name: str, arguments: dict[str, Any]) -> bytes:
    call = {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return completion({"content": None, "tool_calls": [call]}, "tool_calls")


ANSWERS = [
    calling("lookup_order", {"id": "5512"}),
    calling("refund", {"order": "5512", "amount": 49.90}),
    completion({"content": ANSWER}, "stop"),
]
LIMITED = b'{"error": {"message": "Rate limit reached", "type": "tokens", "param": null, "code": "rate_limit_exceeded"}}'


class Provider:
    """What the mock transport answers: the script, with one 429 before its second answer."""

    def __init__(self) -> None:
        self.requests = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        if self.requests == 2:
            return httpx2.Response(429, content=LIMITED, headers={"content-type": "application/json", "retry-after-ms": "0.001"})
        done = sum(1 for message in json.loads(request.content)["messages"] if message["role"] == "tool")
        return httpx2.Response(200, content=ANSWERS[done], headers={"content-type": "application/json"})


async def without_us() -> None:
    """One run with no lab."""
    provider = Provider()
    client = AsyncOpenAI(api_key="sk-bench", http_client=httpx2.AsyncClient(transport=httpx2.MockTransport(provider), timeout=600.0))
    if await agent(client) != ANSWER or provider.requests != 4:
        raise AssertionError("the run without us did not do the same work")


def figures() -> list[Figure]:
    """The ratio and both absolute figures."""
    [limit] = select(["http_429_rate"])
    schedule = Schedule("openai.chat.2-http_429_rate", (Injection(fault=limit(), at="openai.chat.2"),))
    clean = play(conversation, SETUP).clean

    def cell() -> None:
        played = play(conversation, SETUP, schedule, clean=clean)
        if played.replies != (ANSWER,) or played.requests != 4 or len(played.ledger.commits) != 1:
            raise AssertionError(f"the cell did not do the same work: {played}")

    base, lab = alternated([lambda: asyncio.run(without_us()), cell], calls=CELLS, rounds=ROUNDS)
    ratios = [after / before for before, after in zip(base, lab, strict=True)]
    note = f"{ROUNDS} alternated rounds of {CELLS}: {spread(ratios)}"
    return [
        Figure("a cell over the same calls without us", statistics.median(ratios), "x", bar=1.25, note=note),
        Figure(
            "a cell in the engine", statistics.median(lab) * 1e3, "ms", note=f"{1 / statistics.median(lab):.0f} cells a second and core"
        ),
        Figure("the same SDK calls over MockTransport, fresh client", statistics.median(base) * 1e3, "ms"),
    ]


if __name__ == "__main__":
    publish(figures())
