"""OpenAI Chat Completions on the wire: the real SDK against the scripted model, and what is refused before any model runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from agentlab_faults import script
from agentlab_faults.dialects import CHAT
from agentlab_faults.dialects.chat.reading import read
from agentlab_faults.dialects.chat.refusal import refuse
from agentlab_faults.exchange import Exchange, Timeouts, WireRequest
from agentlab_faults.script import Call, Say, ScriptedModel, ScriptMissing, ScriptSpec

PROMPT = "Refund order 5512."
SPEC = ScriptSpec(
    turns=(Call((("lookup_order", {"id": "5512"}), ("refund", {"order": "5512", "amount": 49.9}))), Say("I refunded EUR 49.90."))
)
CREATED = 1_700_000_000


def tool(name: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters or {"type": "object", "properties": {}}, **more}}


TOOLS = [tool("lookup_order"), tool("refund")]


def wire_request(body: Any, headers: dict[str, str] | None = None) -> WireRequest:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"authorization": "Bearer sk-test", "content-type": "application/json"} if headers is None else headers
    url = "https://api.openai.com/v1/chat/completions"
    return WireRequest("httpx2", "POST", url, "api.openai.com", "/v1/chat/completions", sent, content, Timeouts(), sync=True)


class Provider:
    """The scripted provider behind the SDK's own transport."""

    def __init__(self, spec: ScriptSpec = SPEC, key: str = "sk-test") -> None:
        self.model = ScriptedModel([spec], [PROMPT])
        self.serial = 0
        transport = httpx2.MockTransport(self.answer)
        self.client = openai.OpenAI(api_key=key, http_client=httpx2.Client(transport=transport), max_retries=0)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        sent = WireRequest(
            "httpx2", request.method, str(request.url), request.url.host, request.url.path, headers, request.content, Timeouts(), True
        )
        exchange = refuse(sent) or self.serve(json.loads(request.content))
        return httpx2.Response(exchange.status, headers=list(exchange.headers), content=exchange.content)

    def serve(self, body: dict[str, Any]) -> Exchange:
        self.serial += 1
        serving = self.model.serve(read(body))
        payload = CHAT.render(
            CHAT.answer(serving, wire_request(body), body, prompt=CHAT.prompt_tokens(body), serial=self.serial, created=CREATED), body
        )
        return CHAT.exchange(payload, body, streams=False, latency=serving.latency, serial=self.serial)


