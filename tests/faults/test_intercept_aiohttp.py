"""aiohttp through its seam, in virtual time: its own parser, pool, timeouts and exceptions meet what the real wire would bring."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import math
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from agentlab_faults.catalogue.broken_http import BadStatusLine, HugeHeader
from agentlab_faults.exchange import Break, Exchange, Part, Pause, WireRequest
from agentlab_faults.intercept import End, armed
from agentlab_faults.sim import Simulation, TimeCapReached
from aiohttp import web
from aiohttp.test_utils import RawTestServer

URL = "https://api.openai.com/v1/chat/completions?x=1"
JSON = ("content-type", "application/json")
GOOD = Exchange(headers=(JSON, ("set-cookie", "a=b")), body=(b'{"a":', b"1}"), before=(Pause(1.0),))
RESET = Break("ReadError", "[Errno 104] Connection reset by peer", ConnectionResetError(104, "Connection reset by peer"))
CLOSED = Break("RemoteProtocolError", "Server disconnected without sending a response.")
HANGS = Exchange(before=(Pause(math.inf),))


class Wire:
    """Plays one exchange after the other, the last one for ever."""

    def __init__(self, *exchanges: Exchange) -> None:
        self.exchanges = exchanges
        self.requests: list[WireRequest] = []
        self.ends: list[End] = []

    def __call__(self, request: WireRequest) -> tuple[Exchange, Callable[[End], None]]:
        exchange = self.exchanges[min(len(self.requests), len(self.exchanges) - 1)]
        self.requests.append(request)
        return exchange, self.ends.append


class Caller:
    """Requests of aiohttp in virtual time, and the seconds that they took."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def run(self, wire: Wire, conversation: Callable[[], Any], *, cap: float = 7200.0) -> Any:
        with armed(wire) as watch, Simulation(seed=1, cap=cap) as simulation:
            try:
                return simulation.settle(conversation())
            finally:
                self.seconds = simulation.now
                assert watch.escaped == []

    def post(self, wire: Wire, *, method: str = "POST", cap: float = 7200.0, session: dict[str, Any] | None = None, **options: Any) -> Any:
        """(status, headers, body) of one request."""

        async def ask() -> Any:
            async with aiohttp.ClientSession(**(session or {})) as client, client.request(method, URL, **options) as response:
                return response.status, response.headers, await response.read()

        return self.run(wire, ask, cap=cap)


@pytest.fixture
def caller() -> Caller:
    return Caller()


def limits(**seconds: float | None) -> dict[str, Any]:
    return {"timeout": aiohttp.ClientTimeout(**seconds)}


def test_a_client_gets_the_exchange_through_its_own_parser(caller: Caller) -> None:
    wire = Wire(GOOD)

    async def ask() -> None:
        async with aiohttp.ClientSession() as session, session.post(URL, json={"q": 1}) as response:
            assert (response.status, response.reason, response.content_type) == (200, "OK", "application/json")
            assert await response.json() == {"a": 1}
            assert response.cookies["a"].value == "b"

    caller.run(wire, ask)
    assert caller.seconds == pytest.approx(1.0, abs=1e-6)
    assert wire.ends == ["delivered"]


def test_the_handler_gets_the_request_as_data(caller: Caller) -> None:
    wire = Wire(GOOD)
    caller.post(wire, data=b'{"q": 1}', headers=[("X-Twice", "1"), ("X-Twice", "2")], **limits(total=300, sock_connect=30, sock_read=60))
    (request,) = wire.requests
    assert (request.library, request.sync, request.method) == ("aiohttp", False, "POST")
    assert (request.url, request.host, request.path) == (URL, "api.openai.com", "/v1/chat/completions")
    assert (request.body, request.headers["x-twice"], request.headers["content-length"]) == (b'{"q": 1}', "1, 2", "8")
    timeouts = request.timeouts
    assert (timeouts.connect, timeouts.read, timeouts.write, timeouts.pool) == (30, 60, 300, 300)


def test_the_defaults_of_a_session_are_five_minutes_in_all(caller: Caller) -> None:
    wire = Wire(GOOD)
    caller.post(wire)
    assert (wire.requests[0].timeouts.connect, wire.requests[0].timeouts.read) == (30, 300)
    caller.post(wire, **limits())
    assert (wire.requests[1].timeouts.connect, wire.requests[1].timeouts.read) == (None, None)


