"""The rows that one provider alone has: an agent that minds every trap of that provider gets exactly as far as the row says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import openai
import pytest
from agentlab_faults.catalogue import select, singles
from agentlab_faults.engine import play
from agentlab_faults.fault import Best, Fault
from agentlab_faults.played import Played, Setup, Talk
from agentlab_faults.schedule import FAULT_FREE, Schedule
from agentlab_faults.script import Call, Say, ScriptSpec
from google import genai
from google.genai import errors, types

PROMPT = "Where is order 5512?"
DONE = "Order 5512 is on its way and will be there on Friday."
SORRY = "I am sorry, I cannot say"
SCRIPT = ScriptSpec(turns=(Call((("lookup_order", {"id": "5512"}),)), Say(DONE)))
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"id": {"type": "string"}}}
FOR_EVER = ("credit balance", "Spend limit")


class Unusable(Exception):  # noqa: N818 - named for the thing
    """Another try may do."""


class Refused(Exception):  # noqa: N818 - named for the thing
    """This provider will not answer."""


async def by_anthropic() -> str:
    """One provider's conversation from its beginning. Raises Unusable or Refused."""
    history: list[Any] = [{"role": "user", "content": PROMPT}]
    tool: Any = {"name": "lookup_order", "input_schema": SCHEMA}
    async with anthropic.AsyncAnthropic(max_retries=0) as client:
        while True:
            try:
                message = await client.messages.create(model="claude-sonnet-5", max_tokens=500, messages=history, tools=[tool])
            except anthropic.APIStatusError as error:
                raise (Refused if any(words in str(error) for words in FOR_EVER) else Unusable) from error
            if message.stop_reason not in ("end_turn", "tool_use"):
                raise Unusable(message.stop_reason)
            calls = [block for block in message.content if block.type == "tool_use"]
            if not calls:
                return "".join(block.text for block in message.content if block.type == "text")
            history.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]})
            history.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": c.id, "content": "fine"} for c in calls]})


async def by_google() -> str:
    """The same at Gemini."""
    history: list[Any] = [types.Content(role="user", parts=[types.Part(text=PROMPT)])]
    function = types.FunctionDeclaration(name="lookup_order", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[function])])
    with genai.Client() as client:
        while True:
            try:
                answer = client.models.generate_content(model="gemini-3-flash", contents=history, config=config)
            except errors.APIError as error:
                lost = any(word in str(error.details) for word in ("API_KEY_INVALID", "PerDay"))
                raise (Refused if lost else Unusable) from error
            if answer.prompt_feedback is not None:
                raise Refused("blocked")
            candidate: Any = (answer.candidates or [None])[0]
            if candidate is None or candidate.finish_reason != types.FinishReason.STOP:
                raise Unusable("unfinished")
            if not answer.function_calls:
                return str(answer.text)
            history.append(candidate.content)
            told = [types.Part.from_function_response(name=str(call.name), response={"result": "fine"}) for call in answer.function_calls]
            history.append(types.Content(role="user", parts=told))


async def by_openai() -> str:
    """The provider to fall back on. It is asked from the beginning, and looks the order up again."""
    history: list[Any] = [{"role": "user", "content": PROMPT}]
    tool: Any = {"type": "function", "function": {"name": "lookup_order", "parameters": SCHEMA}}
    async with openai.AsyncOpenAI() as client:
        while True:
            message = (await client.chat.completions.create(model="gpt-4o", messages=history, tools=[tool])).choices[0].message
            if not message.tool_calls:
                return str(message.content)
            history.append(message.to_dict())
            history += [{"role": "tool", "tool_call_id": call.id, "content": "fine"} for call in message.tool_calls]


Provider = Callable[[], Awaitable[str]]
PRIMARY: dict[str, Provider] = {"anthropic.messages": by_anthropic, "gemini.generate": by_google}


async def careful(providers: list[Provider]) -> str:
    """The first answer that can be had, with three tries at each provider; else an honest reply."""
    for provider in providers:
        for tried in range(3):
            try:
                return await provider()
            except Unusable:
                await asyncio.sleep(2.0**tried)
            except Refused:
                break
    return SORRY


def run(providers: list[Provider], schedule: Schedule = FAULT_FREE, clean: Played | None = None) -> Played:
    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        talk.reply(talk.settle(careful(providers)))

    setup = Setup(scripts=(SCRIPT,), prompts=(PROMPT,))
    return play(conversation, setup, schedule, seed=3, clean=clean.clean if clean else None)


def reaches(providers: list[Provider], schedule: Schedule, clean: Played) -> bool:
    played = run(providers, schedule, clean)
    assert (played.ending, played.error, played.problems) == ("returned", None, ())
    assert any(strike.changed for strike in played.strikes), f"{schedule.name} did nothing"
    [reply] = played.replies
    assert reply in (DONE, SORRY)
    return bool(reply == DONE)


OTHERS = [
    fault
    for fault in select(["http_*", "content_*", "gemini_*"])
    if fault.row.apis is not None and fault.row.apis <= {"anthropic.messages", "gemini.generate"}
]
CASES = [(fault, api) for fault in OTHERS for api in PRIMARY if api in (fault.row.apis or ())]


@pytest.mark.parametrize(("fault", "api"), CASES, ids=[f"{fault.row.id}-{api}" for fault, api in CASES])
def test_the_careful_agent_gets_as_far_as_the_row_says(fault: type[Fault], api: str) -> None:
    alone, both = [PRIMARY[api]], [PRIMARY[api], by_openai]
    clean = run(alone)
    schedules = singles(clean.points, [fault])
    assert schedules
    for schedule in schedules:
        best: Best = fault.row.best[schedule.injections[0].shape]
        got: Best = "recoverable" if reaches(alone, schedule, clean) else "needs_fallback" if reaches(both, schedule, clean) else "fatal"
        assert got == best, schedule.name


def test_every_row_of_one_provider_is_played() -> None:
    assert len(OTHERS) == 9