class TestRealSdk:
    def test_a_tool_loop_plays_to_its_end(self) -> None:
        provider = Provider()
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        for _ in range(5):
            answer = provider.client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS)  # type: ignore[arg-type]  # plain dicts
            message = answer.choices[0].message
            if not message.tool_calls:
                break
            messages.append(message.model_dump(exclude_none=True))
            for call in message.tool_calls:
                assert call.type == "function"
                execution = provider.model.tool_started(call.function.name, json.loads(call.function.arguments), call.id)
                provider.model.tool_ended(execution, "ok", "fine")
                messages.append({"role": "tool", "tool_call_id": call.id, "content": "fine"})
        assert message.content == "I refunded EUR 49.90."
        assert [len(m.get("tool_calls", ())) for m in messages] == [0, 2, 0, 0]

    def test_the_answer_is_whole_for_the_sdk(self) -> None:
        raw = Provider().client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": PROMPT}],
            tools=TOOLS,  # type: ignore[arg-type]  # plain dicts
        )
        answer = raw.parse()
        assert (answer.id, answer.object, answer.created) == ("chatcmpl-00000001", "chat.completion", CREATED)
        assert (answer.model, answer.service_tier) == ("gpt-4o-mini-2024-07-18", "default")
        assert answer.choices[0].finish_reason == "tool_calls"
        assert answer.usage is not None
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        assert answer._request_id == "req_00000000000000000000000000000001"
        assert raw.headers["openai-version"] == "2020-10-01"
        assert raw.headers["openai-processing-ms"] == "1000"
        assert {"x-ratelimit-remaining-tokens", "x-ratelimit-reset-requests"} <= set(raw.headers)

    def test_a_parsed_model_comes_back_whole(self) -> None:
        import pydantic  # noqa: PLC0415  # only this test speaks of it

        class Ticket(pydantic.BaseModel):
            queue: str
            urgent: bool

        provider = Provider(ScriptSpec(turns=(Say({"queue": "billing", "urgent": True}),)))
        answer = provider.client.chat.completions.parse(
            model="gpt-4o", messages=[{"role": "user", "content": PROMPT}], response_format=Ticket
        )
        assert answer.choices[0].message.parsed == Ticket(queue="billing", urgent=True)

    def test_an_orphan_is_a_bad_request_for_the_sdk(self) -> None:
        call = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": "{}"}}
        messages: list[Any] = [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": None, "tool_calls": [call]}]
        with pytest.raises(openai.BadRequestError) as caught:
            Provider().client.chat.completions.create(model="gpt-4o", messages=messages)
        assert caught.value.param == "messages.[2].role"
        assert caught.value.request_id == "req_00000000000000000000000000000000"

    def test_a_key_that_is_none_is_an_authentication_error_for_the_sdk(self) -> None:
        with pytest.raises(openai.AuthenticationError) as caught:
            Provider(key="not a key").client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": PROMPT}])
        assert caught.value.code == "invalid_api_key"
        assert "not a key" not in str(caught.value)


USER = {"role": "user", "content": "q"}


def called(*ids: str, name: str = "refund") -> dict[str, Any]:
    calls = [{"id": i, "type": "function", "function": {"name": name, "arguments": "{}"}} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(call_id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "x"}


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    return {"tools": [tool("get_weather", schema, strict=True)]}


ORPHAN = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
    "The following tool_call_ids did not have response messages: {}"
)
NO_CALL = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
NULL = "Invalid value for 'content': expected a string, got null."
EMPTY = "Invalid '{}': empty array. Expected an array with minimum length 1, but got an empty array instead."
PATTERN = "Invalid '{}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
REQUIRED = "'required' is required to be supplied and to be an array including every key in properties. Missing '{}'."
SMALL: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}

