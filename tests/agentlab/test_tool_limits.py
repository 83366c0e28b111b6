"""Tools that are slow, many or dead: slots, fallbacks, and threads that hold nothing up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

from agentlab import Bounds, Model, Reply, Tool, tool
from agentlab.agent import Agent

from .conftest import Wire, call, say

MODEL = Model(name="gpt-4o-mini", timeout=8.0)
DONE = "Done."


def ask(wire: Wire, *tools: Tool, **options: Any) -> Reply:
    helper = Agent("test", instructions="Help.", models=[MODEL], tools=tools, bounds=Bounds(seconds=45.0), **options)

    async def turn() -> Reply:
        return await helper("Go.")

    reply: Reply = wire.run(turn())
    return reply


def several(n: int) -> Any:
    return call(*(("look", {"item": str(k)}) for k in range(n)), ids=tuple(f"c{k}" for k in range(n)))


def test_no_more_calls_of_a_tool_run_at_a_time_than_it_says(wire: Wire) -> None:
    running, most = 0, 0

    @tool(concurrency=2)
    async def look(item: str) -> str:
        """Look."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        return item

    wire.primary(several(6), say(DONE))
    assert ask(wire, look).status == "complete"
    assert (most, wire.now) == (2, 5.0)


def test_threads_that_never_come_back_do_not_pile_up(wire: Wire) -> None:
    started: list[str] = []

    @tool(concurrency=2, timeout=1.0)
    def look(item: str) -> str:
        """Look."""
        started.append(item)
        time.sleep(1e6)
        return item

    wire.primary(several(6), say("I could not look."))
    reply = ask(wire, look)
    assert (reply.status, len(started)) == ("degraded", 2)
    assert wire.now < 45


def broken(effect: Any = "read", error: Exception | None = None, **options: Any) -> Tool:
    async def look(item: str) -> str:
        """Look."""
        raise error or RuntimeError("down")

    return Tool(look, effect=effect, **options)


def replica(seen: list[str], **options: Any) -> Tool:
    async def look_replica(item: str) -> str:
        """Look elsewhere."""
        seen.append(item)
        return f"{item} from the replica"

    return Tool(look_replica, **options)


def test_a_tool_that_failed_for_good_is_replaced_by_its_fallback(wire: Wire) -> None:
    seen: list[str] = []
    wire.primary(several(1), say(DONE))
    reply = ask(wire, broken(fallback=replica(seen)))
    assert (reply.text, reply.status, seen) == (DONE, "complete", ["0"])
    (action,) = reply.steps[0].actions
    assert (action.tool, action.by, action.observation) == ("look", "look_replica", "0 from the replica")
    assert [offered["function"]["name"] for offered in wire.requests[0][1]["tools"]] == ["look"]


def test_a_tool_with_a_fallback_is_not_withdrawn_when_its_breaker_opens(wire: Wire) -> None:
    seen: list[str] = []
    calls = [call(("look", {"item": str(n)}), ids=(f"c{n}",)) for n in range(4)]
    wire.primary(*calls, say(DONE))
    assert ask(wire, broken(fallback=replica(seen))).status == "complete"
    assert len(seen) == 4


def test_a_write_that_may_have_happened_has_no_fallback(wire: Wire) -> None:
    seen: list[str] = []
    wire.primary(several(1), say("I am not sure."))
    reply = ask(wire, broken("write", TimeoutError(), fallback=replica(seen, effect="write")))
    assert (reply.unconfirmed, seen) == (("look",), [])


def test_a_write_that_certainly_did_not_happen_has_one(wire: Wire) -> None:
    seen: list[str] = []
    wire.primary(several(1), say(DONE))
    reply = ask(wire, broken("write", ConnectionRefusedError(), fallback=replica(seen, effect="write")))
    assert (reply.effects, reply.status, seen) == (("look_replica",), "complete", ["0"])