def test_secrets_of_a_request_show_in_no_url(caller: Caller) -> None:
    wire = Wire(GOOD)

    async def ask() -> None:
        async with aiohttp.ClientSession() as session, session.get("https://user:sk-secret@[2001:db8::1]:8443/x?q=1#f"):
            pass

    caller.run(wire, ask)
    assert (wire.requests[0].url, wire.requests[0].host) == ("https://[2001:db8::1]:8443/x?q=1", "2001:db8::1")
    assert "sk-secret" not in repr(wire.requests[0])


@pytest.mark.parametrize(
    ("seconds", "raised", "after"),
    [
        ({"total": 5}, TimeoutError, 5.0),
        ({"total": 300}, TimeoutError, 300.0),
        ({"sock_read": 5}, aiohttp.SocketTimeoutError, 5.0),
        ({"total": 30, "sock_read": 60}, TimeoutError, 30.0),
    ],
)
def test_an_answer_that_never_comes_ends_at_the_clients_own_timeout(
    caller: Caller, seconds: dict[str, float], raised: type[Exception], after: float
) -> None:
    wire = Wire(HANGS)
    with pytest.raises(raised):
        caller.post(wire, **limits(**seconds))
    assert caller.seconds == pytest.approx(after, abs=1.0)
    assert wire.ends == ["timeout"]


@pytest.mark.parametrize("seconds", [{"sock_connect": 3}, {"connect": 3}])
def test_a_connection_that_never_comes_is_a_timeout_of_the_connection(caller: Caller, seconds: dict[str, float]) -> None:
    wire = Wire(Exchange(before=(Pause(math.inf, "connect"),)))
    with pytest.raises(aiohttp.ConnectionTimeoutError):
        caller.post(wire, **limits(**seconds))
    assert caller.seconds == pytest.approx(3.0, abs=1e-6)
    assert wire.ends == ["timeout"]


def test_a_full_pool_ends_at_the_connect_timeout_and_not_at_the_sockets(caller: Caller) -> None:
    wire = Wire(Exchange(before=(Pause(math.inf, "pool"),)))
    with pytest.raises(aiohttp.ConnectionTimeoutError):
        caller.post(wire, **limits(sock_connect=2, connect=4))
    assert caller.seconds == pytest.approx(4.0, abs=1e-6)
    assert wire.ends == ["timeout"]


def test_without_a_timeout_it_hangs_to_the_cap(caller: Caller) -> None:
    wire = Wire(HANGS)
    with pytest.raises(TimeCapReached):
        caller.post(wire, cap=100_000, **limits())
    assert wire.ends == ["abandoned"]


@pytest.mark.parametrize(
    ("cause", "raised"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), aiohttp.ClientConnectorError),
        (socket.gaierror(-2, "Name or service not known"), aiohttp.ClientConnectorDNSError),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), aiohttp.ClientConnectorCertificateError),
        (ssl.SSLError(1, "wrong version number"), aiohttp.ClientConnectorSSLError),
        (None, aiohttp.ClientConnectorError),
    ],
)
def test_a_connection_that_fails_raises_aiohttps_exception_for_its_cause(
    caller: Caller, cause: OSError | None, raised: type[Exception]
) -> None:
    wire = Wire(Exchange(before=(Pause(0.5, "connect"), Break("ConnectError", "refused", cause))))
    with pytest.raises(raised, match=r"api\.openai\.com:443") as caught:
        caller.post(wire)
    assert type(caught.value) is raised
    assert cause is None or caught.value.__cause__ is cause
    assert caller.seconds == pytest.approx(0.5)
    assert wire.ends == ["broken"]


def test_a_proxy_that_opens_no_tunnel(caller: Caller) -> None:
    wire = Wire(Exchange(before=(Break("ProxyError", "502 Bad Gateway"),)))
    with pytest.raises(aiohttp.ClientHttpProxyError) as raised:
        caller.post(wire, proxy="http://proxy.example:3128")
    assert (raised.value.status, raised.value.message) == (502, "Bad Gateway")


@pytest.mark.parametrize(
    ("before", "body", "raised"),
    [
        ((RESET,), (), aiohttp.ClientOSError),
        ((CLOSED,), (), aiohttp.ServerDisconnectedError),
        ((), (b"half", RESET), aiohttp.ClientPayloadError),
        ((), (b"half", CLOSED), aiohttp.ClientPayloadError),
    ],
)
def test_a_connection_that_breaks(caller: Caller, before: tuple[Break, ...], body: tuple[Part, ...], raised: type[Exception]) -> None:
    wire = Wire(Exchange(before=before, body=body))
    with pytest.raises(raised):
        caller.post(wire)
    assert wire.ends == ["broken"]