REFUSED: list[tuple[str, dict[str, Any], str | None, str | None, str]] = [
    # what, change to a good body (None takes a member away), param, code, message
    ("no model", {"model": None}, None, None, "you must provide a model parameter"),
    ("no messages", {"messages": None}, "messages", "missing_required_parameter", "Missing required parameter: 'messages'."),
    ("a parameter from elsewhere", {"top_k": 5}, "top_k", "unknown_parameter", "Unknown parameter: 'top_k'."),
    ("no message", {"messages": []}, "messages", "empty_array", EMPTY.format("messages")),
    (
        "messages that are a text",
        {"messages": "q"},
        "messages",
        "invalid_type",
        "Invalid type for 'messages': expected an array of objects, but got a string instead.",
    ),
    (
        "a message that is none",
        {"messages": [7]},
        "messages[0]",
        "invalid_type",
        "Invalid type for 'messages[0]': expected an object, but got an integer instead.",
    ),
    (
        "no role",
        {"messages": [{"content": "q"}]},
        "messages[0].role",
        "missing_required_parameter",
        "Missing required parameter: 'messages[0].role'.",
    ),
    (
        "an unknown role",
        {"messages": [USER, {"role": "bot", "content": "q"}]},
        "messages[1].role",
        "invalid_value",
        "Invalid value: 'bot'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.",
    ),
    ("null content", {"messages": [USER, {"role": "assistant", "content": None}]}, "messages.[1].content", None, NULL),
    ("no content", {"messages": [{"role": "user"}]}, "messages.[0].content", None, NULL),
    (
        "tool calls that are none",
        {"messages": [USER, {**called("a"), "tool_calls": []}]},
        "messages[1].tool_calls",
        "empty_array",
        EMPTY.format("messages[1].tool_calls"),
    ),
    (
        "arguments that are an object",
        {
            "messages": [
                USER,
                {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": {}}}]},
            ]
        },
        "messages[1].tool_calls[0].function.arguments",
        "invalid_type",
        "Invalid type for 'messages[1].tool_calls[0].function.arguments': expected a string, but got an object instead.",
    ),
    (
        "a tool that cannot be",
        {"messages": [USER, called("a", name="no such tool!"), result("a")]},
        "messages[1].tool_calls[0].function.name",
        "invalid_value",
        PATTERN.format("messages[1].tool_calls[0].function.name"),
    ),
    ("a call without its result", {"messages": [USER, called("a")]}, "messages.[2].role", None, ORPHAN.format("a")),
    (
        "a call without its result before more",
        {"messages": [USER, called("a", "b"), result("b"), USER]},
        "messages.[3].role",
        None,
        ORPHAN.format("a"),
    ),
    ("a result without any call", {"messages": [USER, result("a")]}, "messages.[1].role", None, NO_CALL),
    (
        "a result after its call is over",
        {"messages": [USER, called("a"), result("a"), USER, result("a")]},
        "messages.[4].role",
        None,
        NO_CALL,
    ),
    (
        "a result of another call",
        {"messages": [USER, called("a"), result("zz")]},
        "messages.[2].tool_call_id",
        None,
        "Invalid parameter: 'tool_call_id' of 'zz' not found in 'tool_calls' of previous message.",
    ),
    (
        "a result without an id",
        {"messages": [USER, called("a"), {"role": "tool", "content": "x"}]},
        "messages.[2].tool_call_id",
        None,
        "Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.",
    ),
    ("tools that are none", {"tools": []}, "tools", "empty_array", EMPTY.format("tools")),
    (
        "a tool without a name",
        {"tools": [{"type": "function", "function": {}}]},
        "tools[0].function.name",
        "missing_required_parameter",
        "Missing required parameter: 'tools[0].function.name'.",
    ),
    (
        "a tool without a function",
        {"tools": [{"type": "function"}]},
        "tools[0].function",
        "missing_required_parameter",
        "Missing required parameter: 'tools[0].function'.",
    ),
    (
        "an unknown kind of tool",
        {"tools": [{"type": "plugin"}]},
        "tools[0].type",
        "invalid_value",
        "Invalid value: 'plugin'. Supported values are: 'function' and 'custom'.",
    ),
    (
        "more tools than there may be",
        {"tools": [tool(f"t{n}") for n in range(129)]},
        "tools",
        "array_above_max_length",
        "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 129 instead.",
    ),
    (
        "parameters that are no object",
        {"tools": [tool("f", {"type": "string"})]},
        "tools[0].function.parameters",
        "invalid_function_parameters",
        "Invalid schema for function 'f': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"string\"'.",
    ),
    (
        "an array of nothing known",
        {"tools": [tool("f", {"type": "object", "properties": {"a": {"type": "array"}}})]},
        "tools[0].function.parameters",
        "invalid_function_parameters",
        "Invalid schema for function 'f': In context=('properties', 'a'), array schema missing items.",
    ),
    (
        "a strict schema that is open",
        strict(SMALL),
        "tools[0].function.parameters",
        "invalid_function_parameters",
        "Invalid schema for function 'get_weather': In context=(), 'additionalProperties' is required to be supplied and to be false.",
    ),
    (
        "a strict schema with an optional member",
        strict({**SMALL, "additionalProperties": False}),
        "tools[0].function.parameters",
        "invalid_function_parameters",
        "Invalid schema for function 'get_weather': In context=(), " + REQUIRED.format("a"),
    ),
    (
        "a choice without tools",
        {"tool_choice": "auto"},
        "tool_choice",
        None,
        "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
    ),
    (
        "a choice of a tool that is not offered",
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "rm"}}},
        "tool_choice",
        None,
        "Invalid value for 'tool_choice': no function named 'rm' was specified in the 'tools' parameter.",
    ),
    (
        "an unknown choice",
        {"tools": TOOLS, "tool_choice": "any"},
        "tool_choice",
        "invalid_value",
        "Invalid value: 'any'. Supported values are: 'none', 'auto', and 'required'.",
    ),
    (
        "parallel calls without tools",
        {"parallel_tool_calls": False},
        "parallel_tool_calls",
        None,
        "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
    ),
    (
        "too hot",
        {"temperature": 3},
        "temperature",
        "decimal_above_max_value",
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
    ),
    (
        "no tokens",
        {"max_tokens": 0},
        "max_tokens",
        "integer_below_min_value",
        "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead.",
    ),
    (
        "any JSON without a word of it",
        {"response_format": {"type": "json_object"}},
        "messages",
        None,
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
    ),
    (
        "a response format without a name",
        {"response_format": {"type": "json_schema", "json_schema": {"schema": SMALL}}},
        "response_format.json_schema.name",
        "missing_required_parameter",
        "Missing required parameter: 'response_format.json_schema.name'.",
    ),
    (
        "a strict response format that is open",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": SMALL}}},
        "response_format",
        None,
        "Invalid schema for response_format 'n': In context=(), 'additionalProperties' is required to be supplied and to be false.",
    ),
]


