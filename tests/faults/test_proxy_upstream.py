"""The way to a real provider: kept connections, what it says before and after, and the environment's proxy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from agentlab_faults.proxy.playing import CutOff
from agentlab_faults.proxy.upstream import Response, Unreachable, Upstream

GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Provider:
    """Plays one answer a request, and keeps what it was sent. `hangs_up` after each."""

    def __init__(self, answers: Sequence[bytes], *, hangs_up: bool = False) -> None:
        self._answers, self._hangs_up = list(answers), hangs_up
        self.heads: list[str] = []
        self.connections = 0
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                writer.write(self._answers.pop(0))
                if self._hangs_up or not self._answers:
                    break
        writer.close()


@contextlib.asynccontextmanager
async def provider(*answers: bytes, hangs_up: bool = False) -> AsyncIterator[Provider]:
    playing = Provider(answers, hangs_up=hangs_up)
    server = await asyncio.start_server(playing, "127.0.0.1", 0)
    playing.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(10):
            yield playing
    finally:
        server.close()


@contextlib.asynccontextmanager
async def upstream(url: str) -> AsyncIterator[Upstream]:
    way = Upstream(url)
    try:
        yield way
    finally:
        await way.close()


async def ask(way: Upstream, target: str = "/v1/models") -> tuple[int, bytes]:
    response = await way.ask("GET", target, [(b"x-own", b"yes")], b"")
    return response.status, b"".join(await whole(response))


async def whole(response: Response) -> list[bytes]:
    pieces: list[bytes] = []
    while (piece := await response.piece()) is not None:
        pieces.append(piece)
    return pieces


async def test_a_connection_is_used_again() -> None:
    async with provider(GOOD, GOOD, GOOD) as there, upstream(f"http://127.0.0.1:{there.port}") as way:
        assert [await ask(way) for _ in range(3)] == [(200, b"ok")] * 3
        assert there.connections == 1
        assert there.heads[0] == f"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1:{there.port}\r\nx-own: yes\r\n\r\n"


async def test_a_connection_that_the_provider_has_closed_is_not() -> None:
    async with provider(GOOD, GOOD, hangs_up=True) as there, upstream(f"http://127.0.0.1:{there.port}") as way:
        assert await ask(way) == (200, b"ok")
        assert await way._idle[0]._reader.read() == b""  # its FIN has come
        assert await ask(way) == (200, b"ok")
        assert there.connections == 2


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + GOOD, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil it closes", b"until it closes"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
async def test_every_way_to_say_where_a_body_ends(answer: bytes, body: bytes) -> None:
    async with provider(answer) as there, upstream(f"http://127.0.0.1:{there.port}") as way:
        assert (await ask(way))[1] == body


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "closed the connection without an answer|Connection reset by peer|RemoteProtocolError"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 600_000, "RemoteProtocolError"),
    ],
)
async def test_what_is_no_answer_is_told(answer: bytes, said: str) -> None:
    async with provider(answer) as there, upstream(f"http://127.0.0.1:{there.port}") as way:
        with pytest.raises(Unreachable, match=said):
            await ask(way)
        assert way._open == set()


async def test_an_answer_that_breaks_off_is_told() -> None:
    async with provider(GOOD[:-1]) as there, upstream(f"http://127.0.0.1:{there.port}") as way:
        with pytest.raises(CutOff):
            await ask(way)


async def test_a_plain_address_is_asked_for_from_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with provider(GOOD) as there:
        monkeypatch.setenv("http_proxy", f"http://me:p%40ss@127.0.0.1:{there.port}")
        async with upstream("http://provider.invalid") as way:
            assert await ask(way) == (200, b"ok")
    assert there.heads[0].startswith("GET http://provider.invalid/v1/models HTTP/1.1\r\n")
    assert "proxy-authorization: Basic bWU6cEBzcw==\r\n" in there.heads[0]


async def test_a_proxy_that_refuses_a_tunnel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with provider(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n") as there:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{there.port}")
        async with upstream("https://provider.invalid") as way:
            with pytest.raises(Unreachable, match="the environment's proxy answered 407"):
                await ask(way)
    assert there.heads[0].startswith("CONNECT provider.invalid:443 HTTP/1.1\r\n")


def test_a_proxy_that_cannot_be_spoken_to_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(ValueError, match=r"^The environment's proxy for provider\.invalid is no http:// proxy; set https_proxy to one"):
        Upstream("https://provider.invalid")
    monkeypatch.setenv("no_proxy", "provider.invalid")
    Upstream("https://provider.invalid")
