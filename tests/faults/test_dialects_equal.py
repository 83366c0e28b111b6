"""One scenario, one script, every dialect, streamed or not: the same calls, the same final text, the same tokens' sense.

Each dialect has its own loop over its real SDK in `LOOPS`; a new dialect adds one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import openai
import pytest
from agentlab_faults.engine import play
from agentlab_faults.journal import Answered
from agentlab_faults.played import Played, Setup, Talk
from agentlab_faults.script import Call, Say, ScriptSpec
from google import genai
from google.genai import types

PROMPT = "Refund order 5512."
FIRST: tuple[str, dict[str, Any]] = ("lookup_order", {"id": "5512"})
BOTH: tuple[tuple[str, dict[str, Any]], ...] = (("lookup_order", {"id": "5513"}), ("refund", {"order": "5512", "amount": 49.9}))
CALLS = [FIRST, *BOTH, FIRST]
"""One call, two at once, and the first one again, which only its place in the conversation tells from the first."""
FINAL = "I refunded EUR 49.90 for order 5512: größer als nichts."
SCRIPT = ScriptSpec(turns=(Call((FIRST,), say="Let me see."), Call(BOTH), Call((FIRST,)), Say(FINAL)))
SCHEMAS: dict[str, dict[str, Any]] = {
    "lookup_order": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    "refund": {
        "type": "object",
        "properties": {"order": {"type": "string"}, "amount": {"type": "number"}},
        "required": ["order", "amount"],
    },
}

Asked = list[tuple[str, dict[str, Any]]]
"""The tool calls that the agent got, in order, with their arguments."""
Loop = Callable[[bool, Asked], Awaitable[str]]


async def chat(stream: bool, asked: Asked) -> str:
    """OpenAI Chat Completions."""
    client = openai.AsyncOpenAI()
    tools: Any = [{"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in SCHEMAS.items()]
    messages: list[Any] = [{"role": "user", "content": PROMPT}]
    while True:
        if stream:
            async with client.chat.completions.stream(model="gpt-4o-mini", messages=messages, tools=tools) as events:
                completion: Any = await events.get_final_completion()
        else:
            completion = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=tools)
        message = completion.choices[0].message
        if not message.tool_calls:
            return str(message.content)
        messages.append({"role": "assistant", "content": message.content, "tool_calls": [c.to_dict() for c in message.tool_calls]})
        for call in message.tool_calls:
            asked.append((call.function.name, json.loads(call.function.arguments)))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "fine"})


async def responses(stream: bool, asked: Asked) -> str:
    """OpenAI Responses, the history sent again each time."""
    client = openai.AsyncOpenAI()
    tools: Any = [{"type": "function", "name": name, "parameters": schema, "strict": False} for name, schema in SCHEMAS.items()]
    items: list[Any] = [{"role": "user", "content": PROMPT}]
    while True:
        if stream:
            async with client.responses.stream(model="gpt-4o-mini", input=items, tools=tools) as events:
                response: Any = await events.get_final_response()
        else:
            response = await client.responses.create(model="gpt-4o-mini", input=items, tools=tools)
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return str(response.output_text)
        items += [item.to_dict() for item in response.output]
        for call in calls:
            asked.append((call.name, json.loads(call.arguments)))
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": "fine"})


async def remembered(stream: bool, asked: Asked) -> str:
    """OpenAI Responses, the provider remembering what was said before."""
    client = openai.AsyncOpenAI()
    tools: Any = [{"type": "function", "name": name, "parameters": schema, "strict": False} for name, schema in SCHEMAS.items()]
    items: list[Any] = [{"role": "user", "content": PROMPT}]
    previous: Any = openai.omit
    while True:
        options: Any = {"model": "gpt-4o-mini", "input": items, "tools": tools, "previous_response_id": previous}
        if stream:
            async for event in await client.responses.create(**options, stream=True):
                response: Any = event.response if event.type == "response.completed" else None
        else:
            response = await client.responses.create(**options)
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return str(response.output_text)
        asked += [(call.name, json.loads(call.arguments)) for call in calls]
        items = [{"type": "function_call_output", "call_id": call.call_id, "output": "fine"} for call in calls]
        previous = response.id


async def messages(stream: bool, asked: Asked) -> str:
    """Anthropic Messages."""
    client = anthropic.AsyncAnthropic()
    tools: Any = [{"name": name, "input_schema": schema} for name, schema in SCHEMAS.items()]
    history: list[Any] = [{"role": "user", "content": PROMPT}]
    while True:
        options: Any = {"model": "claude-sonnet-5", "max_tokens": 1000, "messages": history, "tools": tools}
        if stream:
            async with client.messages.stream(**options) as events:
                message = await events.get_final_message()
        else:
            message = await client.messages.create(**options)
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            return "".join(block.text for block in message.content if block.type == "text")
        asked += [(call.name, call.input) for call in calls]
        history.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]})
        history.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "fine"} for call in calls]})


def contents(model: str) -> Loop:
    """Gemini's generateContent. The results name no call: older models give their calls no ids either."""

    async def loop(stream: bool, asked: Asked) -> str:
        client = genai.Client().aio
        functions = [types.FunctionDeclaration(name=name, parameters_json_schema=schema) for name, schema in SCHEMAS.items()]
        config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=functions)])
        history: list[Any] = [types.Content(role="user", parts=[types.Part(text=PROMPT)])]
        while True:
            options: Any = {"model": model, "contents": history, "config": config}
            if stream:
                answers = [answer async for answer in await client.models.generate_content_stream(**options)]
            else:
                answers = [await client.models.generate_content(**options)]
            parts = [part for answer in answers for part in answer.candidates[0].content.parts or ()]
            calls: list[Any] = [part.function_call for part in parts if part.function_call]
            if not calls:
                return "".join(part.text or "" for part in parts)
            asked += [(call.name, call.args) for call in calls]
            history.append(types.Content(role="model", parts=parts))
            told = [types.Part.from_function_response(name=call.name, response={"result": "fine"}) for call in calls]
            history.append(types.Content(role="user", parts=told))

    return loop


LOOPS: dict[str, tuple[str, Loop]] = {
    "chat": ("openai.chat", chat),
    "responses": ("openai.responses", responses),
    "responses, remembered": ("openai.responses", remembered),
    "messages": ("anthropic.messages", messages),
    "contents": ("gemini.generate", contents("gemini-3-flash")),
    "contents, no ids": ("gemini.generate", contents("gemini-2.5-flash")),
}
"""Name to the wire API and its loop."""


def told(loop: Loop, *, stream: bool) -> tuple[Played, str, Asked]:
    asked: Asked = []

    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        talk.reply(asyncio.run(loop(stream, asked)))  # type: ignore[arg-type]

    run = play(conversation, Setup(scripts=(SCRIPT,), prompts=(PROMPT,)))
    assert (run.ending, run.detail, run.error) == ("returned", "", None)
    return run, run.replies[0], asked


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # google-genai's own way with aiohttp
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", LOOPS)
def test_every_dialect_tells_the_same_script(name: str, *, stream: bool) -> None:
    api, loop = LOOPS[name]
    run, text, asked = told(loop, stream=stream)
    assert (text, asked) == (FINAL, CALLS)
    assert [point.name for point in run.points] == [f"{api}.{n}" for n in (1, 2, 3, 4)]
    assert [point.streamed for point in run.points] == [stream] * 4
    assert all(event.end == "delivered" and event.status == 200 for event in run.journal if isinstance(event, Answered))