def changed(change: dict[str, Any]) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": [USER], **change}
    return {name: value for name, value in body.items() if value is not None}


@pytest.mark.parametrize(("change", "param", "code", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_the_provider_refuses_is_refused_in_its_words(
    change: dict[str, Any], param: str | None, code: str | None, message: str
) -> None:
    exchange = refuse(wire_request(changed(change)), serial=7)
    assert exchange is not None
    assert exchange.status == 400
    assert json.loads(exchange.content)["error"] == {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    headers = dict(exchange.headers)
    assert (headers["content-type"], headers["x-request-id"]) == ("application/json", f"req_{7:032x}")


ACCEPTED = {
    "plain": {},
    "every role": {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "developer", "content": "d"},
            USER,
            called("a", "b"),
            result("b"),
            result("a"),
            {"role": "assistant", "content": "x"},
        ]
    },
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}]},
    "an empty text": {"messages": [{"role": "user", "content": ""}]},
    "a refusal without content": {"messages": [USER, {"role": "assistant", "refusal": "no"}]},
    "a history of tools that are not offered any more": {
        "messages": [USER, called("a", name="gone"), result("a")],
        "tools": [tool("other")],
    },
    "arguments that are no JSON": {
        "messages": [
            USER,
            {**called("a"), "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}]},
            result("a"),
        ]
    },
    "a custom tool": {"tools": [{"type": "custom", "custom": {"name": "grep"}}]},
    "a tool without parameters": {"tools": [{"type": "function", "function": {"name": "f"}}]},
    "a strict tool": strict({**SMALL, "required": ["a"], "additionalProperties": False}),
    "a choice of an offered tool": {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "refund"}}},
    "any JSON with a word of it": {
        "messages": [{"role": "user", "content": "Answer in JSON."}],
        "response_format": {"type": "json_object"},
    },
    "bounds": {"temperature": 2, "top_p": 0, "presence_penalty": -2, "max_completion_tokens": 1, "n": 1},
    "everything else": {
        "metadata": {"a": "b"},
        "store": False,
        "user": "u",
        "seed": 1,
        "stop": ["x"],
        "verbosity": "low",
        "service_tier": "flex",
    },
}


@pytest.mark.parametrize("change", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_provider_accepts_is_accepted(change: dict[str, Any]) -> None:
    assert refuse(wire_request(changed(change))) is None


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"authorization": "Bearer "}, {"authorization": "Bearer"}])
def test_no_key_is_refused(headers: dict[str, str]) -> None:
    exchange = refuse(wire_request(changed({}), headers))
    assert exchange is not None
    assert exchange.status == 401
    assert json.loads(exchange.content)["error"]["message"].startswith("You didn't provide an API key.")


