"""The server on real sockets: whatever a client sends, it answers or closes, and goes on."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import resource
import socket
import struct
from typing import Any

import pytest
from agentlab_faults.proxy import NOTHING, CannotListen, Front, Limits, Scopes, Scripted, Server

from .proxy_sockets import ASK, Chaos, chaos, chat, post, until

QUICK = Limits(head_seconds=0.2, stall_seconds=0.2, idle_seconds=5.0)


async def goes_on(running: Chaos) -> None:
    """The server still answers a good request."""
    status, body = await running.ask()
    assert status == 200
    assert json.loads(body)["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "lookup_order"


async def test_it_listens_on_loopback_only() -> None:
    async with chaos() as running:
        assert running.server._listener is not None
        assert running.server._listener.sockets[0].getsockname()[0] == "127.0.0.1"
        await goes_on(running)


async def test_a_port_in_use_is_refused_in_one_sentence() -> None:
    async with chaos() as running:
        other = Server(Front(Scopes(), Scripted()))
        with pytest.raises(CannotListen, match=r"^Port \d+ of 127\.0\.0\.1 is in use; choose another with --port, or leave it out"):
            await other.start("127.0.0.1", running.server.port)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "api.openai.com", "localhost.evil.example:80", ""])
async def test_a_foreign_host_is_refused(host: str) -> None:
    async with chaos() as running:
        status, body = await running.ask(post("/v1/chat/completions", chat(), host=host))
        assert status in {400, 421}
        assert b"agentlab chaos" in body
        assert [scope.conduct.requests for scope in running.scopes.all] == [0]
        await goes_on(running)


async def test_a_url_as_target_is_served_for_loopback_and_refused_for_others() -> None:
    async with chaos() as running:
        for host, wanted in (("127.0.0.1:8080", 200), ("api.openai.com", 421), ("127.0.0.1@evil.example", 421)):
            status, _ = await running.ask(post(f"http://{host}/v1/chat/completions", chat(), "authorization: Bearer k"))
            assert status == wanted


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1:8080", "[::1]:8080"])
async def test_every_name_of_loopback_is_served(host: str) -> None:
    async with chaos() as running:
        status, _ = await running.ask(post("/v1/chat/completions", chat(), "authorization: Bearer k", host=host))
        assert status == 200


async def test_another_host_is_served_where_it_was_allowed() -> None:
    scopes = Scopes()
    server = Server(Front(scopes, Scripted()), allow_hosts=frozenset({"chaos.internal"}))
    await server.start()
    try:
        status, _ = await Chaos(server, scopes).ask(post("/v1/models", {}, host="chaos.internal"))
        assert status == 404
    finally:
        await server.close()


MALFORMED = {
    "noise": b"\x00\x01\x02\xff\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "header without a colon": b"GET / HTTP/1.1\r\nhost 127.0.0.1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
    "a length that is no number": b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ten\r\n\r\n",
    "a chunk without a size": b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nZZZ\r\n",
    "an endless header": b"GET / HTTP/1.1\r\nx: " + b"a" * 200_000,
    "a target that is no path": b"GET nowhere HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    "a URL that is none": b"GET http://[ HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    "a tunnel": b"CONNECT api.openai.com:443 HTTP/1.1\r\nhost: api.openai.com\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_not_http_is_answered_and_closed(sent: bytes) -> None:
    async with chaos() as running:
        async with running.client() as client:
            await client.send(sent)
            client.writer.write_eof()
            answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 4")
        await goes_on(running)


BODIES = {
    "not JSON": b"{",
    "a list": b"[]",
    "nothing": b"",
    "deep": b"[" * 50_000,
    "not UTF-8": b'{"model": "m", "messages": "\xff\xfe"}',
    "no messages": b'{"model": "gpt-4o-mini", "messages": []}',
    "lone surrogate": b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "\\ud800"}]}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_a_body_that_is_no_chat_request_is_refused_as_the_provider_does(body: bytes) -> None:
    async with chaos() as running:
        status, answer = await running.ask(post("/v1/chat/completions", body, "authorization: Bearer sk-test"))
        assert status in {400, 404}
        assert json.loads(answer)["error"]["message"]
        await goes_on(running)


async def test_a_body_of_100_mb_is_answered_413_and_not_kept() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    piece = b"x" * 1_000_000
    async with chaos() as running:
        async with running.client() as client:
            await client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100000000\r\n\r\n")
            for _ in range(100):
                await client.send(piece)
            status, body = await client.answer()
        assert status == 413
        assert b"33,554,432 bytes" in body
        await goes_on(running)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


async def test_a_chunked_body_without_end_is_answered_413() -> None:
    async with chaos(limits=Limits(body=1_000_000)) as running:
        async with running.client() as client:
            await client.send(b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(20):
                await client.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            status, _ = await client.answer()
        assert status == 413
        await goes_on(running)


async def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    async with chaos() as running, running.client() as client:
        head, _, body = post("/v1/chat/completions", chat(), "authorization: Bearer k", "expect: 100-continue").partition(b"\r\n\r\n")
        await client.send(head + b"\r\n\r\n")
        assert (await client.head())[0] == 100
        await client.send(body)
        assert (await client.answer())[0] == 200


@pytest.mark.parametrize("sent", [b"POST / HTTP/1.1\r\nhost: ", ASK[:-5]], ids=["head", "body"])
async def test_a_request_that_never_ends_is_answered_408(sent: bytes) -> None:
    async with chaos(limits=QUICK) as running:
        async with running.client() as client:
            await client.send(sent)
            assert (await client.answer())[0] == 408
        await goes_on(running)


async def test_a_byte_at_a_time_does_not_hold_a_head_open() -> None:
    async with chaos(limits=QUICK) as running, running.client() as client:
        answered = asyncio.ensure_future(client.answer())
        sent = b"POST / HTTP/1.1\r\nx: " + b"a" * 100_000
        while not answered.done():
            await client.send(sent[:1])
            sent = sent[1:]
            await asyncio.wait([answered], timeout=0.02)
        assert (await answered)[0] == 408


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with chaos() as running, running.client() as client:
        await client.send(ASK + post("/nowhere", {}) + ASK)
        assert [(await client.answer())[0] for _ in range(3)] == [200, 404, 200]


async def test_a_client_that_has_closed_its_side_still_gets_its_answer() -> None:
    async with chaos() as running:
        async with running.client() as client:
            await client.send(ASK)
            client.writer.write_eof()
            status, _ = await client.answer()
            assert status == 200
            assert await client.rest() == b""
        await goes_on(running)


async def test_a_client_that_resets_is_forgotten() -> None:
    async with chaos(["net_read_timeout"]) as running:
        for sent in (b"", b"POST", ASK):
            async with running.client() as client:
                await client.send(sent)
                raw = client.writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await running.server.idle()
        running.scopes.switch(NOTHING)
        await goes_on(running)


@pytest.mark.parametrize(
    "sent", [ASK[:-20], b"POST /v1/cha", b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nff"]
)
async def test_a_client_that_closes_within_its_request_is_forgotten(sent: bytes) -> None:
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: noise.append(context))
    async with chaos() as running:
        async with running.client() as client:
            await client.send(sent)
            await until(lambda: running.server.connections == 1)
        await running.server.idle()
        assert (await running.ask())[0] == 200
    gc.collect()  # a task that failed tells when it goes
    assert noise == []


async def test_beyond_its_number_of_connections_it_closes_at_once() -> None:
    async with chaos(limits=Limits(connections=1)) as running, running.client() as first:
        await first.send(ASK)
        assert (await first.answer())[0] == 200
        async with running.client() as second:
            assert await second.rest() == b""
        await first.send(ASK)
        assert (await first.answer())[0] == 200


async def test_closing_leaves_no_port_and_no_connection() -> None:
    async with chaos() as running:
        port = running.server.port
        async with running.client() as client:
            await client.send(ASK[:20])
            await running.server.close()
            with contextlib.suppress(ConnectionResetError):
                assert await client.rest() == b""
    assert running.server.connections == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_a_server_that_runs_for_long_forgets_what_it_has_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentlab_faults.proxy.scopes._EVENTS", 10)
    async with chaos(["http_500"]) as running, running.client() as client:
        for number in range(20):
            await client.send(post("/v1/chat/completions", chat(f"Question {number}."), "authorization: Bearer k"))
            assert (await client.answer())[0] == 500
        [scope] = running.scopes.all
        assert len(scope.run.events) <= 13
        assert len(scope.run.points) <= 5
        assert scope.conduct.requests == 20
        assert len(running.scopes.blows) == 20
        assert scope.open == 0
