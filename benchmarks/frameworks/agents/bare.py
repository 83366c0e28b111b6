"""The loop of the tutorials over the SDK of OpenAI, of Anthropic or of Google. Hardened: the SDK's own retries (5) and `timeout` (30 s).

The second host speaks the same API as the first.
"""

import importlib
import json
from typing import Any

import openai
from openai import AsyncOpenAI

from benchmarks.frameworks.agents.bare_tools import PARAMETERS, TOOLS, TURNS
from benchmarks.frameworks.wiring import FALLBACK_URL, INSTRUCTIONS, Asked, Wiring

SCHEMAS = [{"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in PARAMETERS.items()]


def build(wiring: Wiring) -> Asked:
    if wiring.primary != "openai":
        built: Asked = importlib.import_module(f"{__package__}.bare_{wiring.primary}").build(wiring)
        return built
    return _over_chat_completions(wiring)


def _over_chat_completions(wiring: Wiring) -> Asked:
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
        for _ in range(TURNS):
            message = await ask(messages)
            messages.append(message)
            if not message.get("tool_calls"):
                return message["content"]
            for call in message["tool_calls"]:
                result = await TOOLS[call["function"]["name"]](**json.loads(call["function"]["arguments"]))
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})
        raise RuntimeError(f"no answer after {TURNS} turns")

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