@pytest.mark.parametrize("key", ["sk-planted-secret", "Basic c2stcGxhbnRlZA==", "Bearer sk-planted secret", "bearer sk-planted"])
def test_a_key_that_is_none_is_refused_and_not_told_again(key: str) -> None:
    exchange = refuse(wire_request(changed({}), {"authorization": key}))
    assert exchange is not None
    assert exchange.status == 401
    error = json.loads(exchange.content)["error"]
    assert error["code"] == "invalid_api_key"
    assert "planted" not in error["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    exchange = refuse(wire_request(body))
    assert exchange is not None
    assert exchange.status == 400
    assert json.loads(exchange.content)["error"]["message"].startswith("We could not parse the JSON body of your request.")


@pytest.mark.parametrize("change", [{"n": 2}, {"functions": [{"name": "f"}]}, {"audio": {"voice": "alloy"}}])
def test_what_the_provider_can_do_and_the_script_cannot_is_the_labs_failure(change: dict[str, Any]) -> None:
    with pytest.raises(ScriptMissing):
        refuse(wire_request(changed(change)))


def rendered(spec: ScriptSpec = SPEC, **extra: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": PROMPT}], "tools": TOOLS, **extra}
    serving = ScriptedModel([spec], [PROMPT]).serve(read(body))
    return CHAT.render(CHAT.answer(serving, wire_request(body), body, prompt=CHAT.prompt_tokens(body), serial=3, created=CREATED), body)


def shape(value: Any) -> Any:
    """Names and types of a JSON value."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return [shape(member) for member in value[:1]] if isinstance(value, list) else type(value).__name__


TEXT = ScriptSpec(turns=(Say("It is 18 degrees in Paris."),))


@pytest.mark.parametrize(("payload", "finish"), [(rendered(), "tool_calls"), (rendered(TEXT), "stop")])
def test_an_answer_has_the_members_of_the_providers(payload: dict[str, Any], finish: str) -> None:
    usage_details = {"cached_tokens": "int", "audio_tokens": "int"}
    assert list(payload) == ["id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"]
    assert list(payload["choices"][0]) == ["index", "message", "logprobs", "finish_reason"]
    assert list(payload["choices"][0]["message"])[:4] == ["role", "content", "refusal", "annotations"]
    assert payload["choices"][0]["finish_reason"] == finish
    assert shape(payload["usage"]["prompt_tokens_details"]) == usage_details


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("gpt-4o-mini", "gpt-4o-mini-2024-07-18"), ("gpt-4o-2024-08-06", "gpt-4o-2024-08-06"), ("backup-large", "backup-large")],
)
def test_the_model_is_echoed_as_its_snapshot(asked: str, answered: str) -> None:
    assert rendered(model=asked)["model"] == answered


@pytest.mark.parametrize(("asked", "answered"), [(None, "default"), ("auto", "default"), ("flex", "flex"), ("fast", "priority")])
def test_the_service_tier_is_answered_as_the_provider_answers_it(asked: str | None, answered: str) -> None:
    assert rendered(service_tier=asked)["service_tier"] == answered


def test_usage_is_a_token_for_every_four_characters_rounded_up() -> None:
    usage = rendered(TEXT)["usage"]
    assert usage["completion_tokens"] == 7  # 26 characters
    longer = rendered(TEXT, messages=[{"role": "user", "content": PROMPT + "x" * 400}])["usage"]
    assert longer["prompt_tokens"] - usage["prompt_tokens"] == 100


def test_an_exchange_waits_for_the_latency_and_sends_compact_json() -> None:
    exchange = CHAT.exchange(rendered(TEXT), {}, streams=False, latency=2.5, serial=3)
    assert (exchange.status, exchange.seconds, exchange.intact) == (200, 2.5, True)
    assert json.loads(exchange.content)["choices"][0]["message"]["content"] == "It is 18 degrees in Paris."
    assert b'": ' not in exchange.content
    headers = dict(exchange.headers)
    assert (headers["openai-processing-ms"], headers["x-request-id"]) == ("2500", f"req_{3:032x}")


def test_the_same_serving_is_the_same_bytes() -> None:
    one, two = (CHAT.exchange(rendered(), {}, streams=False, latency=1.0, serial=3) for _ in range(2))
    assert one == two


def test_no_module_of_the_script_reads_a_clock_or_rolls_dice() -> None:
    folder = Path(script.__file__).parents[1]
    for module in (*folder.glob("script/*.py"), *folder.glob("dialects/**/*.py")):
        for word in ("import random", "import time", "import uuid", ".now(", ".today(", " hash(", "import secrets"):
            assert word not in module.read_text(), f"{module.name}: {word}"
