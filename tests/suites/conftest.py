"""A small shop for the tests of the plugin: an agent that speaks HTTP by itself, and a suite for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AGENT = """
import json
import httpx2

URL = "https://api.openai.com/v1/chat/completions"


def refund(order):
    raise RuntimeError("the real refund ran")


def build():
    messages = []
    schema = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
    tools = [{"type": "function", "function": {"name": "refund", "parameters": schema}}]

    def agent(text):
        messages.append({"role": "user", "content": text})
        while True:
            headers = {"authorization": "Bearer key", "content-type": "application/json"}
            body = {"model": "gpt-4o-mini", "messages": messages, "tools": tools}
            answer = httpx2.post(URL, json=body, headers=headers, timeout=30)
            answer.raise_for_status()
            message = answer.json()["choices"][0]["message"]
            messages.append(message)
            if not message.get("tool_calls"):
                return message["content"]
            for call in message["tool_calls"]:
                result = refund(**json.loads(call["function"]["arguments"]))
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})

    return agent
"""

SUITE = """\
version: 1
agent: agent.py:build
faults: [http_503, usage_zero]
tools:
  refund: {effect: write, identity: [order]}
scenarios:
  refund_order:
    prompt: Refund 5512.
    script:
      - call: {refund: {order: "5512"}}
      - say: I refunded order 5512.
    expect:
      - reply.contains: "5512"
      - ledger.exactly: {refund: 1}
    claims: {refund: [refunded]}
  greet:
    prompt: Hello.
    script:
      - say: Good day.
    expect:
      - reply.contains: Good day
"""


class Shop:
    """A folder with an agent and a suite, and pytest in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.folder: Path = pytester.path
        self.write("agent.py", AGENT)
        self.write("shop.suite.yaml", SUITE)
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def pytest(self, *arguments: str) -> pytest.RunResult:
        """A run in this process."""
        return self._pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider", *arguments)

    def apart(self, *arguments: str, plain: bool = False, **environment: str) -> pytest.RunResult:
        """A run in a process of its own, without the plugins of other packages, which take seconds to load; `plain`: with them all."""
        named = ["-p", "no:langsmith_plugin"] if plain else ["-p", "agentlab", "-p", "xdist"]
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items() if plain else {**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}.items():
                patch.setenv(name, value)
            return self._pytester.runpytest_subprocess(*named, *arguments)

    def cells(self, place: str = ".agentlab/last/results.jsonl") -> dict[str, dict[str, Any]]:
        """The cells of a results file by id."""
        lines = [json.loads(line) for line in (self.folder / place).read_text().splitlines()]
        return {line["id"]: line for line in lines if line["kind"] == "cell"}

    def header(self, place: str = ".agentlab/last/results.jsonl") -> dict[str, Any]:
        """The first header of a results file."""
        found: dict[str, Any] = json.loads((self.folder / place).read_text().splitlines()[0])
        return found


@pytest.fixture
def shop(pytester: pytest.Pytester) -> Shop:
    return Shop(pytester)


Refused = Callable[[str], str]
