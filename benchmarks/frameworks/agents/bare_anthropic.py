"""The loop of the tutorials over the SDK of Anthropic."""

import json
from typing import Any

import anthropic
from anthropic import AsyncAnthropic

from benchmarks.frameworks.agents.bare_tools import PARAMETERS, TOOLS, TURNS
from benchmarks.frameworks.wiring import FALLBACK_URL, INSTRUCTIONS, Asked, Wiring

SCHEMAS = [{"name": name, "input_schema": schema} for name, schema in PARAMETERS.items()]


def build(wiring: Wiring) -> Asked:
    options: dict[str, Any] = {"max_retries": 5, "timeout": 30.0} if wiring.hardened else {}
    clients = [AsyncAnthropic(**options)]
    if wiring.fallback:
        clients.append(AsyncAnthropic(base_url=FALLBACK_URL.removesuffix("/v1"), **options))

    async def ask(messages: list[Any]) -> Any:
        for client in clients:
            try:
                return await (_streamed if wiring.stream else _whole)(client, messages)
            except anthropic.APIError:
                if client is clients[-1]:
                    raise
        raise AssertionError("unreachable: the last client answers or raises")

    async def agent(prompt: str) -> Any:
        messages: list[Any] = [{"role": "user", "content": prompt}]
        for _ in range(TURNS):
            message = await ask(messages)
            calls = [block for block in message.content if block.type == "tool_use"]
            if not calls:
                return "".join(block.text for block in message.content if block.type == "text")
            results = [
                {"type": "tool_result", "tool_use_id": call.id, "content": json.dumps(await TOOLS[call.name](**call.input))}
                for call in calls
            ]
            messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
        raise RuntimeError(f"no answer after {TURNS} turns")

    return agent


def _request(messages: list[Any]) -> dict[str, Any]:
    return {"model": "claude-haiku-4-5", "max_tokens": 1024, "system": INSTRUCTIONS, "messages": messages, "tools": SCHEMAS}


async def _whole(client: AsyncAnthropic, messages: list[Any]) -> Any:
    return await client.messages.create(**_request(messages))


async def _streamed(client: AsyncAnthropic, messages: list[Any]) -> Any:
    async with client.messages.stream(**_request(messages)) as stream:
        return await stream.get_final_message()
