"""The loop of the tutorials over google-genai."""

from typing import Any

import aiohttp
from google import genai
from google.genai import errors, types

from benchmarks.frameworks.agents.bare_tools import PARAMETERS, TOOLS, TURNS
from benchmarks.frameworks.wiring import FALLBACK_URL, INSTRUCTIONS, Asked, Wiring

FAILS = (errors.APIError, aiohttp.ClientError, OSError)
"""The SDK lets the errors of its transport through, timeouts among them."""
CONFIG = types.GenerateContentConfig(
    system_instruction=INSTRUCTIONS,
    tools=[
        types.Tool(
            function_declarations=[
                types.FunctionDeclaration(name=name, parameters_json_schema=schema) for name, schema in PARAMETERS.items()
            ]
        )
    ],
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
)


def build(wiring: Wiring) -> Asked:
    hardening: dict[str, Any] = {"timeout": 30_000, "retry_options": types.HttpRetryOptions(attempts=6)} if wiring.hardened else {}
    clients = [genai.Client(http_options=types.HttpOptions(**hardening))]
    if wiring.fallback:
        clients.append(genai.Client(http_options=types.HttpOptions(base_url=FALLBACK_URL.removesuffix("/v1"), **hardening)))

    async def ask(contents: list[Any]) -> list[types.Part]:
        for client in clients:
            try:
                return await (_streamed if wiring.stream else _whole)(client, contents)
            except FAILS:
                if client is clients[-1]:
                    raise
        raise AssertionError("unreachable: the last client answers or raises")

    async def agent(prompt: str) -> Any:
        contents: list[Any] = [types.Content(role="user", parts=[types.Part(text=prompt)])]
        for _ in range(TURNS):
            parts = await ask(contents)
            calls = [part.function_call for part in parts if part.function_call]
            if not calls:
                return "".join(part.text or "" for part in parts)
            results = [
                types.Part.from_function_response(name=str(call.name), response=await TOOLS[str(call.name)](**(call.args or {})))
                for call in calls
            ]
            contents += [types.Content(role="model", parts=parts), types.Content(role="user", parts=results)]
        raise RuntimeError(f"no answer after {TURNS} turns")

    return agent


async def _whole(client: genai.Client, contents: list[Any]) -> list[types.Part]:
    answer: Any = await client.aio.models.generate_content(model="gemini-2.5-flash", contents=contents, config=CONFIG)
    return list(answer.candidates[0].content.parts)


async def _streamed(client: genai.Client, contents: list[Any]) -> list[types.Part]:
    parts = list[types.Part]()
    async for chunk in await client.aio.models.generate_content_stream(model="gemini-2.5-flash", contents=contents, config=CONFIG):
        found: Any = chunk
        parts += found.candidates[0].content.parts
    return parts
