"""The loop of the tutorials over the SDK of OpenAI. Hardened: the SDK's own `max_retries` and `timeout`."""

import json
from typing import Any

import openai
from agentlab_faults import tool
from openai import AsyncOpenAI

from benchmarks.frameworks.wiring import FALLBACK_URL, INSTRUCTIONS, Asked, Wiring


@tool
async def search_kb(query: str) -> dict[str, Any]:
    return {"articles": [query]}


@tool
async def check_order(order_id: str) -> dict[str, Any]:
    return {"order": order_id}


TOOLS = {"search_kb": (search_kb, "query"), "check_order": (check_order, "order_id")}
SCHEMAS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]},
        },
    }
    for name, (_, argument) in TOOLS.items()
]


def build(wiring: Wiring) -> Asked:
    options: dict[str, Any] = {"max_retries": 5, "timeout": 30.0} if wiring.hardened else {}
    clients = [AsyncOpenAI(**options)]
    if wiring.fallback:
        clients.append(AsyncOpenAI(base_url=FALLBACK_URL, **options))

    async def ask(messages: list[Any]) -> dict[str, Any]:
        for client in clients:
            try:
                return await (_streamed if wiring.stream else _whole)(client, messages)
            except openai.APIError:
                if client is clients[-1]:
                    raise
        raise AssertionError("unreachable: the last client answers or raises")

    async def agent(prompt: str) -> Any:
        messages: list[Any] = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": prompt}]
        for _ in range(20):
            message = await ask(messages)
            messages.append(message)
            if not message.get("tool_calls"):
                return message["content"]
            for call in message["tool_calls"]:
                result = await TOOLS[call["function"]["name"]][0](**json.loads(call["function"]["arguments"]))
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})
        raise RuntimeError("no answer after 20 turns")

    return agent


async def _whole(client: AsyncOpenAI, messages: list[Any]) -> dict[str, Any]:
    answer = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=SCHEMAS)
    return {"content": None, **answer.choices[0].message.model_dump(exclude_none=True)}


async def _streamed(client: AsyncOpenAI, messages: list[Any]) -> dict[str, Any]:
    text, calls = "", dict[int, dict[str, Any]]()
    async for chunk in await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=SCHEMAS, stream=True):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for part in choice.delta.tool_calls or ():
                call = calls.setdefault(part.index, {"id": part.id, "type": "function", "function": {"name": "", "arguments": ""}})
                call["function"]["name"] += part.function.name or ""
                call["function"]["arguments"] += part.function.arguments or ""
    return {"role": "assistant", "content": text, **({"tool_calls": list(calls.values())} if calls else {})}