def test_fewer_bytes_than_content_length_promises(caller: Caller) -> None:
    wire = Wire(Exchange(headers=(("Content-Length", "10"),), body=(b"half",)))
    with pytest.raises(aiohttp.ClientPayloadError):
        caller.post(wire)
    assert wire.ends == ["broken"]


def test_bytes_past_content_length_are_never_seen(caller: Caller) -> None:
    assert caller.post(Wire(Exchange(headers=(("Content-Length", "5"),), body=(b"four", b"five"))))[2] == b"fourf"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_answers_without_a_body_have_none(caller: Caller, method: str, status: int) -> None:
    wire = Wire(Exchange(status=status, headers=(("content-length", "3"),), body=(b"abc",)))
    assert caller.post(wire, method=method)[2] == b""
    assert wire.ends == ["delivered"]


def test_bytes_that_are_not_http_are_refused_by_aiohttps_own_parser(caller: Caller) -> None:
    with pytest.raises(aiohttp.ClientResponseError, match="Bad status line"):
        caller.post(Wire(BadStatusLine().answer(REQUEST)))
    with pytest.raises(aiohttp.ClientResponseError, match="Got more than 8190 bytes"):
        caller.post(Wire(HugeHeader().answer(REQUEST)))


def test_a_body_that_cannot_be_decoded_is_refused_by_the_client_itself(caller: Caller) -> None:
    wire = Wire(Exchange(headers=(("content-encoding", "gzip"),), body=(b"no gzip",)))
    with pytest.raises(aiohttp.ClientPayloadError):
        caller.post(wire)


def test_a_slow_drip_passes_a_read_timeout_and_a_stall_does_not(caller: Caller) -> None:
    drip = (b"a", Pause(4.0), b"b", Pause(4.0), b"c")
    assert caller.post(Wire(Exchange(body=drip)), **limits(sock_read=5))[2] == b"abc"
    assert caller.seconds == pytest.approx(8.0)
    wire = Wire(Exchange(body=(b"a", Pause(math.inf))))
    with pytest.raises(aiohttp.SocketTimeoutError):
        caller.post(wire, **limits(sock_read=5))
    assert caller.seconds == pytest.approx(5.0)
    assert wire.ends == ["timeout"]


def test_a_stream_hands_over_part_by_part_and_can_be_left(caller: Caller) -> None:
    wire = Wire(Exchange(body=(b"one", Pause(1.0), b"two", b"three")))

    async def listen(most: int) -> list[bytes]:
        seen: list[bytes] = []
        async with aiohttp.ClientSession() as session, session.get(URL) as response:
            async for chunk in response.content.iter_any():
                seen.append(chunk)
                if len(seen) == most:
                    break
        return seen

    assert b"".join(caller.run(wire, lambda: listen(9))) == b"onetwothree"
    assert caller.run(wire, lambda: listen(1)) == [b"one"]
    assert wire.ends == ["delivered", "abandoned"]


def test_a_body_larger_than_the_clients_buffer_waits_for_its_reader(caller: Caller) -> None:
    piece = b"x" * 100_000
    wire = Wire(Exchange(body=(piece,) * 20))

    async def slowly() -> int:
        total = 0
        async with aiohttp.ClientSession() as session, session.get(URL) as response:
            await asyncio.sleep(5.0)
            assert wire.ends == []
            async for chunk in response.content.iter_any():
                total += len(chunk)
                await asyncio.sleep(0.1)
        return total

    assert caller.run(wire, slowly) == 2_000_000
    assert wire.ends == ["delivered"]


def test_a_cancelled_request_was_abandoned(caller: Caller) -> None:
    async def impatient(exchange: Exchange) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout()) as session, asyncio.timeout(3.0), session.get(URL) as response:
            await response.read()

    for exchange in (HANGS, Exchange(before=(Pause(9.0, "connect"),)), Exchange(body=(b"a", Pause(30.0)))):
        wire = Wire(exchange)
        with pytest.raises(TimeoutError):
            caller.run(wire, lambda exchange=exchange: impatient(exchange))
        assert caller.seconds == pytest.approx(3.0)
        assert wire.ends == ["abandoned"]


