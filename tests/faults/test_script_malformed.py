"""Whatever an agent sends, it is answered, refused as the provider would, or named as the lab's lack: nothing breaks the lab."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from agentlab_faults.dialects import CHAT
from agentlab_faults.dialects.chat.reading import read
from agentlab_faults.dialects.chat.refusal import refuse
from agentlab_faults.exchange import Exchange, Timeouts, WireRequest
from agentlab_faults.script import Call, Say, ScriptedModel, ScriptMissing, ScriptSpec
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = {"authorization": "Bearer sk-test"}
SPEC = ScriptSpec(turns=(Call((("lookup", {"id": "1"}),)), Say("It is on its way.")))
USER = {"role": "user", "content": "q"}


def wire(
    body: bytes, headers: dict[str, str] | None = None, path: str = "/v1/chat/completions", host: str = "api.openai.com"
) -> WireRequest:
    sent = KEY if headers is None else headers
    return WireRequest("httpx2", "POST", f"https://{host}{path}", host, path, sent, body, Timeouts(), sync=True)


def asked(**change: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [USER], **change}


def called(call: dict[str, Any]) -> list[Any]:
    return [USER, {"role": "assistant", "content": None, "tool_calls": [call]}]


def tool(parameters: Any, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": parameters, **more}}


def forced(schema: dict[str, Any]) -> dict[str, Any]:
    return asked(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})


def answered(content: bytes) -> Exchange:
    """What the provider answers. Raises ScriptMissing where the script has nothing."""
    refusal = refuse(wire(content))
    if refusal is not None:
        return refusal
    body = json.loads(content)
    serving = ScriptedModel([SPEC], ["q"]).serve(read(body))
    payload = CHAT.render(CHAT.answer(serving, wire(b""), body, prompt=1, serial=1, created=0), body)
    return CHAT.exchange(payload, body, streams=False, latency=serving.latency, serial=1)


OBJECT: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
RICH: dict[str, Any] = {
    "type": "object",
    "required": ["a", "b", "c", "d"],
    "additionalProperties": False,
    "$defs": {"D": {"type": "object", "properties": {"d": {"$ref": "#/$defs/D"}}}},
    "properties": {
        "a": {"anyOf": [{"type": "string", "minLength": 2, "maxLength": 9, "pattern": "q|."}, {"type": "null"}]},
        "b": {"type": "array", "items": {"$ref": "#/$defs/D"}, "minItems": 1},
        "c": {"type": ["integer", "null"], "minimum": 3, "multipleOf": 2},
        "d": {"allOf": [{"type": "object", "required": ["e"], "properties": {"e": {"enum": ["x", "y"]}}}, {"$ref": "#/$defs/D"}]},
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}
CUSTOM = {"type": "custom", "custom": {"name": "grep"}}
BODIES: list[dict[str, Any]] = [
    asked(tools=[tool(RICH), tool(OBJECT, strict=False)], tool_choice={"type": "function", "function": {"name": "f"}}, temperature=1),
    asked(messages=[*called(CALL), {"role": "tool", "tool_call_id": "c1", "content": "x"}], tools=[CUSTOM], max_tokens=5, stop=["x"]),
    asked(
        tools=[tool(OBJECT), CUSTOM],
        tool_choice={
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
        },
    ),
    forced(RICH),
    asked(messages=[{"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "image_url", "image_url": {"url": "u"}}]}]),
]

WORDS = [
    "function",
    "custom",
    "type",
    "q",
    "#",
    "#/$defs/D",
    "tool",
    "assistant",
    "json_schema",
    "array",
    "x",
    "\ud800",
    "",
    "$ref",
    "items",
]
scalars = st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.sampled_from(WORDS) | st.text(max_size=4)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) within a body."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [place for key in keys for place in ((value, key), *places(value[key]))]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    body = copy.deepcopy(draw(st.sampled_from(BODIES)))
    for _ in range(draw(st.integers(0, 3))):
        here = places(body)
        if not here:
            break
        container, key = draw(st.sampled_from(here))
        what = draw(st.sampled_from(["put", "put", "take", "move", "add"]))
        if what == "take":
            del container[key]
        elif what == "move":
            source, of = draw(st.sampled_from(here))
            container[key] = copy.deepcopy(source[of])
        elif what == "add" and isinstance(container, dict):
            container[draw(st.sampled_from([*WORDS, "properties", "required", "anyOf", "minLength", "tools"]))] = draw(values)
        else:
            container[key] = draw(values)
    return json.dumps(body).encode()


@settings(max_examples=300, deadline=None)
@given(mutated() | values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20))
def test_any_body_is_answered_or_refused_or_more_than_the_script_has(content: bytes) -> None:
    try:
        exchange = answered(content)
    except ScriptMissing:
        return
    assert exchange.status == 200 or 400 <= exchange.status < 500
    assert json.loads(exchange.content)


@pytest.mark.parametrize("body", BODIES)
def test_the_bodies_that_are_mutated_are_in_order(body: dict[str, Any]) -> None:
    assert answered(json.dumps(body).encode()).status == 200


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("a kind of tool that is a list", asked(tools=[{"type": ["x"], "function": {"name": "f"}}]), "tools[0].type"),
    ("a function that is a text", asked(tools=[{"type": "function", "function": "f"}]), "tools[0].function"),
    ("a custom tool that is none", asked(tools=[{"type": "custom", "custom": 1}]), "tools[0].custom"),
    ("properties in a list", asked(tools=[tool({"type": "object", "properties": [1]})]), "tools[0].function.parameters"),
    ("required names that are none", asked(tools=[tool({"type": "object", "required": [1]})]), "tools[0].function.parameters"),
    ("an unknown type", asked(tools=[tool({"type": "object", "properties": {"a": {"type": "any"}}})]), "tools[0].function.parameters"),
    ("a schema that is a list", asked(tools=[tool([])]), "tools[0].function.parameters"),
    ("a reference to nothing", forced({"type": "object", "properties": {"a": {"$ref": "#/$defs/No"}}}), "response_format"),
    ("no branch", forced({"anyOf": []}), "response_format"),
    ("no value", forced({"type": "object", "properties": {"a": {"enum": []}}}), "response_format"),
    ("a tuple of items", forced({"type": "object", "properties": {"a": {"type": "array", "items": [{}]}}}), "response_format"),
    ("an id of a call in a list", asked(messages=called({**CALL, "id": ["a"]})), "messages[1].tool_calls[0].id"),
    ("an unknown kind of call", asked(messages=called({**CALL, "type": "x"})), "messages[1].tool_calls[0].type"),
    (
        "an id of a result in a list",
        asked(messages=[*called(CALL), {"role": "tool", "tool_call_id": ["c1"], "content": "x"}]),
        "messages[2].tool_call_id",
    ),
    ("an unknown part", asked(messages=[{"role": "user", "content": [{"type": "bogus"}]}]), "messages[0].content[0].type"),
    ("a part that is a number", asked(messages=[{"role": "user", "content": [1]}]), "messages[0].content[0]"),
    ("a part without its text", asked(messages=[{"role": "user", "content": [{"type": "text"}]}]), "messages[0].content[0].text"),
    ("a choice without a type", asked(tools=[tool(OBJECT)], tool_choice={"function": {"name": "f"}}), "tool_choice.type"),
    ("a choice of the other kind", asked(tools=[CUSTOM], tool_choice={"type": "function", "function": {"name": "grep"}}), "tool_choice"),
    (
        "a choice among texts",
        asked(tools=[tool(OBJECT)], tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": ["f"]}}),
        "tool_choice.allowed_tools.tools[0]",
    ),
    ("a model that is a number", asked(model=7), "model"),
    ("a tier in a list", asked(service_tier=["x"]), "service_tier"),
]


@pytest.mark.parametrize(("body", "param"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_malformed_is_a_bad_request(body: dict[str, Any], param: str) -> None:
    refusal = refuse(wire(json.dumps(body).encode()))
    assert refusal is not None
    assert (refusal.status, json.loads(refusal.content)["error"]["param"]) == (400, param)


def test_no_tools_are_refused_whatever_was_accepted_before() -> None:
    for _ in range(2):
        assert refuse(wire(json.dumps(asked(tools=[])).encode())) is not None


@pytest.mark.parametrize("content", [b'{"model":"\\ud800","messages":[{"role":"user","content":"q"}]}', b'{"a":' * 250 + b"1" + b"}" * 250])
def test_a_body_that_nobody_could_write_again_is_no_json(content: bytes) -> None:
    refusal = refuse(wire(content), json.loads(content))
    assert refusal is not None
    assert json.loads(refusal.content)["error"]["message"].startswith("We could not parse the JSON body")


def test_an_emoji_is_no_broken_text() -> None:
    assert answered(json.dumps(asked(messages=[{"role": "user", "content": "\U0001f600"}])).encode()).status == 200


def test_a_custom_tool_that_must_be_called_is_more_than_a_script_has() -> None:
    with pytest.raises(ScriptMissing, match="custom tool 'grep'"):
        answered(json.dumps(asked(tools=[CUSTOM], tool_choice=CUSTOM)).encode())


@pytest.mark.parametrize(
    "member",
    [
        {"type": "string", "minLength": 10**12},
        {"type": "array", "items": {}, "minItems": 10**9},
        {"type": "string", "pattern": "\\p{L}"},
        {"type": "number", "minimum": 10**400},
        {"allOf": [{"$ref": "#/properties/a"}]},
        {"type": "array", "minItems": 999, "items": {"type": "array", "minItems": 999, "items": {"type": "array", "items": {}}}},
    ],
    ids=["text", "array", "dialect", "number", "endless", "many"],
)
def test_a_value_beyond_reason_is_more_than_a_script_has(member: dict[str, Any]) -> None:
    with pytest.raises(ScriptMissing):
        answered(json.dumps(forced({"type": "object", "required": ["a"], "properties": {"a": member}})).encode())


DEPLOYMENT = "/openai/deployments/mine/chat/completions"
AZURE = "x.openai.azure.com"


@pytest.mark.parametrize("headers", [{"api-key": "k"}, {"authorization": "Bearer token"}])
def test_azure_takes_its_key_in_a_header_of_its_own_or_a_token(headers: dict[str, str]) -> None:
    assert refuse(wire(json.dumps(asked()).encode(), headers, DEPLOYMENT, AZURE)) is None


def test_a_deployment_need_not_be_told_its_model() -> None:
    body = {"messages": [USER]}
    assert refuse(wire(json.dumps(body).encode(), {"api-key": "k"}, DEPLOYMENT, AZURE)) is None
    serving = ScriptedModel([ScriptSpec(turns=(Say("x"),))]).serve(read(body))
    assert CHAT.answer(serving, wire(b""), body, prompt=1, serial=1, created=0).model


@pytest.mark.parametrize("headers", [{}, {"api-key": ""}, {"api-key": "None"}, {"api-key": "None", "authorization": "Bearer token"}])
def test_azure_refuses_a_key_that_is_none_in_its_own_words(headers: dict[str, str]) -> None:
    refusal = refuse(wire(json.dumps(asked()).encode(), headers, DEPLOYMENT, AZURE))
    assert refusal is not None
    assert refusal.status == 401
    assert json.loads(refusal.content)["error"]["message"].startswith("Access denied due to invalid subscription key")


def test_openai_does_not_look_at_azures_header() -> None:
    refusal = refuse(wire(json.dumps(asked()).encode(), {"api-key": "k"}))
    assert refusal is not None
    assert refusal.status == 401


@pytest.mark.parametrize(
    "key", ["None", "null", "undefined", "$OPENAI_API_KEY", "${OPENAI_API_KEY}", "'sk-x'", '"sk-x"', "a b", "a\x01", "schlüssel"]
)
def test_what_an_unset_variable_leaves_behind_is_no_key(key: str) -> None:
    refusal = refuse(wire(json.dumps(asked()).encode(), {"authorization": f"Bearer {key}"}))
    assert refusal is not None
    error = json.loads(refusal.content)["error"]
    assert (refusal.status, error["type"], error["param"], error["code"]) == (401, "invalid_request_error", None, "invalid_api_key")
    assert error["message"].startswith("Incorrect API key provided: ")


@pytest.mark.parametrize(
    "key", ["k", "EMPTY", "none", "your-api-key", "no-OPENAI_API_KEY", "sk-agentlab-scripted-provider", "<key>", "a.b/c+d=="]
)
def test_any_placeholder_is_taken_for_a_key(key: str) -> None:
    assert refuse(wire(json.dumps(asked()).encode(), {"authorization": f"Bearer {key}"})) is None
