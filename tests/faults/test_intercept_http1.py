"""Laws of an exchange as bytes: the standard library's parser reads back what was in it, however it is cut into parts."""

from __future__ import annotations

import http.client
import io
import math

import pytest
from agentlab_faults.exchange import Break, Exchange, Part, Pause
from agentlab_faults.intercept.http1 import connecting, on_the_wire
from hypothesis import given
from hypothesis import strategies as st

waits = st.builds(Pause, st.just(1.0), st.sampled_from(["connect", "read", "pool"]))
pieces = st.binary(max_size=9)
bodies: st.SearchStrategy[tuple[Part, ...]] = st.lists(st.one_of(pieces, waits), max_size=8).map(tuple)


class Peer:
    """What http.client wants of a socket."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._sent))  # type: ignore[arg-type]  # a raw file to it


def read_back(exchange: Exchange, method: str = "POST") -> http.client.HTTPResponse:
    parts = on_the_wire(exchange, method)
    response = http.client.HTTPResponse(Peer(b"".join(part for part in parts if isinstance(part, bytes))), method=method)  # type: ignore[arg-type]
    response.begin()
    return response


@given(bodies, st.booleans(), st.sampled_from([200, 299, 429, 500]))
def test_what_was_in_the_exchange_is_read_back(body: tuple[Part, ...], measured: bool, status: int) -> None:
    content = b"".join(part for part in body if isinstance(part, bytes))
    headers = (("X-Name", "value"), *((("content-length", str(len(content))),) if measured else ()))
    response = read_back(Exchange(status, headers, body))
    assert (response.status, response.headers["x-name"], response.read()) == (status, "value", content)


@given(bodies)
def test_no_wait_is_lost_and_none_comes_before_its_bytes(body: tuple[Part, ...]) -> None:
    exchange = Exchange(body=body, before=(Pause(2.0, "pool"), Pause(3.0, "connect"), Pause(5.0)))
    parts = on_the_wire(exchange, "POST")
    assert connecting(exchange) == exchange.before[:2]
    assert parts[0] == Pause(5.0)
    assert sum(part.seconds for part in parts if isinstance(part, Pause)) == exchange.seconds - 5.0


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_without_a_body_sends_none(method: str, status: int) -> None:
    assert read_back(Exchange(status, body=(b"abc",)), method).read() == b""


def test_a_framing_that_the_exchange_names_itself_is_not_named_twice() -> None:
    response = read_back(Exchange(headers=(("Transfer-Encoding", "chunked"),), body=(b"a", b"b")))
    assert response.headers.get_all("transfer-encoding") == ["chunked"]
    assert response.read() == b"ab"


def test_bytes_against_the_protocol_come_before_the_break_as_they_are() -> None:
    broken = Break("RemoteProtocolError", "illegal chunk header", raw=b"ZZZ\r\n")
    parts = on_the_wire(Exchange(body=(b"a", Pause(math.inf), broken)), "POST")
    assert parts[1:] == (Pause(math.inf), b"ZZZ\r\n", broken, b"0\r\n\r\n")
