"""What Anthropic and Gemini refuse before any model runs, and what they take: status, type and words."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from agentlab_faults.dialects import ANTHROPIC_MESSAGES, GEMINI, Dialect
from agentlab_faults.engine import play
from agentlab_faults.exchange import Exchange, Timeouts, WireRequest
from agentlab_faults.played import Setup, Talk
from agentlab_faults.script import Call, Say, ScriptMissing, ScriptSpec
from google import genai
from google.genai import types
from pydantic import BaseModel

Json = dict[str, Any]
Change = Callable[[Json], Any]

VERSIONED = {"authorization": "Bearer sk-test", "anthropic-version": "2026-10-21"}
TOOL: Json = {"name": "refund", "input_schema": {"type": "object", "properties": {"order": {"type": "string"}}}}
MESSAGES: Json = {
    "model": "claude-sonnet-5",
    "max_tokens": 100,
    "tools": [TOOL],
    "messages": [
        {"role": "user", "content": "Refund both."},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "toolu_1", "name": "refund", "input": {"order": "1"}},
                {"type": "tool_use", "id": "toolu_2", "name": "refund", "input": {"order": "2"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "no"}], "is_error": True},
                {"type": "text", "text": "Well?"},
            ],
        },
    ],
}
KEYED = {"x-goog-api-key": "k"}
FUNCTION: Json = {"name": "refund", "parametersJsonSchema": {"type": "object", "properties": {"order": {"type": "string"}}}}
CONTENTS: Json = {
    "contents": [
        {"role": "user", "parts": [{"text": "Refund both."}]},
        {"role": "model", "parts": [{"functionCall": {"name": "refund", "args": {"order": n}}} for n in ("1", "2")]},
        {"role": "user", "parts": [{"functionResponse": {"name": "refund", "response": {"result": n}}} for n in ("done", "no")]},
    ],
    "tools": [{"functionDeclarations": [FUNCTION]}],
    "generationConfig": {"temperature": 0.2},
}


def refused(dialect: Dialect, path: str, headers: dict[str, str], body: Any, host: str = "api.example.com") -> Exchange | None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = WireRequest("httpx2", "POST", f"https://{host}{path}", host, path.partition("?")[0], headers, content, Timeouts(), sync=True)
    return dialect.refuse(request, body if isinstance(body, dict) else None, serial=1)


def by_anthropic(change: Change, headers: dict[str, str] = VERSIONED) -> Exchange | None:
    body = copy.deepcopy(MESSAGES)
    change(body)
    return refused(ANTHROPIC_MESSAGES, "/v1/messages", headers, body)


def by_google(change: Change, headers: dict[str, str] = KEYED, model: str = "gemini-2.5-flash") -> Exchange | None:
    body = copy.deepcopy(CONTENTS)
    change(body)
    return refused(GEMINI, f"/v1/models/{model}:generateContent", headers, body)


def told(exchange: Exchange | None) -> tuple[int, str, str]:
    """Status, type (or canonical code) and message."""
    assert exchange is not None
    error = json.loads(exchange.content)["error"]
    return exchange.status, error.get("type") or error["status"], error["message"]


def nothing(body: Json) -> None:
    del body  # as it is


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({}, 401, "x-api-key header is required"),
        ({"x-api-key": "None", "anthropic-version": "2023-06-01"}, 401, "invalid x-api-key"),
        ({"authorization": "Bearer ${KEY}", "anthropic-version": "2023-06-01"}, 401, "Invalid bearer token"),
        ({"authorization": "Bearer sk-test"}, 400, "anthropic-version: header is required"),
    ],
)
def test_anthropic_wants_a_key_and_its_version(headers: dict[str, str], status: int, words: str) -> None:
    kind = "authentication_error" if status == 401 else "invalid_request_error"
    assert told(by_anthropic(nothing, headers)) == (status, kind, words)


def result(body: Json, place: int) -> Json:
    found: Json = body["messages"][2]["content"][place]
    return found


ANTHROPIC_MINDS: dict[str, tuple[Change, str]] = {
    "no model": (lambda body: body.pop("model"), "model: Field required"),
    "no limit": (lambda body: body.pop("max_tokens"), "max_tokens: Field required"),
    "limit of zero": (lambda body: body.update(max_tokens=0), "max_tokens: Input should be greater than or equal to 1"),
    "limit of text": (lambda body: body.update(max_tokens="9"), "max_tokens: Input should be a valid integer"),
    "no messages": (lambda body: body.pop("messages"), "messages: Field required"),
    "empty messages": (lambda body: body.update(messages=[]), "messages: at least one message is required"),
    "OpenAI's parameter": (lambda body: body.update(max_completion_tokens=9), "max_completion_tokens: Extra inputs are not permitted"),
    "role": (lambda body: body["messages"][0].update(role="tool"), "messages.0.role: Input should be"),
    "begins with the model": (lambda body: body["messages"].pop(0), 'first message must use the "user" role'),
    "no content": (lambda body: body["messages"][0].update(content=""), "messages.0: all messages must have non-empty content"),
    "empty text": (lambda body: result(body, 2).update(text=""), "messages: text content blocks must be non-empty"),
    "blank text": (lambda body: result(body, 2).update(text=" "), "messages: text content blocks must contain non-whitespace text"),
    "OpenAI's image": (lambda body: result(body, 2).update(type="image_url"), "Input tag 'image_url' found using 'type'"),
    "empty system": (lambda body: body.update(system=[{"type": "text", "text": ""}]), "system: text content blocks must be non-empty"),
    "one result missing": (
        lambda body: body["messages"][2]["content"].pop(1),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_2.",
    ),
    "all results missing": (lambda body: body["messages"].pop(2), "immediately after: toolu_1, toolu_2."),
    "words before results": (lambda body: body["messages"][2]["content"].reverse(), "immediately after: toolu_1, toolu_2."),
    "unknown result": (
        lambda body: result(body, 1).update(tool_use_id="toolu_9"),
        "messages.2.content.1: unexpected `tool_use_id` found in `tool_result` blocks: toolu_9.",
    ),
    "result twice": (lambda body: result(body, 1).update(tool_use_id="toolu_1"), "each tool_use must have a single result."),
    "same id twice": (lambda body: body["messages"][1]["content"][2].update(id="toolu_1"), "`tool_use` ids must be unique"),
    "dotted name": (lambda body: body["messages"][1]["content"][1].update(name="functions.refund"), "tool_use.name: String should match"),
    "input is text": (
        lambda body: body["messages"][1]["content"][1].update(input="{}"),
        "tool_use.input: Input should be a valid dictionary",
    ),
    "no schema": (lambda body: body["tools"][0].pop("input_schema"), "tools.0.custom.input_schema: Field required"),
    "schema of a list": (lambda body: body["tools"][0]["input_schema"].update(type="array"), "input_schema.type: Input should be 'object'"),
    "bad schema": (lambda body: body["tools"][0]["input_schema"].update(required="order"), "JSON schema is invalid"),
    "tool twice": (lambda body: body["tools"].append(TOOL), "tools: Tool names must be unique."),
    "choice without tools": (lambda body: body.update(tools=[], tool_choice={"type": "any"}), "tool_choice may only be specified while"),
    "choice of none": (lambda body: body.update(tool_choice={"type": "required"}), "Input tag 'required' found using 'type'"),
    "unknown choice": (lambda body: body.update(tool_choice={"type": "tool", "name": "pay"}), "Tool 'pay' not found in provided tools"),
    "too warm": (lambda body: body.update(temperature=1.5), "temperature: Input should be less than or equal to 1"),
    "format": (lambda body: body.update(output_config={"format": {"type": "json_object"}}), "format.type: Input should be 'json_schema'"),
}


@pytest.mark.parametrize("name", ANTHROPIC_MINDS)
def test_anthropic_refuses_in_its_words(name: str) -> None:
    change, words = ANTHROPIC_MINDS[name]
    status, kind, message = told(by_anthropic(change))
    assert (status, kind) == (400, "invalid_request_error")
    assert words in message


def test_anthropic_names_its_request_in_header_and_body() -> None:
    exchange = by_anthropic(lambda body: body.pop("model"))
    assert exchange is not None
    body = json.loads(exchange.content)
    assert (body["type"], body["request_id"]) == ("error", dict(exchange.headers)["request-id"])
    assert body["request_id"].startswith("req_01")


@pytest.mark.parametrize(
    "change",
    [
        nothing,
        lambda body: body.update(system="Be brief.", tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
        lambda body: body["messages"].append({"role": "assistant", "content": "So"}),
        lambda body: body["messages"].insert(1, {"role": "user", "content": "Please."}),
        lambda body: body["tools"].append({"type": "web_search_20250305", "name": "web_search"}),
        lambda body: body["messages"][1]["content"].insert(0, {"type": "thinking", "thinking": "Hm.", "signature": "x"}),
    ],
)
def test_anthropic_takes_what_is_right(change: Change) -> None:
    assert by_anthropic(change) is None


def test_results_may_come_in_several_messages_of_the_user() -> None:
    def apart(body: Json) -> None:
        body["messages"][2:] = [{"role": "user", "content": [block]} for block in body["messages"][2]["content"]]

    assert by_anthropic(apart) is None


VERTEX = "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-5@20260101:{}"


@pytest.mark.parametrize("verb", ["rawPredict", "streamRawPredict"])
def test_anthropic_on_vertex_takes_a_token_and_the_version_in_the_body(verb: str) -> None:
    body = {name: value for name, value in MESSAGES.items() if name != "model"}
    path, headers = VERTEX.format(verb), {"authorization": "Bearer ya29.token"}
    assert refused(ANTHROPIC_MESSAGES, path, headers, body | {"anthropic_version": "2026-10-21"}) is None
    assert told(refused(ANTHROPIC_MESSAGES, path, headers, body))[2] == "anthropic_version: Field required"
    assert told(refused(ANTHROPIC_MESSAGES, path, {}, body))[0] == 401


@pytest.mark.parametrize(("dialect", "path"), [(ANTHROPIC_MESSAGES, "/v1/messages"), (GEMINI, "/v1/models/gemini-3:generateContent")])
@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"a": "\\ud83d"}', b'{"a":' * 300 + b"1" + b"}" * 300])
def test_what_is_no_json_object_is_refused(dialect: Dialect, path: str, content: bytes) -> None:
    assert told(refused(dialect, path, VERSIONED | KEYED, content))[0] == 400


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 403, "PERMISSION_DENIED"),
        ({"x-goog-api-key": "None"}, 400, "INVALID_ARGUMENT"),
        ({"authorization": "Basic eA=="}, 401, "UNAUTHENTICATED"),
    ],
)
def test_google_wants_a_key(headers: dict[str, str], status: int, kind: str) -> None:
    assert told(by_google(nothing, headers))[:2] == (status, kind)


def test_google_says_in_the_details_that_a_key_is_bad() -> None:
    exchange = by_google(nothing, {"x-goog-api-key": "${KEY}"})
    assert exchange is not None
    assert json.loads(exchange.content)["error"]["details"][0]["reason"] == "API_KEY_INVALID"


def test_google_takes_the_key_in_the_query_too() -> None:
    assert refused(GEMINI, "/v1beta/models/gemini-2.5-flash:generateContent?key=k", {}, CONTENTS) is None


GOOGLE_MINDS: dict[str, tuple[Change, str]] = {
    "no contents": (lambda body: body.pop("contents"), "contents is not specified"),
    "role": (lambda body: body["contents"][0].update(role="assistant"), "Please use a valid role: user, model."),
    "no parts": (lambda body: body["contents"][0].update(parts=[]), "contents[0].parts: contents.parts must not be empty."),
    "empty part": (lambda body: body["contents"][0].update(parts=[{}]), "required oneof field 'data' must have one initialized field"),
    "OpenAI's part": (lambda body: body["contents"][0]["parts"][0].update(type="text"), 'Unknown name "type" at'),
    "OpenAI's field": (lambda body: body.update(messages=[]), 'Unknown name "messages": Cannot find field.'),
    "OpenAI's setting": (lambda body: body["generationConfig"].update(max_tokens=9), "Unknown name \"max_tokens\" at 'generation_config'"),
    "one response missing": (lambda body: body["contents"][2]["parts"].pop(), "number of function response parts is equal"),
    "no responses": (lambda body: body["contents"].pop(), "number of function response parts is equal"),
    "responses to nothing": (lambda body: body["contents"].pop(1), "function response turn comes immediately after"),
    "begins with a call": (lambda body: body["contents"].pop(0), "function call turn comes immediately after"),
    "bad name": (lambda body: body["tools"][0]["functionDeclarations"][0].update(name="no such tool!"), "Invalid function name."),
    "empty object": (
        lambda body: body["tools"][0].update(functionDeclarations=[{"name": "f", "parameters": {"type": "OBJECT"}}]),
        "should be non-empty for OBJECT type",
    ),
    "names without any": (
        lambda body: body.update(toolConfig={"functionCallingConfig": {"allowedFunctionNames": ["refund"]}}),
        "should only be set when the function calling mode is ANY",
    ),
    "any without tools": (
        lambda body: body.update(tools=[], toolConfig={"functionCallingConfig": {"mode": "ANY"}}),
        "Function calling config is set without function_declarations.",
    ),
    "too warm": (lambda body: body["generationConfig"].update(temperature=3), "must be in the range [0, 2]."),
    "schema of text": (
        lambda body: body.update(tools=[], generationConfig={"responseSchema": {"type": "OBJECT"}}),
        "only allowed when the response_mime_type is application/json",
    ),
    "json and tools": (lambda body: body["generationConfig"].update(responseMimeType="application/json"), "is unsupported"),
}


@pytest.mark.parametrize("name", GOOGLE_MINDS)
def test_google_refuses_in_its_words(name: str) -> None:
    change, words = GOOGLE_MINDS[name]
    status, kind, message = told(by_google(change))
    assert (status, kind) == (400, "INVALID_ARGUMENT")
    assert words in message


@pytest.mark.parametrize(
    "change",
    [
        nothing,
        lambda body: body.update(systemInstruction={"parts": [{"text": "Be brief."}]}),
        lambda body: body.update(system_instruction={"parts": [{"text": "Be brief."}]}),
        lambda body: body.update(contents={"parts": [{"text": "Hello."}]}),
        lambda body: body.update(tool_config={"function_calling_config": {"mode": "any", "allowed_function_names": ["refund"]}}),
        lambda body: body["contents"][1]["parts"].insert(0, {"text": "Hm.", "thought": True}),
    ],
)
def test_google_takes_what_is_right_in_camel_case_and_in_snake_case(change: Change) -> None:
    assert by_google(change) is None


def test_a_model_that_signs_its_calls_takes_none_back_without_the_signature() -> None:
    assert "missing a `thought_signature`" in told(by_google(nothing, model="gemini-3-flash"))[2]

    def signed(body: Json) -> None:
        body["contents"][1]["parts"][0]["thoughtSignature"] = "c2lnbmVk"

    assert by_google(signed, model="gemini-3-flash") is None


def test_what_google_can_do_and_a_script_cannot_is_said() -> None:
    with pytest.raises(ScriptMissing, match="candidates"):
        by_google(lambda body: body["generationConfig"].update(candidateCount=2))
    with pytest.raises(ScriptMissing, match="alt=sse"):
        refused(GEMINI, "/v1/models/gemini-2.5-flash:streamGenerateContent", KEYED, CONTENTS)


class Order(BaseModel):
    """What the agents below want back."""

    reply: str
    total: float


SCRIPT = ScriptSpec(turns=(Say("It is on its way."),))


def played(act: Callable[[], Any], script: ScriptSpec = SCRIPT) -> Any:
    def conversation(talk: Talk) -> None:
        talk.turn("Where is it?")
        talk.reply(act())

    run = play(conversation, Setup(scripts=(script,), prompts=("Where is it?",)))
    assert (run.ending, run.error, run.problems) == ("returned", None, ())
    return run.replies[0]


def test_anthropics_structured_answer_fits_its_schema() -> None:
    def ask() -> Any:
        asked: Any = {"model": "claude-sonnet-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Where is it?"}]}
        return anthropic.Anthropic().messages.parse(**asked, output_format=Order).parsed_output

    assert played(ask) == Order(reply="It is on its way.", total=0.0)


@pytest.mark.parametrize("form", [{"response_schema": Order}, {"response_json_schema": Order.model_json_schema()}])
def test_geminis_structured_answer_fits_its_schema(form: Json) -> None:
    def ask() -> Any:
        config = types.GenerateContentConfig(response_mime_type="application/json", **form)
        with genai.Client() as client:
            return client.models.generate_content(model="gemini-2.5-flash", contents="Where is it?", config=config).text

    assert json.loads(played(ask)) == {"reply": "It is on its way.", "total": 0.0}


def test_a_forced_tool_gets_the_words() -> None:
    def ask() -> Any:
        tool: Any = {"name": "answer", "input_schema": Order.model_json_schema()}
        asked: Any = {"model": "claude-sonnet-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Where is it?"}]}
        message = anthropic.Anthropic().messages.create(**asked, tools=[tool], tool_choice={"type": "tool", "name": "answer"})
        return message.content[0].input if message.content[0].type == "tool_use" else None

    def ask_google() -> Any:
        function = types.FunctionDeclaration(name="answer", parameters_json_schema=Order.model_json_schema())
        calling: Any = {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["answer"]}}
        config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[function])], tool_config=calling)
        with genai.Client() as client:
            [call] = client.models.generate_content(model="gemini-2.5-flash", contents="Where is it?", config=config).function_calls or ()
        return call.args

    assert played(ask) == played(ask_google) == {"reply": "It is on its way.", "total": 0.0}


def test_parallel_calls_can_be_switched_off_at_anthropic() -> None:
    script = ScriptSpec(turns=(Call((("refund", {"order": "1"}), ("refund", {"order": "2"}))), Say("Done.")))

    def ask() -> Any:
        asked: Any = {"model": "claude-sonnet-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Where is it?"}]}
        choice: Any = {"type": "auto", "disable_parallel_tool_use": True}
        return len(anthropic.Anthropic().messages.create(**asked, tools=[TOOL], tool_choice=choice).content)  # type: ignore[list-item]

    assert played(ask, script) == 1
