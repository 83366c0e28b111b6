"""A suite whose scenario is played from a cassette."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from agentlab_suites.load import load_suite
from agentlab_suites.problems import BadSuite

pytest_plugins = ["pytester"]

SUITE = """
version: 1
agent: app.py:build
faults: [http_500, body_truncated_json]
tools:
  lookup_order: {effect: read, returns: {status: delivered}, at: "app:lookup_order"}
scenarios:
  where:
    prompt: "Where is order 5512?"
    provider: {cassette: order.jsonl}
    expect: [{reply.contains: delivered}]
"""
AGENT = """
import json
import openai

TOOL = {"type": "function", "function": {"name": "lookup_order", "parameters": {"type": "object", "properties": {}}}}


def lookup_order(id):
    raise AssertionError("a fake body never runs")


def build():
    def agent(text):
        messages = [{"role": "user", "content": text}]
        while True:
            message = openai.OpenAI().chat.completions.create(model="m", messages=messages, tools=[TOOL]).choices[0].message
            if not message.tool_calls:
                return message.content
            messages.append({"role": "assistant", "content": None, "tool_calls": [c.model_dump() for c in message.tool_calls]})
            for call in message.tool_calls:
                result = lookup_order(**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})

    return agent
"""


def take(messages: list[Any], message: dict[str, Any], finish: str) -> str:
    tool = {"type": "function", "function": {"name": "lookup_order", "parameters": {"type": "object", "properties": {}}}}
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }
    line = {
        "kind": "take",
        "api": "openai.chat",
        "method": "POST",
        "path": "/v1/chat/completions",
        "request": {"model": "m", "messages": messages, "tools": [tool]},
        "status": 200,
        "headers": [["content-type", "application/json"]],
        "pieces": [{"after": 0.5, "text": json.dumps(answer)}],
    }
    return json.dumps(line)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a suite, its agent and a recording."""
    user = {"role": "user", "content": "Where is order 5512?"}
    call = {"id": "call_1", "type": "function", "function": {"name": "lookup_order", "arguments": '{"id":"5512"}'}}
    called = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": '{"status": "delivered"}'}
    lines = [
        '{"kind":"cassette","version":1,"upstream":"api.openai.com"}',
        take([user], {"content": None, "tool_calls": [call]}, "tool_calls"),
        take([user, called, result], {"content": "It was delivered."}, "stop"),
    ]
    (tmp_path / "order.jsonl").write_text("\n".join(lines))
    (tmp_path / "where.suite.yaml").write_text(SUITE)
    (tmp_path / "app.py").write_text(AGENT)
    return tmp_path


def refused(folder: Path, old: str, new: str) -> str:
    path = folder / "where.suite.yaml"
    assert old in SUITE
    path.write_text(SUITE.replace(old, new))
    with pytest.raises(BadSuite) as raised:
        load_suite(path)
    return str(raised.value)


def test_a_recorded_scenario_is_played_in_virtual_time_under_faults(folder: Path, shop: Any) -> None:
    for path in folder.iterdir():
        shop.write(path.name, path.read_text())
    ran = shop.apart("where.suite.yaml", "-q", "-p", "no:randomly", "-p", "no:cacheprovider")
    cells = shop.cells()
    assert cells["where[control]"]["outcome"] == "success", ran.stdout.str()
    assert cells["where[control]"]["virtual_seconds"] == 1.0
    assert cells["where[openai.chat.1-http_500]"]["outcome"] == "success"
    assert cells["where[openai.chat.2-body_truncated_json]"]["outcome"] == "crash"
    assert {line["outcome"] for line in cells.values()} <= {"success", "crash"}


def test_the_cassette_counts_in_the_suites_hash(folder: Path) -> None:
    before = load_suite(folder / "where.suite.yaml").digest
    (folder / "order.jsonl").write_text((folder / "order.jsonl").read_text() + "\n")
    assert load_suite(folder / "where.suite.yaml").digest != before


def test_recorded_arguments_of_endless_nesting_are_none(folder: Path) -> None:
    nested = {"id": "call_1", "type": "function", "function": {"name": "lookup_order", "arguments": '{"a":' * 100_000}}
    first, _, last = (folder / "order.jsonl").read_text().splitlines()
    broken = take([{"role": "user", "content": "Where is order 5512?"}], {"content": None, "tool_calls": [nested]}, "tool_calls")
    (folder / "order.jsonl").write_text("\n".join([first, broken, last]))
    [turn] = load_suite(folder / "where.suite.yaml").suite.scenarios["where"].script
    assert turn.calls == (("lookup_order", {}),)


def test_mistakes_are_one_sentence_with_their_line(folder: Path) -> None:
    assert ":10: There is no such cassette; record one with" in refused(folder, "order.jsonl", "other.jsonl")
    assert ":10: '../order.jsonl' lies outside the suite's folder" in refused(folder, "order.jsonl", "../order.jsonl")
    assert "'provider: live' comes in a later version" in refused(folder, "{cassette: order.jsonl}", "live")
    both = refused(folder, "    expect:", "    script: [{say: x}]\n    expect:")
    assert "needs either 'script:' or 'provider: {cassette: FILE}'" in both
    assert "The script calls 'lookup_order', which 'tools:' does not declare" in refused(folder, "lookup_order: {", "lookup: {")
    (folder / "order.jsonl").write_text("{}")
    assert "where.suite.yaml:10: Line 1: api is wrong: Field required" in refused(folder, "version: 1", "version: 1 ")