def test_a_fallback_that_cannot_take_the_arguments_or_fails_changes_nothing(wire: Wire) -> None:
    @tool
    async def other(something: int) -> str:
        """Another."""
        return str(something)

    wire.primary(several(1), say("I could not look."))
    reply = ask(wire, broken(fallback=other))
    assert (reply.status, reply.steps[0].actions[0].by) == ("degraded", "")
    assert "look is unavailable" in reply.steps[0].actions[0].error


class Desk:
    """Tools as methods, one the fallback of the other."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @tool
    async def spare(self, item: str) -> str:
        """Look elsewhere."""
        self.seen.append(item)
        return item

    @tool(fallback=spare)
    async def look(self, item: str) -> str:
        """Look."""
        raise RuntimeError("down")


def test_a_method_falls_back_to_its_own_object(wire: Wire) -> None:
    desk, other = Desk(), Desk()
    wire.primary(several(1), say(DONE))
    ask(wire, desk.look)
    assert (desk.seen, other.seen) == (["0"], [])


PROVIDER = """
import asyncio, json, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer

import openai.types.chat  # the deadline is for the run, not for the first import of the SDK

from agentlab import Agent, Bounds, Model, tool

CALL = {"id": "call_a", "type": "function", "function": {"name": "hang", "arguments": "{}"}}


class Provider(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        last = asked["messages"][-1]["role"] == "tool"
        message = {"role": "assistant", "content": "It did not answer." if last else None, "tool_calls": None if last else [CALL]}
        choice = {"index": 0, "message": message, "finish_reason": "stop" if last else "tool_calls"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Provider)
threading.Thread(target=server.serve_forever, daemon=True).start()
"""

HANGING = (
    PROVIDER
    + """

@tool
def hang() -> str:
    "Block for ever."
    threading.Event().wait()
    return "never"


async def main():
    model = Model(name="m", base_url=f"http://127.0.0.1:{server.server_port}/v1", timeout=2.0)
    began = time.monotonic()
    async with Agent("a", instructions="", models=[model], tools=[hang], bounds=Bounds(seconds=5.0)) as agent:
        reply = await agent("go")
    print(reply.status, time.monotonic() - began < 5.5, reply.resume is not None)


asyncio.run(main())
"""
)

DYING = (
    PROVIDER
    + """

import os, sys
from pathlib import Path

from agentlab import SqliteStore

DIES = sys.argv[1] == "dies"


@tool(effect="write")
async def hang(idempotency_key: str) -> str:
    "Pay."
    with Path("paid").open("a") as paid:
        paid.write(idempotency_key + "\\n")
    if DIES:
        os._exit(9)
    return "paid"


async def main():
    model = Model(name="m", base_url=f"http://127.0.0.1:{server.server_port}/v1")
    store = SqliteStore("checkpoints.db")
    async with Agent("a", instructions="", models=[model], tools=[hang], checkpoints=store, conversation="c1") as agent:
        handle = await agent.unfinished()
        reply = await (agent.resume(handle) if handle else agent("go"))
    print(handle is not None, reply.status, reply.effects, reply.unconfirmed)


asyncio.run(main())
"""
)


def test_in_real_time_a_thread_that_blocks_for_ever_holds_neither_the_answer_nor_the_process(tmp_path: Path) -> None:
    script = tmp_path / "hanging.py"
    script.write_text(textwrap.dedent(HANGING))
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout.strip(), ended.stderr, ended.returncode) == ("degraded True True", "", 0)


def test_a_process_that_dies_in_a_write_is_replaced_by_one_that_makes_it_under_the_same_key(tmp_path: Path) -> None:
    script = tmp_path / "dying.py"
    script.write_text(textwrap.dedent(DYING))

    def run(how: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), how]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert run("dies").returncode == 9
    went_on = run("lives")
    assert (went_on.stdout.strip(), went_on.stderr) == ("True complete ('hang',) ()", "")
    first, second = (tmp_path / "paid").read_text().split()
    assert first == second
