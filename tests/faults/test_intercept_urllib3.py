"""urllib3 and requests through their seam, in virtual time: their own parser, retries, timeouts and exceptions meet what a wire brings."""

from __future__ import annotations

import errno
import io
import math
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.client import RemoteDisconnected
from typing import Any

import pytest
import requests
import urllib3
from agentlab_faults.catalogue.broken_http import BadStatusLine, HugeHeader
from agentlab_faults.exchange import Break, Exchange, Part, Pause, Timeouts, WireRequest
from agentlab_faults.intercept import End, armed
from agentlab_faults.sim import Simulation, TimeCapReached
from requests.adapters import HTTPAdapter

URL = "https://api.openai.com/v1/chat/completions?x=1"
JSON = ("content-type", "application/json")
GOOD = Exchange(headers=(JSON, ("set-cookie", "a=b")), body=(b'{"a":', b"1}"), before=(Pause(1.0),))
RESET = Break("ReadError", "[Errno 104] Connection reset by peer", ConnectionResetError(104, "Connection reset by peer"))
CLOSED = Break("RemoteProtocolError", "Server disconnected without sending a response.")
HANGS = Exchange(before=(Pause(math.inf),))
REQUEST = WireRequest("urllib3", "POST", URL, "api.openai.com", "/v1/chat/completions", {}, b"{}", Timeouts(), sync=True)


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
    """Requests in virtual time, and the seconds that they took."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def run(self, wire: Wire, conversation: Callable[[], Any], *, cap: float = 7200.0) -> Any:
        with armed(wire) as watch, Simulation(seed=1, cap=cap) as simulation:
            try:
                return conversation()
            finally:
                self.seconds = simulation.now
                assert watch.escaped == []

    def post(self, wire: Wire, *, cap: float = 7200.0, **options: Any) -> requests.Response:
        """One request of requests', its body read."""
        method = options.pop("method", "POST")
        answer = self.run(wire, lambda: requests.request(method, URL, **options), cap=cap)  # noqa: S113 - the tests say which timeout
        assert isinstance(answer, requests.Response)
        return answer


@pytest.fixture
def caller() -> Caller:
    return Caller()


def test_a_client_gets_the_exchange_through_its_own_parser(caller: Caller) -> None:
    wire = Wire(GOOD)
    answer = caller.post(wire, json={"q": 1})
    assert (answer.status_code, answer.reason, answer.json()) == (200, "OK", {"a": 1})
    assert answer.cookies["a"] == "b"
    assert answer.headers["content-type"] == "application/json"
    assert caller.seconds == pytest.approx(1.0)
    assert wire.ends == ["delivered"]


def test_urllib3_itself_gets_it_too(caller: Caller) -> None:
    def ask() -> Any:
        with urllib3.PoolManager() as manager:
            return manager.request("POST", URL, json={"q": 1})

    wire = Wire(GOOD)
    answer = caller.run(wire, ask)
    assert (answer.status, answer.version_string, answer.json()) == (200, "HTTP/1.1", {"a": 1})
    assert wire.requests[0].body == b'{"q":1}'


def test_the_handler_gets_the_request_as_data(caller: Caller) -> None:
    wire = Wire(GOOD)
    caller.post(wire, data=b'{"q": 1}', headers={"X-Name": "\u00e9".encode("latin-1")}, timeout=(2, 9))
    (request,) = wire.requests
    assert (request.library, request.sync, request.method) == ("urllib3", True, "POST")
    assert (request.url, request.host, request.path) == (URL, "api.openai.com", "/v1/chat/completions")
    assert (request.body, request.headers["x-name"], request.headers["content-length"]) == (b'{"q": 1}', "\u00e9", "8")
    assert (request.timeouts.connect, request.timeouts.read) == (2, 9)


def test_without_a_timeout_there_is_none(caller: Caller) -> None:
    wire = Wire(GOOD)
    caller.post(wire)
    assert wire.requests[0].timeouts == Timeouts()


def test_secrets_of_a_request_show_in_no_url(caller: Caller) -> None:
    wire = Wire(GOOD)
    caller.run(wire, lambda: requests.get("https://user:sk-secret@[2001:db8::1]:8443/x?q=1#f", timeout=5))
    assert (wire.requests[0].url, wire.requests[0].host) == ("https://[2001:db8::1]:8443/x?q=1", "2001:db8::1")
    assert "sk-secret" not in repr(wire.requests[0])


@pytest.mark.parametrize(("pause", "raised", "after"), [("read", requests.ReadTimeout, 9.0), ("connect", requests.ConnectTimeout, 2.0)])
def test_silence_ends_at_the_clients_own_timeout(caller: Caller, pause: Any, raised: type[Exception], after: float) -> None:
    wire = Wire(Exchange(before=(Pause(math.inf, pause),)))
    with pytest.raises(raised):
        caller.post(wire, timeout=(2, 9))
    assert caller.seconds == pytest.approx(after)
    assert wire.ends == ["timeout"]


