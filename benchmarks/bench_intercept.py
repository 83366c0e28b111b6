"""What the interceptor costs a request: idle (the bar is 1 us) and armed (15 us).

Idle compares a seam with the method under it. Armed compares a client that the lab answers with the same client over a stub transport which
returns an equal response, so that the client's own work cancels out. aiohttp and urllib3 have no such transport: their figures are whole
requests, the client's own writing and parsing included, beside those of the same client on a server on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp
import httpx2
import urllib3
from agentlab_faults import intercept
from agentlab_faults.exchange import Exchange, WireRequest

from benchmarks.measure import Figure, alternated, publish

BODY = b'{"id": "chatcmpl-1", "object": "chat.completion", "choices": []}'
HEADERS = (("content-type", "application/json"), ("content-length", str(len(BODY))))
URL = "https://api.openai.com/v1/chat/completions"
REQUESTS = 400
ROUNDS = 9


class OneChunk(httpx2.AsyncByteStream):
    """The body as a stream of one chunk, as a played one is."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield BODY


class Stub(httpx2.AsyncBaseTransport):
    """Answers at once with the response that the lab would give."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers=HEADERS, stream=OneChunk())


def answer(request: WireRequest) -> tuple[Exchange, None]:
    return Exchange(200, HEADERS, (BODY,)), None


async def requests(client: httpx2.AsyncClient) -> None:
    for _ in range(REQUESTS):
        await client.post(URL, content=b"{}")


def through_the_lab(client: httpx2.AsyncClient) -> None:
    with intercept.armed(answer):
        asyncio.run(requests(client))


def armed() -> Figure:
    """Microseconds that an answered request costs over a stub transport."""
    stub, real = httpx2.AsyncClient(transport=Stub()), httpx2.AsyncClient()
    base, lab = alternated([lambda: asyncio.run(requests(stub)), lambda: through_the_lab(real)], calls=3, rounds=ROUNDS)
    extra = statistics.median(after - before for before, after in zip(base, lab, strict=True)) / REQUESTS * 1e6
    note = f"{statistics.median(lab) / REQUESTS * 1e6:.1f} us a request, {statistics.median(base) / REQUESTS * 1e6:.1f} us over the stub"
    return Figure("interceptor armed, a request", extra, "us", bar=15.0, note=note)


def idle() -> Figure:
    """Microseconds that a seam costs while nothing is armed."""
    response = httpx2.Response(200)
    transport = httpx2.MockTransport(lambda _: response)
    request = httpx2.Request("GET", URL)
    seam: Any = httpx2.MockTransport.handle_request
    below = seam.__wrapped__
    bare, ours = alternated([lambda: below(transport, request), lambda: seam(transport, request)], calls=20_000, rounds=ROUNDS)
    extra = statistics.median(after - before for before, after in zip(bare, ours, strict=True)) * 1e6
    return Figure(
        "interceptor idle, a request", extra, "us", bar=1.0, note=f"{statistics.median(ours) * 1e6:.2f} us the call, seam included"
    )


class Local(BaseHTTPRequestHandler):
    """The same answer from a real server, on connections that are kept."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        for name, value in HEADERS:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The URL of a server on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Local) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
        server.shutdown()


async def by_aiohttp(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(REQUESTS):
            async with session.post(url, data=b"{}") as response:
                await response.read()


def by_urllib3(url: str) -> None:
    with urllib3.PoolManager() as manager:
        for _ in range(REQUESTS):
            manager.request("POST", url, body=b"{}")


def whole(name: str, request: Any) -> Figure:
    """Microseconds of one request that the lab answers."""

    def answered() -> None:
        with intercept.armed(answer):
            request(URL)

    with serving() as url:
        lab, server = alternated([answered, lambda: request(url)], calls=3, rounds=ROUNDS)
    note = f"the whole request; {statistics.median(server) / REQUESTS * 1e6:.0f} us with a server on loopback, its own work included"
    return Figure(f"{name} answered by the lab, a request", statistics.median(lab) / REQUESTS * 1e6, "us", note=note)


if __name__ == "__main__":
    intercept.install()
    aio = whole("aiohttp", lambda url: asyncio.run(by_aiohttp(url)))
    publish([armed(), idle(), aio, whole("urllib3", by_urllib3)])
