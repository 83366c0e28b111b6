"""Both libraries, sync and async: what a client sees of an exchange, and what the lab is told of its end."""

from __future__ import annotations

import asyncio
import math
import selectors
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
from agentlab_faults.exchange import Break, Exchange, Pause, Phase, TransportError, WireRequest
from agentlab_faults.intercept import End, armed

URL = "https://api.openai.com/v1/chat/completions?x=1"
TIMEOUT = {"connect": 5.0, "read": 60.0, "write": 7.0, "pool": 9.0}


class JumpingSelector(selectors.SelectSelector):
    """Lets a loop's time pass at once."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        self.passed += timeout
        return super().select(0)


class Caller:
    """One client library, in one of its two colours, in a time that passes at once."""

    def __init__(self, library: ModuleType, *, sync: bool) -> None:
        self.library: Any = library
        self.sync = sync
        self.seconds = 0.0

    def request(self, method: str = "POST", url: str = URL, **options: Any) -> Any:
        """Send a request and read its body; `client` holds options of the client."""
        client_options = {"timeout": self.library.Timeout(**TIMEOUT), **options.pop("client", {})}
        if self.sync:
            with self.library.Client(**client_options) as client:
                return client.request(method, url, **options)
        return self.run(self._request(method, url, client_options, options))

    async def _request(self, method: str, url: str, client_options: dict[str, Any], options: dict[str, Any]) -> Any:
        async with self.library.AsyncClient(**client_options) as client:
            return await client.request(method, url, **options)

    def chunks(self, *, stop_after: int | None = None) -> list[bytes]:
        """Stream a request; close it after so many chunks."""
        if self.sync:
            with self.library.Client() as client, client.stream("GET", URL) as response:
                return [chunk for _, chunk in zip(range(stop_after or 99), response.iter_raw(), strict=False)]
        chunks: list[bytes] = self.run(self._chunks(stop_after or 99))
        return chunks

    async def _chunks(self, most: int) -> list[bytes]:
        seen: list[bytes] = []
        async with self.library.AsyncClient() as client, client.stream("GET", URL) as response:
            async for chunk in response.aiter_raw():
                seen.append(chunk)
                if len(seen) == most:
                    break
        return seen

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run to the end; `seconds` is the time that passed."""
        selector = JumpingSelector()

        def jumping_loop() -> asyncio.AbstractEventLoop:
            loop = asyncio.SelectorEventLoop(selector)
            loop.time = lambda: selector.passed  # type: ignore[method-assign]  # the point of it
            return loop

        with asyncio.Runner(loop_factory=jumping_loop) as runner:
            try:
                return runner.run(coroutine)
            finally:
                self.seconds += selector.passed


@pytest.fixture(
    params=[(httpx2, True), (httpx2, False), (httpx, True), (httpx, False)], ids=["httpx2", "httpx2-async", "httpx", "httpx-async"]
)
def caller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Caller:
    library, sync = request.param
    caller = Caller(library, sync=sync)

    def sleep(seconds: float) -> None:
        caller.seconds += seconds

    stand_in(sleep, monkeypatch)
    return caller


def stand_in(sleep: Callable[[float], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `sleep` take the place of this thread's `time.sleep`; threads that some library has left in the process really sleep."""
    really, home = time.sleep, threading.get_ident()
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds) if threading.get_ident() == home else really(seconds))