def test_the_end_of_a_run_leaves_no_task_and_no_open_exchange(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire(HANGS)

    async def forgetful() -> None:
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout())
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        task = asyncio.ensure_future(session.post(URL))
        await asyncio.sleep(1.0)
        assert not task.done()
        await session.close()

    caller.run(wire, forgetful)
    assert wire.ends == ["abandoned"]
    assert "was destroyed" not in caplog.text


def test_get_is_tried_again_by_aiohttp_itself_and_post_is_not(caller: Caller) -> None:
    wire = Wire(Exchange(before=(CLOSED,)), GOOD)
    assert caller.post(wire, method="GET")[0] == 200
    assert len(wire.requests) == 2
    with pytest.raises(aiohttp.ServerDisconnectedError):
        caller.post(Wire(Exchange(before=(CLOSED,)), GOOD))


def test_redirects_are_followed_and_every_hop_passes(caller: Caller) -> None:
    wire = Wire(Exchange(status=307, headers=(("location", "https://other.example/here"),)), GOOD)
    assert caller.post(wire, data=b"again")[0] == 200
    assert [(request.host, request.body) for request in wire.requests] == [("api.openai.com", b"again"), ("other.example", b"again")]


def test_uploads_of_every_kind_are_seen_whole_and_still_sent(caller: Caller) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one", b"two"):
            await asyncio.sleep(1.0)
            yield piece

    wire = Wire(GOOD)
    caller.post(wire, data=pieces())
    form = aiohttp.FormData({"grant": "x"})
    caller.post(wire, data=form)
    caller.post(wire, data=b"late", expect100=True)
    caller.post(wire, data="text")
    caller.post(wire, data=io.BytesIO(b"in memory"))
    assert [request.body for request in wire.requests] == [b"onetwo", b"grant=x", b"late", b"text", b"in memory"]
    parts = aiohttp.FormData()
    parts.add_field("file", io.BytesIO(b"a file"), filename="f.txt")
    caller.post(wire, data=parts)
    assert b"a file" in wire.requests[-1].body
    assert wire.ends == ["delivered"] * 6


def test_each_request_of_a_session_passes_the_seam(caller: Caller) -> None:
    wire = Wire(GOOD)

    async def many() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2)) as session:

            async def one() -> None:
                async with session.post(URL) as response:
                    assert await response.json() == {"a": 1}

            await asyncio.gather(*(one() for _ in range(6)))

    caller.run(wire, many)
    assert len(wire.requests) == 6
    assert caller.seconds == pytest.approx(3.0)


def test_a_session_that_trusts_its_surroundings_asks_a_worker_thread_in_virtual_time(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    wire = Wire(GOOD)
    assert caller.post(wire, session={"trust_env": True})[0] == 200
    assert len(wire.requests) == 1


def test_what_the_handler_lets_through_is_stopped_by_the_guard() -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            await session.get("https://api.example.com/")

    stopped = pytest.raises(aiohttp.ClientConnectorError, match="agentlab stopped")
    with armed(lambda _: None) as watch, Simulation(seed=1, cap=60) as simulation, stopped:
        simulation.settle(ask())
    assert watch.escaped == ["lookup api.example.com:443"]


async def test_a_connection_from_before_the_lab_carries_nothing_past_it() -> None:
    async def local(request: web.BaseRequest) -> web.Response:
        return web.Response(text="local")

    call = {"json": {"model": "m", "messages": []}}
    wire = Wire(Exchange(status=299))
    async with RawTestServer(local) as server, aiohttp.ClientSession(str(server.make_url("/"))) as session:
        assert await text(session.post("/v1/chat/completions", **call)) == (200, "local")
        with armed(wire):
            assert await text(session.post("/v1/chat/completions", **call)) == (299, "")
            assert await text(session.get("/other")) == (200, "local")
            assert await text(session.post("/v1/chat/completions", **call)) == (299, "")
        assert await text(session.post("/v1/chat/completions", **call)) == (200, "local")
    assert [json.loads(request.body)["model"] for request in wire.requests] == ["m", "m"]


async def text(answer: Any) -> tuple[int, str]:
    async with answer as response:
        return response.status, await response.text()


REQUEST = WireRequest("aiohttp", "POST", URL, "api.openai.com", "/v1/chat/completions", {}, b"{}", None, sync=False)  # type: ignore[arg-type]  # not looked at
