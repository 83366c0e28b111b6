"""What OpenAI Chat Completions refuses before any model runs, in its words, and what it accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agentlab_faults.dialects.chat.refusal import refuse
from agentlab_faults.script import ScriptMissing

from .chat_wire import TOOLS, tool, wire_request

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