class Script:
    """A handler that always plays the same exchange, and remembers."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.requests: list[WireRequest] = []
        self.ends: list[End] = []

    def __call__(self, request: WireRequest) -> tuple[Exchange, Callable[[End], None]]:
        self.requests.append(request)
        return self.exchange, self.ends.append


def test_a_client_gets_the_exchange_as_its_own_librarys_response(caller: Caller) -> None:
    script = Script(Exchange(status=429, headers=(("Retry-After", "3"), ("set-cookie", "a=b")), body=(b'{"a":', b"1}")))
    with armed(script) as watch:
        response = caller.request(json={"q": 1})
    assert isinstance(response, caller.library.Response)
    assert (response.status_code, response.reason_phrase, response.json()) == (429, "Too Many Requests", {"a": 1})
    assert response.headers["retry-after"] == "3"
    assert response.cookies["a"] == "b"
    assert response.elapsed.total_seconds() >= 0
    with pytest.raises(caller.library.HTTPStatusError):
        response.raise_for_status()
    assert script.ends == ["delivered"]
    assert watch.escaped == []


def test_the_handler_gets_the_request_as_data(caller: Caller) -> None:
    script = Script(Exchange())
    with armed(script):
        caller.request(content=b'{"q": 1}', headers=[(b"X-Twice", b"1"), (b"X-Twice", b"2"), (b"X-Name", b"\xe9")])
    (request,) = script.requests
    assert (request.library, request.sync, request.method) == (caller.library.__name__, caller.sync, "POST")
    assert (request.url, request.host, request.path) == (URL, "api.openai.com", "/v1/chat/completions")
    assert request.body == b'{"q": 1}'
    assert (request.headers["x-twice"], request.headers["x-name"]) == ("1, 2", "\u00e9")
    assert request.headers["content-length"] == "8"
    assert "X-Twice" not in request.headers
    assert dict(request.headers).keys() == set(request.headers)
    assert len(request.headers) == len(dict(request.headers))
    timeouts = request.timeouts
    assert {"connect": timeouts.connect, "read": timeouts.read, "write": timeouts.write, "pool": timeouts.pool} == TIMEOUT


def test_secrets_of_a_request_show_in_no_url_and_no_repr(caller: Caller) -> None:
    script = Script(Exchange())
    with armed(script):
        caller.request(url="https://user:sk-secret@[2001:db8::1]:8443/x?q=1#f", headers={"x-key": "sk-secret"})
    (request,) = script.requests
    assert request.url == "https://[2001:db8::1]:8443/x?q=1"
    assert request.host == "2001:db8::1"
    assert "sk-secret" not in repr(request)
    assert "x-key" in repr(request)


@pytest.mark.parametrize("phase", ["connect", "read", "pool"])
def test_silence_beyond_the_clients_own_timeout_ends_at_that_timeout(caller: Caller, phase: Phase) -> None:
    script = Script(Exchange(before=(Pause(math.inf, phase),)))
    expected = getattr(caller.library, f"{phase.title()}Timeout")
    with armed(script), pytest.raises(expected) as raised:
        caller.request()
    assert caller.seconds == pytest.approx(TIMEOUT[phase])
    assert isinstance(raised.value.__cause__.__cause__, TimeoutError)
    assert raised.value.request.url == URL
    assert script.ends == ["timeout"]


def test_silence_within_the_timeout_is_only_waited_for(caller: Caller) -> None:
    script = Script(Exchange(before=(Pause(4.0, "connect"), Pause(30.0)), body=(Pause(59.0), b"late")))
    with armed(script):
        assert caller.request().content == b"late"
    assert caller.seconds == pytest.approx(93.0)


def test_pauses_without_a_byte_between_them_are_one_silence(caller: Caller) -> None:
    script = Script(Exchange(before=(Pause(40.0), Pause(40.0))))
    with armed(script), pytest.raises(caller.library.ReadTimeout):
        caller.request()
    assert caller.seconds == pytest.approx(60.0)


def test_a_slow_drip_never_times_out(caller: Caller) -> None:
    body = (b"a", Pause(50.0), b"b", Pause(50.0), b"c", Pause(50.0))
    with armed(Script(Exchange(body=body))):
        assert caller.request().content == b"abc"
    assert caller.seconds == pytest.approx(150.0)


def test_a_stall_in_the_body_is_a_read_timeout(caller: Caller) -> None:
    script = Script(Exchange(body=(b"half", Pause(math.inf))))
    with armed(script), pytest.raises(caller.library.ReadTimeout):
        caller.request()
    assert caller.seconds == pytest.approx(60.0)
    assert script.ends == ["timeout"]


@pytest.mark.parametrize("error", ["ConnectError", "ReadError", "RemoteProtocolError", "ProxyError", "PoolTimeout"])
@pytest.mark.parametrize("in_body", [False, True], ids=["before", "in-body"])
def test_a_break_raises_the_librarys_exception_with_the_real_chain_of_causes(caller: Caller, error: TransportError, in_body: bool) -> None:
    cause = socket.gaierror(-2, "Name or service not known")
    broken = Break(error, "[Errno -2] Name or service not known", cause)
    script = Script(Exchange(body=(b"half", broken)) if in_body else Exchange(before=(broken,)))
    with armed(script), pytest.raises(getattr(caller.library, error), match=r"\[Errno -2\] Name or service not known") as raised:
        caller.request()
    core = raised.value.__cause__
    assert (type(core).__name__, type(core).__module__.partition(".")[0]) == (error, caller.library.__name__.replace("httpx", "httpcore"))
    assert core.__cause__ is cause
    assert raised.value.request.method == "POST"
    assert script.ends == ["broken"]


def test_a_body_that_cannot_be_decoded_is_refused_by_the_client_itself(caller: Caller) -> None:
    script = Script(Exchange(headers=(("content-encoding", "gzip"),), body=(b"no gzip",)))
    with armed(script), pytest.raises(caller.library.DecodingError):
        caller.request()
    assert script.ends == ["delivered"]


def test_a_decoding_error_has_its_cause_at_first_hand(caller: Caller) -> None:
    cause = ValueError("x")
    with armed(Script(Exchange(body=(Break("DecodingError", "bad", cause),)))), pytest.raises(caller.library.DecodingError) as raised:
        caller.request()
    assert raised.value.__cause__ is cause


def test_fewer_bytes_than_content_length_promises_break_the_connection(caller: Caller) -> None:
    script = Script(Exchange(headers=(("Content-Length", "10"),), body=(b"half",)))
    with armed(script), pytest.raises(caller.library.RemoteProtocolError, match=r"received 4 bytes, expected 10"):
        caller.request()
    assert script.ends == ["broken"]


def test_bytes_past_content_length_are_never_seen(caller: Caller) -> None:
    script = Script(Exchange(headers=(("Content-Length", "5"),), body=(b"four", b"five", b"six")))
    with armed(script):
        assert caller.request().content == b"fourf"
    assert script.ends == ["delivered"]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_answers_without_a_body_have_none(caller: Caller, method: str, status: int) -> None:
    with armed(Script(Exchange(status=status, headers=(("content-length", "3"),), body=(b"abc",)))):
        assert caller.request(method).content == b""


def test_a_stream_hands_over_part_by_part(caller: Caller) -> None:
    script = Script(Exchange(body=(b"one", Pause(1.0), b"two", b"", b"three")))
    with armed(script):
        assert caller.chunks() == [b"one", b"two", b"three"]
    assert script.ends == ["delivered"]


def test_a_stream_that_is_closed_early_was_abandoned(caller: Caller) -> None:
    script = Script(Exchange(body=(b"one", b"two", b"three")))
    with armed(script):
        assert caller.chunks(stop_after=1) == [b"one"]
        assert script.ends == ["abandoned"]
    assert script.ends == ["abandoned"]


def test_a_stream_that_is_closed_after_its_last_byte_was_delivered(caller: Caller) -> None:
    script = Script(Exchange(body=(b"one", b"two")))
    with armed(script):
        assert caller.chunks(stop_after=2) == [b"one", b"two"]
    assert script.ends == ["delivered"]


def test_a_response_that_nobody_reads_is_abandoned_when_the_block_ends() -> None:
    script = Script(Exchange(body=(b"one",)))
    with httpx2.Client() as client:
        with armed(script):
            client.send(client.build_request("GET", URL), stream=True)
            assert script.ends == []
        assert script.ends == ["abandoned"]
    assert script.ends == ["abandoned"]


def test_exchanges_left_over_are_abandoned_in_the_order_of_their_requests() -> None:
    gone: list[str] = []

    def handler(request: WireRequest) -> tuple[Exchange, Callable[[End], None]]:
        return Exchange(body=(b"one",)), lambda _: gone.append(request.path)

    paths = [f"/{n}" for n in range(50)]
    with httpx2.Client(base_url="https://host.example") as client, armed(handler):
        left = [client.send(client.build_request("GET", path), stream=True) for path in paths]
    assert gone == paths
    assert len(left) == 50


@pytest.mark.parametrize("exchange", [Exchange(before=(Pause(30.0),)), Exchange(body=(b"a", Pause(30.0), b"b"))], ids=["before", "in-body"])
@pytest.mark.parametrize("library", [httpx2, httpx])
def test_a_cancelled_request_was_abandoned(exchange: Exchange, library: ModuleType) -> None:
    caller = Caller(library, sync=False)
    script = Script(exchange)

    async def impatient() -> None:
        async with caller.library.AsyncClient(timeout=None) as client, asyncio.timeout(3.0):
            await client.get(URL)

    with armed(script), pytest.raises(TimeoutError):
        caller.run(impatient())
    assert caller.seconds == pytest.approx(3.0, abs=0.1)
    assert script.ends == ["abandoned"]


def test_no_timeout_really_hangs(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    class CapError(BaseException):
        """The lab's cap on virtual time."""

    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise CapError

    async def async_sleep(seconds: float) -> None:
        sleep(seconds)

    stand_in(sleep, monkeypatch)
    monkeypatch.setattr(asyncio, "sleep", async_sleep)
    script = Script(Exchange(before=(Pause(math.inf),)))
    with armed(script), pytest.raises(CapError):
        caller.request(client={"timeout": None})
    assert all(seconds >= 1e8 and math.isfinite(seconds) for seconds in slept)
    assert script.ends == ["abandoned"]


