"""A small project of a user's, and the command line in processes of its own."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AGENTS = '''
import asyncio, json, random, threading, time

import openai


def lookup_order(id):
    raise AssertionError("a fake body never runs")


def refund(order):
    raise AssertionError("a fake body never runs")


TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {field: {"type": "string"}}}}}
    for name, field in (("lookup_order", "id"), ("refund", "order"))
]


async def agent(text):
    """The loop of every tutorial, with the SDK's own retries."""
    client = openai.AsyncOpenAI()
    messages = [{"role": "user", "content": text}]
    while True:
        answer = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS)
        message = answer.choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            result = globals()[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})


async def leaks(text):
    """Tells its key to whoever listens."""
    key = openai.AsyncOpenAI().api_key
    print("my key is", key)
    try:
        return await agent(text) + f" (key {key})"
    except Exception as error:
        raise RuntimeError(f"the key {key} failed") from error


async def spins(text):
    """Busy for ever once anything fails."""
    try:
        return await agent(text)
    except Exception:
        while True:
            pass


async def waits_for_a_real_thread(text):
    """Once anything fails, waits for a thread that the lab does not drive."""
    try:
        return await agent(text)
    except Exception:
        done = threading.Lock()
        done.acquire()

        def never():
            import ctypes

            ctypes.CDLL(None).pause()

        threading.Thread(target=never, daemon=True).start()
        done.acquire()


async def waits_for_an_event(text):
    """Once anything fails, waits for what nobody will do."""
    try:
        return await agent(text)
    except Exception:
        await asyncio.Event().wait()


async def deaf(text):
    """Never calls its provider."""
    return "I refunded EUR 49.90 for order 5512."
'''

SUITE = """
version: 1
agent: agents.py:agent
faults: [http_500, http_429_rate, tool_exception]
tools:
  lookup_order: {effect: read, returns: {total: 49.90}, at: "agents:lookup_order"}
  refund: {effect: write, identity: [order], at: "agents:refund"}
scenarios:
  refund_order:
    prompt: "Refund order 5512."
    script:
      - call: {lookup_order: {id: "5512"}}
      - call: {refund: {order: "5512"}}
      - say: "I refunded EUR 49.90 for order 5512."
    expect:
      - reply.contains: "49.90"
      - ledger.exactly: {refund: 1}
    claims: {refund: ["refunded"]}
"""


@dataclasses.dataclass
class Project:
    """A folder with an agent and a suite, as a user has them."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        """Put a file into the folder."""
        path = self.folder / name
        path.write_text(text)
        return path

    def suite(self, faults: str) -> None:
        """Write the suite with these faults instead."""
        self.write("shop.suite.yaml", SUITE.replace("http_500, http_429_rate, tool_exception", faults))

    def run(self, *arguments: str, plain: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command line in a process of its own.

        Without the plugins of other packages, which take seconds to load and have no part in it; `plain` is with all that is installed.
        """
        program, *rest = arguments
        if not plain:
            environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
            rest = ["-p", "agentlab", "-p", "xdist", *rest] if program == "pytest" else rest
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "OPENAI_"))}
        return subprocess.run(
            [sys.executable, "-m", program, *rest],
            cwd=self.folder,
            env={**kept, "PYTHONPATH": str(self.folder), **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def results(self, name: str = ".agentlab/last/results.jsonl") -> bytes:
        """The results file's bytes."""
        return (self.folder / name).read_bytes()

    def cells(self, name: str = ".agentlab/last/results.jsonl") -> list[dict[str, Any]]:
        """The results file's cells."""
        return [line for line in map(json.loads, self.results(name).splitlines()) if line["kind"] == "cell"]

    def outcomes(self, name: str = ".agentlab/last/results.jsonl") -> dict[str, str]:
        """Cell id to outcome."""
        return {line["id"]: line["outcome"] for line in self.cells(name)}


def make(folder: Path) -> Project:
    """A project with an agent that does not survive much."""
    made = Project(folder)
    made.write("agents.py", AGENTS)
    made.write("shop.suite.yaml", SUITE)
    made.write("pytest.ini", "[pytest]\naddopts = -p no:cacheprovider -p no:randomly -p no:asyncio -p no:langsmith_plugin\n")
    return made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of one test."""
    return make(tmp_path)


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose suite was played once in one process, with all plugins and hash seed 1: made by the worker that needs it first.

    Tests write results of their own beside it and leave `.agentlab/last` as it is.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "played"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = Project(folder)
        if not (folder / "done").exists():
            make(folder).run("pytest", "shop.suite.yaml", "-q", plain=True, PYTHONHASHSEED="1")
            made.write("done", "")
    return made