def test_a_total_timeout_counts_the_time_that_connecting_took(caller: Caller) -> None:
    wire = Wire(Exchange(before=(Pause(2.0, "connect"), Pause(math.inf))))

    def ask() -> None:
        with urllib3.PoolManager() as manager:
            manager.request("POST", URL, timeout=urllib3.Timeout(total=5.0), retries=False)

    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        caller.run(wire, ask)
    assert caller.seconds == pytest.approx(5.0)


def test_without_a_timeout_it_hangs_to_the_cap(caller: Caller) -> None:
    wire = Wire(HANGS)
    with pytest.raises(TimeCapReached):
        caller.post(wire, cap=100_000)
    assert wire.ends == ["abandoned"]


@pytest.mark.parametrize(
    ("cause", "raised", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), requests.ConnectionError, "NewConnectionError"),
        (socket.gaierror(-2, "Name or service not known"), requests.ConnectionError, "NameResolutionError"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), requests.exceptions.SSLError, "certificate verify failed"),
    ],
)
def test_a_connection_that_fails(caller: Caller, cause: OSError, raised: type[Exception], reason: str) -> None:
    wire = Wire(Exchange(before=(Pause(0.5, "connect"), Break("ConnectError", str(cause), cause))))
    with pytest.raises(raised, match=reason):
        caller.post(wire)
    assert caller.seconds == pytest.approx(0.5)
    assert wire.ends == ["broken"]


def test_a_proxy_that_opens_no_tunnel(caller: Caller) -> None:
    wire = Wire(Exchange(before=(Break("ProxyError", "502 Bad Gateway"),)))
    with pytest.raises(requests.exceptions.ProxyError, match="Tunnel connection failed: 502 Bad Gateway"):
        caller.post(wire, proxies={"https": "http://proxy.example:3128"})


def test_a_client_with_a_proxy_is_seen_and_its_timeout_is_no_fault_of_the_proxy(caller: Caller) -> None:
    proxies = {"https": "http://proxy.example:3128"}
    wire = Wire(GOOD)
    assert caller.post(wire, proxies=proxies).json() == {"a": 1}
    with pytest.raises(requests.ReadTimeout):
        caller.post(Wire(HANGS), proxies=proxies, timeout=5)


def test_what_is_let_through_goes_to_the_proxy_first(caller: Caller) -> None:
    with armed(lambda _: None) as watch, pytest.raises(requests.exceptions.ProxyError):
        requests.post(URL, proxies={"https": "http://proxy.example:3128"}, timeout=5)
    assert watch.escaped == ["lookup proxy.example:3128"]


@pytest.mark.parametrize(
    ("before", "body", "raised", "root"),
    [
        ((RESET,), (), requests.ConnectionError, ConnectionResetError),
        ((CLOSED,), (), requests.ConnectionError, RemoteDisconnected),
        ((), (b"half", RESET), requests.exceptions.ChunkedEncodingError, ConnectionResetError),
        ((), (b"half", CLOSED), requests.exceptions.ChunkedEncodingError, None),
    ],
)
def test_a_connection_that_breaks(
    caller: Caller, before: tuple[Break, ...], body: tuple[Part, ...], raised: type[Exception], root: type[Exception] | None
) -> None:
    wire = Wire(Exchange(before=before, body=body))
    with pytest.raises(raised) as caught:
        caller.post(wire)
    assert root is None or isinstance(caught.value.args[0].args[1], root)
    assert wire.ends == ["broken"]


def test_fewer_bytes_than_content_length_promises(caller: Caller) -> None:
    wire = Wire(Exchange(headers=(("Content-Length", "10"),), body=(b"half",)))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        caller.post(wire)
    assert wire.ends == ["broken"]


def test_bytes_past_content_length_are_never_seen(caller: Caller) -> None:
    wire = Wire(Exchange(headers=(("Content-Length", "5"),), body=(b"four", b"five")))
    assert caller.post(wire).content == b"fourf"
    assert wire.ends == ["delivered"]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_answers_without_a_body_have_none(caller: Caller, method: str, status: int) -> None:
    wire = Wire(Exchange(status=status, headers=(("content-length", "3"),), body=(b"abc",)))
    assert caller.post(wire, method=method).content == b""
    assert wire.ends == ["delivered"]


def test_bytes_that_are_not_http_are_refused_by_the_standard_librarys_parser(caller: Caller) -> None:
    with pytest.raises(requests.ConnectionError, match="BadStatusLine"):
        caller.post(Wire(BadStatusLine().answer(REQUEST)))
    with pytest.raises(requests.ConnectionError, match="LineTooLong"):
        caller.post(Wire(HugeHeader().answer(REQUEST)))


def test_a_body_that_cannot_be_decoded_is_refused_by_the_client_itself(caller: Caller) -> None:
    with pytest.raises(requests.exceptions.ContentDecodingError):
        caller.post(Wire(Exchange(headers=(("content-encoding", "gzip"),), body=(b"no gzip",))))