def test_a_redirect_is_followed_by_the_client(caller: Caller) -> None:
    def handler(request: WireRequest) -> tuple[Exchange, None]:
        if request.path == "/moved":
            return Exchange(body=(b"here",)), None
        return Exchange(status=307, headers=(("location", "/moved"),)), None

    with armed(handler):
        response = caller.request(client={"follow_redirects": True})
    assert response.text == "here"
    assert len(response.history) == 1


def retrying(caller: Caller, statuses: list[int]) -> Any:
    """A user's own transport that retries 503, over the real one."""
    library = caller.library
    if caller.sync:

        class Retry(library.BaseTransport):  # type: ignore[misc, name-defined]  # two libraries
            inner = library.HTTPTransport()

            def handle_request(self, request: Any) -> Any:
                for _ in range(3):
                    response = self.inner.handle_request(request)
                    statuses.append(response.status_code)
                    if response.status_code != 503:
                        break
                    response.close()
                return response

        return Retry()

    class AsyncRetry(library.AsyncBaseTransport):  # type: ignore[misc, name-defined]  # two libraries
        inner = library.AsyncHTTPTransport()

        async def handle_async_request(self, request: Any) -> Any:
            for _ in range(3):
                response = await self.inner.handle_async_request(request)
                statuses.append(response.status_code)
                if response.status_code != 503:
                    break
                await response.aclose()
            return response

    return AsyncRetry()


