"""Laws of playing an exchange, whatever its parts are."""

from __future__ import annotations

import itertools
import math

from agentlab_faults.exchange import Break, Exchange, Part, Pause, Timeouts, TransportError, WireRequest
from agentlab_faults.intercept.arming import Armed, End
from agentlab_faults.intercept.playing import Delivery
from hypothesis import given
from hypothesis import strategies as st

TIMEOUTS = Timeouts(connect=5.0, read=10.0, write=1.0, pool=7.0)
seconds = st.integers(0, 20).map(float)
pauses = st.builds(Pause, seconds, st.sampled_from(["connect", "read", "pool"]))
breaks = st.builds(Break, st.sampled_from(["ReadError", "RemoteProtocolError"]))
parts: st.SearchStrategy[tuple[Part, ...]] = st.lists(st.one_of(st.binary(max_size=5), pauses, breaks), max_size=8).map(tuple)
promises = st.one_of(st.none(), st.integers(0, 30))


class FailedError(Exception):
    """Stands for a library's exception."""


def fail(error: TransportError, message: str | None, cause: BaseException | None) -> Exception:
    return FailedError(error)


class Played(Delivery):
    """A delivery to no library."""

    fail = staticmethod(fail)


def played(exchange: Exchange, timeouts: Timeouts = TIMEOUTS, *, stop_after: int | None = None) -> tuple[bytes, float, str, list[End]]:
    """Bytes handed over, seconds waited, the error's name or '' and what was told of the end."""
    ends: list[End] = []
    armed = Armed(lambda _: None, "win", frozenset(), memoise=True)
    wire = WireRequest("httpx2", "POST", "", "", "", {}, b"", timeouts, sync=True)
    delivery = Played(wire, exchange, ends.append, armed)
    got, waited, error = b"", 0.0, ""
    try:
        for step in itertools.islice(itertools.chain(delivery.before(), delivery.body()), stop_after):
            if isinstance(step, bytes):
                got += step
            else:
                waited += step
    except FailedError as failed:
        error = str(failed)
    delivery.gone()
    assert not armed.open
    return got, waited, error, ends


@given(parts, st.integers(1, 6), promises)
def test_the_end_is_told_exactly_once_whenever_the_client_stops(body: tuple[Part, ...], stop_after: int, promise: int | None) -> None:
    headers = () if promise is None else (("content-length", str(promise)),)
    *_, ends = played(Exchange(headers=headers, body=body), stop_after=stop_after)
    assert len(ends) == 1


@given(parts)
def test_an_intact_exchange_without_timeouts_arrives_whole_and_on_time(body: tuple[Part, ...]) -> None:
    exchange = Exchange(body=tuple(part for part in body if not isinstance(part, Break)), before=(Pause(3.0),))
    assert played(exchange, Timeouts()) == (exchange.content, exchange.seconds, "", ["delivered"])


@given(parts)
def test_no_silence_is_longer_than_its_timeout(body: tuple[Part, ...]) -> None:
    got, _, error, ends = played(Exchange(body=body))
    quiet: dict[str, float] = {}
    limits = {"connect": 5.0, "read": 10.0, "pool": 7.0}
    expected = b""
    for part in body:
        if isinstance(part, Break):
            assert (error, ends) == (part.error, ["broken"])
            break
        if isinstance(part, bytes):
            expected += part
            quiet = {} if part else quiet
        elif quiet.setdefault(part.phase, 0.0) + part.seconds > limits[part.phase]:
            assert (error, ends) == (f"{part.phase.title()}Timeout", ["timeout"])
            break
        else:
            quiet[part.phase] += part.seconds
    else:
        assert (error, ends) == ("", ["delivered"])
    assert got == expected


@given(st.lists(st.binary(max_size=6), max_size=5).map(tuple), st.integers(0, 30))
def test_content_length_decides_where_the_body_ends(body: tuple[bytes, ...], promised: int) -> None:
    exchange = Exchange(headers=(("Content-Length", str(promised)),), body=body)
    got, _, error, ends = played(exchange)
    assert got == exchange.content[:promised]
    short = len(exchange.content) < promised
    assert (error, ends) == (("RemoteProtocolError", ["broken"]) if short else ("", ["delivered"]))


def test_silence_for_ever_is_made_of_finite_steps() -> None:
    *_, ends = played(Exchange(body=(Pause(math.inf),)), Timeouts(), stop_after=5)
    _, waited, _, _ = played(Exchange(body=(Pause(math.inf),)), Timeouts(), stop_after=5)
    assert math.isfinite(waited)
    assert waited > 1e9
    assert ends == ["abandoned"]