def test_a_slow_drip_passes_a_read_timeout_and_a_stall_does_not(caller: Caller) -> None:
    assert caller.post(Wire(Exchange(body=(b"a", Pause(4.0), b"b", Pause(4.0), b"c"))), timeout=5).content == b"abc"
    assert caller.seconds == pytest.approx(8.0)
    wire = Wire(Exchange(body=(b"a", Pause(math.inf))))
    with pytest.raises(requests.ConnectionError, match="Read timed out"):
        caller.post(wire, timeout=5)
    assert caller.seconds == pytest.approx(5.0)
    assert wire.ends == ["timeout"]


def test_a_stream_hands_over_part_by_part_and_can_be_left(caller: Caller) -> None:
    wire = Wire(Exchange(body=(b"one", Pause(1.0), b"two", b"three")))

    def listen(most: int) -> list[bytes]:
        seen: list[bytes] = []
        with requests.get(URL, stream=True, timeout=60) as response:
            for chunk in response.iter_content(None):
                seen.append(chunk)
                if len(seen) == most:
                    break
        return seen

    assert caller.run(wire, lambda: listen(9)) == [b"one", b"two", b"three"]
    assert caller.run(wire, lambda: listen(1)) == [b"one"]
    assert wire.ends == ["delivered", "abandoned"]


def test_the_users_own_retries_run_for_real_and_wait_as_they_are_told(caller: Caller) -> None:
    limited = Exchange(status=429, headers=(("retry-after", "30"),), body=(b"later",))

    def ask() -> requests.Response:
        with requests.Session() as session:
            session.mount("https://", HTTPAdapter(max_retries=urllib3.Retry(3, status_forcelist=[429], allowed_methods=None)))
            return session.post(URL, data=b"again", timeout=5)

    wire = Wire(limited, limited, limited, GOOD)
    assert caller.run(wire, ask).json() == {"a": 1}
    assert [request.body for request in wire.requests] == [b"again"] * 4
    assert caller.seconds == pytest.approx(91.0)
    assert wire.ends == ["delivered"] * 4


def test_redirects_are_followed_and_every_hop_passes(caller: Caller) -> None:
    wire = Wire(Exchange(status=307, headers=(("location", "https://other.example/here"),)), GOOD)
    answer = caller.post(wire, data=b"again")
    assert (answer.status_code, len(answer.history)) == (200, 1)
    assert [(request.host, request.body) for request in wire.requests] == [("api.openai.com", b"again"), ("other.example", b"again")]


def test_uploads_of_every_kind_are_seen_whole(caller: Caller) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b"one", b"two")

    wire = Wire(GOOD)
    caller.post(wire, data=pieces())
    caller.post(wire, data=io.BytesIO(b"a file"))
    caller.post(wire, data={"grant": "x"})
    caller.post(wire, data="text")
    assert [request.body for request in wire.requests] == [b"onetwo", b"a file", b"grant=x", b"text"]


def test_a_request_in_a_worker_thread_waits_in_virtual_time(caller: Caller) -> None:
    import asyncio  # noqa: PLC0415 - the one test with a loop

    async def main() -> int:
        answers = await asyncio.gather(*(asyncio.to_thread(requests.post, URL, timeout=5) for _ in range(3)))
        return sum(answer.status_code for answer in answers)

    with armed(Wire(GOOD)), Simulation(seed=1, cap=60) as simulation:
        assert simulation.settle(main()) == 600
        assert simulation.now == pytest.approx(1.0)


def test_what_the_handler_lets_through_is_stopped_by_the_guard() -> None:
    with armed(lambda _: None) as watch, pytest.raises(requests.ConnectionError, match="agentlab stopped"):
        requests.get("https://api.example.com/", timeout=5)
    assert watch.escaped == ["lookup api.example.com:443"]


def test_a_connection_from_before_the_lab_carries_nothing_past_it(serving: int) -> None:
    url = f"http://127.0.0.1:{serving}/v1/chat/completions"
    wire = Wire(Exchange(status=299))
    with requests.Session() as session:
        call = {"json": {"model": "m", "messages": []}, "timeout": 5}
        assert session.post(url, **call).text == "local"
        with armed(wire):
            assert session.post(url, **call).status_code == 299
            assert session.get(f"http://127.0.0.1:{serving}/other", timeout=5).text == "local"
            assert session.post(url, **call).status_code == 299
        assert session.post(url, **call).text == "local"
    assert len(wire.requests) == 2


@pytest.fixture
def serving() -> Iterator[int]:
    """The port of a server on loopback that keeps its connections."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # noqa: PLC0415 - the one test that has a server

    class Local(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("content-length", "5")
            self.end_headers()
            self.wfile.write(b"local")

        do_GET = do_POST  # noqa: N815 - the standard library's name

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Local) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