def test_a_users_retry_transport_sees_each_attempt(caller: Caller) -> None:
    answers = iter([503, 503, 200])
    statuses: list[int] = []
    with armed(lambda _: (Exchange(status=next(answers), body=(b"x",)), None)):
        assert caller.request(client={"transport": retrying(caller, statuses)}).status_code == 200
    assert statuses == [503, 503, 200]


def test_a_subclass_that_calls_super_reaches_the_seam(caller: Caller) -> None:
    library = caller.library

    class Sub(library.HTTPTransport):  # type: ignore[misc, name-defined]  # two libraries
        def handle_request(self, request: Any) -> Any:
            return super().handle_request(request)

    class AsyncSub(library.AsyncHTTPTransport):  # type: ignore[misc, name-defined]  # two libraries
        async def handle_async_request(self, request: Any) -> Any:
            return await super().handle_async_request(request)

    script = Script(Exchange(status=201))
    with armed(script):
        response = caller.request(client={"transport": Sub() if caller.sync else AsyncSub()})
    assert response.status_code == 201
    assert len(script.requests) == 1


def test_a_client_with_a_proxy_is_seen(caller: Caller) -> None:
    with armed(Script(Exchange(status=201))) as watch:
        assert caller.request(client={"proxy": "http://proxy.example:3128"}).status_code == 201
    assert watch.escaped == []


def test_what_the_handler_raises_comes_out_unchanged(caller: Caller) -> None:
    class LabError(BaseException):
        """The lab's own failure."""

    def handler(request: WireRequest) -> None:
        raise LabError

    with armed(handler), pytest.raises(LabError):
        caller.request()


def test_an_upload_in_pieces_is_read_once_and_still_goes_on(caller: Caller) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b"one", b"two")

    async def async_pieces() -> Any:
        for piece in pieces():
            yield piece

    script = Script(Exchange())
    with armed(script):
        caller.request(content=pieces() if caller.sync else async_pieces())
    assert script.requests[0].body == b"onetwo"


def test_an_inner_block_hides_the_outer_one(caller: Caller) -> None:
    with armed(Script(Exchange(status=201))):
        with armed(Script(Exchange(status=202))):
            assert caller.request().status_code == 202
        assert caller.request().status_code == 201
