"""OpenAI Responses through the real SDK: forms of input and output, what the provider remembers, what it refuses, and its stream."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pydantic
import pytest
from agentlab_faults.catalogue import select
from agentlab_faults.dialects import RESPONSES, Answer, Usage
from agentlab_faults.engine import play
from agentlab_faults.exchange import Timeouts, WireRequest
from agentlab_faults.fault import Spoils
from agentlab_faults.played import Played, Setup, Talk
from agentlab_faults.script import Call, Called, Say, ScriptSpec
from agentlab_faults.serving import put

PROMPT = "Refund order 5512 and tell me in json."
TWO = Call((("lookup_order", {"id": "5512"}), ("refund", {"order": "5512"})))
SCRIPT = ScriptSpec(turns=(TWO, Say("I refunded it.")))
SAY = ScriptSpec(turns=(Say("I refunded it."),))


def function(name: str, **more: Any) -> Any:
    return {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}, "strict": False, **more}


TOOLS = [function("lookup_order"), function("refund")]


def asked(agent: Callable[[openai.AsyncOpenAI], Awaitable[Any]], script: ScriptSpec = SCRIPT, **client: Any) -> tuple[Any, Played]:
    """What the agent returned, or what it raised."""

    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        talk.reply(asyncio.run(agent(openai.AsyncOpenAI(max_retries=0, **client))))  # type: ignore[arg-type]

    run = play(conversation, Setup(scripts=(script,), prompts=(PROMPT,)))
    assert run.problems == ()
    return (run.error or run.replies[0]), run


def ask(body: dict[str, Any], script: ScriptSpec = SCRIPT) -> Any:
    async def agent(client: openai.AsyncOpenAI) -> Any:
        return await client.responses.create(**({"model": "gpt-4o-mini", "input": PROMPT} | body))

    return asked(agent, script)[0]


def calls(response: Any) -> list[str]:
    return [item.name for item in response.output if item.type == "function_call"]


def test_what_was_asked_is_told_again() -> None:
    response = ask({"instructions": "Be brief.", "temperature": 0.5, "metadata": {"a": "b"}, "store": False, "tools": TOOLS})
    assert (response.instructions, response.temperature, response.metadata, response.store) == ("Be brief.", 0.5, {"a": "b"}, False)
    assert [tool.name for tool in response.tools] == ["lookup_order", "refund"]
    assert (response.status, response.model, calls(response)) == ("completed", "gpt-4o-mini-2024-07-18", ["lookup_order", "refund"])
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0


@pytest.mark.parametrize(
    ("options", "called"),
    [
        ({}, ["lookup_order", "refund"]),
        ({"parallel_tool_calls": False}, ["lookup_order"]),
        ({"tool_choice": "none"}, []),
        ({"tool_choice": {"type": "function", "name": "refund"}}, ["refund"]),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [function("lookup_order")]}}, []),
    ],
    ids=["auto", "one at a time", "none", "forced", "allowed"],
)
def test_the_choice_of_tools_is_obeyed(options: dict[str, Any], called: list[str]) -> None:
    assert calls(ask({"tools": TOOLS, **options})) == called


@pytest.mark.parametrize("form", ["json_schema", "json_object"])
def test_the_text_takes_the_form_that_is_asked_for(form: str) -> None:
    schema = {"type": "object", "properties": {"done": {"type": "boolean"}}, "required": ["done"], "additionalProperties": False}
    wanted = {"type": form} | ({"name": "outcome", "schema": schema, "strict": True} if form == "json_schema" else {})
    response = ask({"text": {"format": wanted}}, SAY)
    assert set(json.loads(response.output_text)) == ({"done"} if form == "json_schema" else {"text"})
    assert response.text.format.type == form


class Outcome(pydantic.BaseModel):
    order: str
    done: bool


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_sdk_parses_a_structured_answer(*, stream: bool) -> None:
    async def agent(client: openai.AsyncOpenAI) -> Any:
        if not stream:
            return (await client.responses.parse(model="gpt-4o-mini", input=PROMPT, text_format=Outcome)).output_parsed
        async with client.responses.stream(model="gpt-4o-mini", input=PROMPT, text_format=Outcome) as events:
            return (await events.get_final_response()).output_parsed

    said = Say({"order": "5512", "done": True})
    assert asked(agent, ScriptSpec(turns=(said,)))[0] == Outcome(order="5512", done=True)


def test_a_conversation_is_remembered_by_its_id() -> None:
    async def agent(client: openai.AsyncOpenAI) -> Any:
        options: Any = {"model": "gpt-4o-mini", "tools": TOOLS, "conversation": "conv_1"}
        first = await client.responses.create(input=PROMPT, **options)
        outputs: Any = [
            {"type": "function_call_output", "call_id": item.call_id, "output": "fine"}
            for item in first.output
            if item.type == "function_call"
        ]
        return await client.responses.create(input=outputs, **options)

    response, run = asked(agent)
    assert (response.output_text, response.conversation.id) == ("I refunded it.", "conv_1")
    assert [point.name for point in run.points] == ["openai.responses.1", "openai.responses.2"]


def test_making_a_conversation_is_refused_with_a_sentence() -> None:
    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        talk.reply(asyncio.run(made()))

    async def made() -> Any:
        return await openai.AsyncOpenAI(max_retries=0).conversations.create()

    run = play(conversation, Setup(scripts=(SAY,), prompts=(PROMPT,)))
    assert run.ending == "lab"
    [problem] = run.problems
    assert problem.startswith(
        "The agent asked for POST api.openai.com/v1/conversations, which the lab does not answer; the script is served as "
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_given_again_by_its_id(stream: bool) -> None:
    async def agent(client: openai.AsyncOpenAI) -> Any:
        made = await client.responses.create(model="gpt-4o-mini", input=PROMPT, stream=stream)
        if stream:
            made = [event async for event in made][-1].response
        return made, await client.responses.retrieve(made.id)

    (made, again), run = asked(agent, SAY)
    assert again.model_dump() == made.model_dump()
    assert run.requests == 1, "asking for it again is no call of the model"


@pytest.mark.parametrize("options", [{"store": False}, {}])
def test_a_response_that_is_not_kept_is_not_found(options: dict[str, Any]) -> None:
    async def agent(client: openai.AsyncOpenAI) -> Any:
        made = await client.responses.create(model="gpt-4o-mini", input=PROMPT, **options)
        return await client.responses.retrieve(made.id if options else "resp_none")

    error = asked(agent, SAY)[0]
    assert isinstance(error, openai.NotFoundError)
    assert re.search(r"Response with id 'resp_\w+' not found\.", error.message)


def test_a_retry_of_a_remembered_call_is_the_same_call() -> None:
    async def agent(client: openai.AsyncOpenAI) -> Any:
        first = await client.responses.create(model="gpt-4o-mini", input=PROMPT)
        for _ in range(2):
            await client.responses.create(model="gpt-4o-mini", input="Again.", previous_response_id=first.id)
        return "done"

    run = asked(agent, SAY)[1]
    assert [point.name for point in run.points] == [f"openai.responses.{n}" for n in (1, 2, 3)]  # each was answered, so each is new


def test_what_must_not_be_stored_is_forgotten() -> None:
    async def agent(client: openai.AsyncOpenAI) -> Any:
        first = await client.responses.create(model="gpt-4o-mini", input=PROMPT, store=False)
        return await client.responses.create(model="gpt-4o-mini", input="Again.", previous_response_id=first.id)

    error = asked(agent, SAY)[0]
    assert (error.status_code, error.code) == (400, "previous_response_not_found")


CALL = {"type": "function_call", "call_id": "call_9", "name": "refund", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_9", "output": "fine"}


@pytest.mark.parametrize(
    ("body", "code", "param", "words"),
    [
        ({"model": ""}, "missing_required_parameter", "model", "'model'"),
        ({"input": []}, "empty_array", "input", "empty array"),
        ({"input": 5}, "invalid_type", "input", "an integer"),
        ({"input": [{"role": "tool", "content": "x"}]}, "invalid_value", "input[0].role", "'tool'"),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "invalid_value", "input[0].content[0]", "'text'"),
        ({"input": [CALL]}, None, "input", "No tool output found for function call call_9."),
        ({"input": [RESULT]}, None, "input", "No tool call found for function call output with call_id call_9."),
        ({"previous_response_id": "resp_none"}, "previous_response_not_found", "previous_response_id", "resp_none"),
        ({"extra_body": {"messages": []}}, "unknown_parameter", "messages", "'messages'"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "invalid_value", "tools[0].name", "pattern"),
        ({"tools": [function("f", parameters={"type": "string"})]}, "invalid_function_parameters", "tools[0].parameters", "'f'"),
        ({"tools": [function("f", type="gadget")]}, "invalid_value", "tools[0].type", "'gadget'"),
        ({"tool_choice": {"type": "function", "name": "f"}}, None, "tool_choice", "'f'"),
        ({"text": {"format": {"type": "json_object"}}, "input": "x"}, None, "input", "the word 'json'"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "missing_required_parameter", "text.format.schema", "schema"),
        ({"max_output_tokens": 1}, "integer_below_min_value", "max_output_tokens", ">= 16"),
        ({"temperature": 3}, "decimal_above_max_value", "temperature", "<= 2"),
        ({"stream": "yes"}, "invalid_type", "stream", "a boolean"),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value),
)
def test_what_the_real_one_refuses_is_refused(body: dict[str, Any], code: str | None, param: str, words: str) -> None:
    error = ask(body)
    assert isinstance(error, openai.BadRequestError)
    assert (error.code, error.param, error.type) == (code, param, "invalid_request_error")
    assert words in error.message


def test_azure_takes_its_own_key_and_path() -> None:
    async def agent(client: openai.AsyncOpenAI) -> Any:
        del client
        azure = openai.AsyncAzureOpenAI(azure_endpoint="https://lab.openai.azure.com", api_key="k", api_version="2026-01-01", max_retries=0)
        return (await azure.responses.create(model="my-deployment", input=PROMPT)).output_text

    text, run = asked(agent, SAY)
    assert text == "I refunded it."
    assert [(point.name, point.host) for point in run.points] == [("openai.responses.1", "lab.openai.azure.com")]


def test_a_stream_has_the_providers_events_in_their_order() -> None:
    async def agent(client: openai.AsyncOpenAI) -> Any:
        return [event async for event in await client.responses.create(model="gpt-4o-mini", input=PROMPT, tools=TOOLS[:1], stream=True)]

    script = ScriptSpec(turns=(Call((("lookup_order", {"id": "5512"}),), say="Hm."), Say("I refunded it.")))
    events, run = asked(agent, script)
    text = ["content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
    called = ["function_call_arguments.delta"] * 2 + ["function_call_arguments.done"]
    items = [["output_item.added", *text, "output_item.done"], ["output_item.added", *called, "output_item.done"]]
    names = ["created", "in_progress", *items[0], *items[1], "completed"]
    assert [event.type for event in events] == [f"response.{name}" for name in [*names[:4], *["output_text.delta"] * 3, *names[5:]]]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [point.chunks for point in run.points] == [len(events)]


REQUEST = WireRequest(
    "httpx2",
    "POST",
    "https://api.openai.com/v1/responses",
    "api.openai.com",
    "/v1/responses",
    {"authorization": "Bearer sk-test"},
    b"{}",
    Timeouts(),
    sync=True,
)
SPOILS = {
    fault.row.id: fault
    for fault in select(["*"])
    if issubclass(fault, Spoils)
    and not fault.row.needs
    and any(
        fault.row.acts_on("openai.responses", calls_tools=calls, streamed=stream) for calls in (False, True) for stream in (False, True)
    )
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", SPOILS)
def test_every_fault_that_is_offered_there_changes_the_answer(name: str, *, stream: bool) -> None:
    row = SPOILS[name].row
    for calls_tools in (False, True):
        if not row.acts_on("openai.responses", calls_tools=calls_tools, streamed=stream):
            continue
        answer = Answer(
            content=None if calls_tools else "It is 18 degrees in Paris.",
            calls=(Called("call_1", "get_weather", '{"city": "Paris", "dry": true}'),) if calls_tools else (),
            finish="tool_calls" if calls_tools else "stop",
            usage=Usage(12, 7, 19),
            model="gpt-4o-mini",
            created=1_700_000_000,
            serial=1,
        )
        good = put(RESPONSES, answer, REQUEST, {"stream": stream}, latency=1.0)
        assert good.spoiled(SPOILS[name]()) != good.exchange
