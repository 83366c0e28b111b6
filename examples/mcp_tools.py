"""An agent whose tools live in an MCP server. It opens a session for each question, and says so when it cannot:

agentlab test examples/mcp_tools.suite.yaml
"""

import asyncio
import json
import os

from httpx2 import TransportError
from mcp import Client, MCPError
from openai import AsyncOpenAI
from pydantic import ValidationError

FAILURES = (MCPError, TransportError, ValidationError, RuntimeError)
SORRY = "I'm sorry, I cannot reach the shop's systems right now. Nothing was refunded as far as I can tell, but please check later."


async def answer(client, tools, text):
    offered = [{"type": "function", "function": {"name": tool.name, "parameters": tool.input_schema}} for tool in tools.tools]
    messages = [{"role": "user", "content": text}]
    while True:
        said = await AsyncOpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages, tools=offered)
        message = said.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return message.content
        for call in message.tool_calls:
            result = await client.call_tool(call.function.name, json.loads(call.function.arguments))
            shown = "\n".join(part.text for part in result.content)
            text = json.dumps({"error": shown}) if result.is_error else shown
            messages.append({"role": "tool", "tool_call_id": call.id, "content": text})


def build():
    url = os.environ.get("SHOP_MCP_URL", "https://mcp.shop.example/mcp")

    async def agent(text):
        for attempt in range(3):
            try:
                async with Client(url, read_timeout_seconds=10) as client:
                    return await answer(client, await client.list_tools(), text)
            except* FAILURES:  # a dead transport cancels what runs in it and leaves a group
                await asyncio.sleep(2**attempt)
        return SORRY

    return agent


if __name__ == "__main__":
    print(asyncio.run(build()("What does order 5512 cost?")))
