"""One scenario, one script, every dialect, streamed or not: the same calls, the same final text, the same tokens' sense.

Each dialect has its own loop over its real SDK in `LOOPS`; a new dialect adds one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from agentlab_faults.engine import play
from agentlab_faults.journal import Answered
from agentlab_faults.played import Played, Setup, Talk
from agentlab_faults.script import Call, Say, ScriptSpec

PROMPT = "Refund order 5512."
CALLS = [("lookup_order", {"id": "5512"}), ("refund", {"order": "5512", "amount": 49.9})]
FINAL = "I refunded EUR 49.90 for order 5512: größer als nichts."
SCRIPT = ScriptSpec(turns=(Call((CALLS[0],), say="Let me see."), Call((CALLS[1],)), Say(FINAL)))
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


LOOPS: dict[str, tuple[str, Loop]] = {
    "chat": ("openai.chat", chat),
    "responses": ("openai.responses", responses),
    "responses, remembered": ("openai.responses", remembered),
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


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", LOOPS)
def test_every_dialect_tells_the_same_script(name: str, *, stream: bool) -> None:
    api, loop = LOOPS[name]
    run, text, asked = told(loop, stream=stream)
    assert (text, asked) == (FINAL, CALLS)
    assert [point.name for point in run.points] == [f"{api}.{n}" for n in (1, 2, 3)]
    assert [point.streamed for point in run.points] == [stream] * 3
    assert all(event.end == "delivered" and event.status == 200 for event in run.journal if isinstance(event, Answered))
