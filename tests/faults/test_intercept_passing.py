"""Real servers on loopback, reached from virtual time: no timer overtakes an answer that is due, and an idle stream holds nothing up."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import urllib3
from agentlab_faults.intercept import armed
from agentlab_faults.sim import Simulation
from aiohttp import web

SLOW = 0.1
"""Real seconds, far more than any timer of the lab's waits for a real descriptor that owes nothing."""
_slow = threading.Event()
_over = threading.Event()


class Service(BaseHTTPRequestHandler):
    """Answers late: with the head (`/head`), or in mid-body (`/body`). What is subscribed to stays open and says nothing."""

    def do_GET(self) -> None:
        self._wait("/head")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if self.path == "/events" else "text/plain")
        if self.path != "/events":
            self.send_header("content-length", "4")
        self.end_headers()
        if self.path == "/events":
            self.wfile.write(b"data: 1\n\n")
            self._stay_open()
        else:
            self._send(b"po")
            self._wait("/body")
            self._send(b"ng")

    def do_POST(self) -> None:
        """An MCP server: notes its progress, then gives the answer, and leaves the stream open."""
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self._send(b'data: {"jsonrpc": "2.0", "method": "notifications/progress"}\n\n')
        _slow.wait(SLOW)
        answer = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {}})
        self._send(f"data: {answer}".encode())
        self._send(b"\n\n")
        self._stay_open()

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def _wait(self, path: str) -> None:
        if self.path == path:
            _slow.wait(SLOW)

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def _stay_open(self) -> None:
        self.close_connection = True
        _over.wait(20)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The service's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        _over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def run(agent: Callable[[], Awaitable[Any]]) -> tuple[Any, float]:
    """What the agent came to, and the virtual seconds that it took."""
    with armed(lambda _: None), Simulation(seed=1, cap=1000, watchdog=20) as simulation:
        return simulation.settle(agent()), simulation.now


async def by_httpx(library: Any, url: str) -> str:
    async with library.AsyncClient(timeout=0.5) as client:
        return str((await client.get(url)).text)


async def by_aiohttp(url: str) -> str:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as client, client.get(url) as response:
        return await response.text()


ASYNC: dict[str, Callable[[str], Awaitable[str]]] = {
    "httpx": lambda url: by_httpx(httpx, url),
    "httpx2": lambda url: by_httpx(httpx2, url),
    "aiohttp": by_aiohttp,
}


async def by_name(library: str, url: str) -> str:
    return await ASYNC[library](url)


SYNC: dict[str, Callable[[str], str]] = {
    "httpx": lambda url: httpx.get(url).text,
    "httpx2": lambda url: str(httpx2.get(url).text),
    "urllib3": lambda url: urllib3.request("GET", url).data.decode(),
}


@pytest.mark.parametrize("late", ["head", "body"])
@pytest.mark.parametrize("library", ASYNC)
def test_a_timer_does_not_overtake_a_real_answer(library: str, late: str, url: str) -> None:
    async def agent() -> str:
        return await asyncio.wait_for(ASYNC[library](f"{url}/{late}"), 1)

    assert run(agent) == ("pong", 0.0)


@pytest.mark.parametrize("late", ["head", "body"])
@pytest.mark.parametrize("library", SYNC)
def test_nor_does_it_in_a_thread(library: str, late: str, url: str) -> None:
    async def agent() -> str:
        return await asyncio.wait_for(asyncio.to_thread(SYNC[library], f"{url}/{late}"), 1)

    assert run(agent) == ("pong", 0.0)


@pytest.mark.parametrize("library", ASYNC)
def test_nor_does_it_in_a_loop_within_a_thread(library: str, url: str) -> None:
    async def agent() -> str:
        return await asyncio.wait_for(asyncio.to_thread(lambda: asyncio.run(by_name(library, f"{url}/head"))), 1)

    assert run(agent) == ("pong", 0.0)


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_an_mcp_answer_is_due_until_it_is_there(library: ModuleType, url: str) -> None:
    sent: Any = {"json": {"jsonrpc": "2.0", "id": 7, "method": "tools/call"}, "headers": {"accept": "application/json, text/event-stream"}}

    async def agent() -> list[str]:
        client: Any = library.AsyncClient()
        async with client, client.stream("POST", url, **sent) as response:
            lines: AsyncIterator[str] = response.aiter_lines()
            seen = [await asyncio.wait_for(anext(lines), 1) for _ in range(4)]
            await asyncio.sleep(100)  # the stream is open yet
            return seen

    lines, seconds = run(agent)
    assert '"id": 7' in lines[2]
    assert seconds == 100.0


async def idle_httpx(library: Any, url: str) -> None:
    async with library.AsyncClient(timeout=None) as client, client.stream("GET", url, headers={"accept": "text/event-stream"}) as response:
        async for _ in response.aiter_bytes():
            pass


async def idle_aiohttp(url: str) -> None:
    async with aiohttp.ClientSession() as client, client.get(url, headers={"accept": "text/event-stream"}) as response:
        async for _ in response.content:
            pass


@pytest.mark.parametrize("listen", [lambda url: idle_httpx(httpx, url), lambda url: idle_httpx(httpx2, url), idle_aiohttp])
def test_a_stream_that_is_idle_holds_up_nothing(listen: Callable[[str], Awaitable[None]], url: str) -> None:
    async def agent() -> str:
        listening = asyncio.ensure_future(listen(f"{url}/events"))
        await asyncio.sleep(100)
        listening.cancel()
        return "slept"

    assert run(agent) == ("slept", 100.0)


def test_a_server_of_the_agents_own_answers_in_virtual_time() -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response(text="pong")

    async def agent() -> str:
        application = web.Application()
        application.router.add_get("/", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with httpx.AsyncClient(timeout=10) as client:
                return (await client.get(f"http://127.0.0.1:{runner.addresses[0][1]}/")).text
        finally:
            await runner.cleanup()

    reply, seconds = run(agent)
    assert reply == "pong"
    assert seconds == pytest.approx(5.0, abs=0.1)
