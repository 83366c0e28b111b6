"""Playing an exchange on a socket: real silence, real resets, and broken HTTP byte for byte."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal, Protocol

from agentlab_faults.exchange import Break, Exchange, Pause
from agentlab_faults.intercept.arming import End, OnEnd
from agentlab_faults.proxy.channel import Channel, Gone

__all__ = ["Answering", "BreakKind", "CutOff", "LiveBody", "break_kind", "play"]

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_TOGETHER: Final = 64 * 1024
"""Bytes that wait at most to be written with those that have come already."""
_NO_BODY: Final = frozenset({204, 304})
_HUGE: Final = b"HTTP/1.1 200 OK\r\nx-debug-trace: " + b"a" * 200_000 + b"\r\n"

BreakKind = Literal["refuse", "reset", "close", "garbage", "huge", "chunk", "tls", "impossible"]
"""What a break is on a socket: the listening socket closes; RST; FIN; bytes that are no HTTP; endless headers; a chunk without a size; a
failed handshake; nothing that a server can do (a client's own pool, its resolver, its proxy)."""

_WORDS: Final[tuple[tuple[BreakKind, re.Pattern[str]], ...]] = (
    ("garbage", re.compile("illegal status line")),
    ("huge", re.compile("Receive buffer too long")),
    ("chunk", re.compile("illegal chunk header")),
)


class CutOff(Exception):  # noqa: N818 - it is what happened to the body
    """A live body ends here, broken."""


class LiveBody(Protocol):
    """A body that is still coming."""

    @property
    def at_hand(self) -> bool:
        """Whether the next piece, or the end, has come already. Raises CutOff."""
        ...

    async def piece(self) -> bytes | None:
        """The next bytes; None at its end. Raises CutOff."""
        ...

    async def close(self) -> None:
        """It is read no further."""
        ...


@dataclass(slots=True)
class Answering:
    """What is played to one request. `live` is a body that is still coming, after the exchange's own."""

    exchange: Exchange
    on_end: OnEnd | None = None
    live: LiveBody | None = None
    closes: bool = False
    """The connection ends with it."""


def break_kind(broken: Break) -> BreakKind:
    """What the break comes to on a socket."""
    if broken.error == "ConnectError":
        if isinstance(broken.cause, ConnectionRefusedError):
            return "refuse"
        if isinstance(broken.cause, ssl.SSLError):
            return "tls"
        return "reset" if isinstance(broken.cause, ConnectionError) else "impossible"
    if broken.error in {"PoolTimeout", "ProxyError", "ConnectTimeout"}:
        return "impossible"
    if broken.error == "RemoteProtocolError":
        for kind, words in _WORDS:
            if words.search(broken.message):
                return kind
        return "close"
    return "reset"


class _Broken(Exception):  # noqa: N818 - it is what was asked for
    """The connection has been broken as the exchange says."""


async def play(channel: Channel, answering: Answering, *, method: str, http11: bool, keeps: bool) -> bool:
    """Play it; whether the connection can be used again. Tells `on_end` how it ended, exactly once."""
    end: End = "abandoned"
    try:
        keeps = await _play(channel, answering, method, http11=http11, keeps=keeps)
        await channel.delivered()
        end = "delivered"
        return keeps
    except _Broken:
        end = "broken"
        return False
    except CutOff:
        channel.reset()
        end = "broken"
        return False
    except Gone:
        return False
    finally:
        if answering.live is not None:
            await answering.live.close()
        if answering.on_end is not None:
            answering.on_end(end)


async def _play(channel: Channel, answering: Answering, method: str, *, http11: bool, keeps: bool) -> bool:
    exchange = answering.exchange
    for part in exchange.before:
        await _wait_or_break(channel, part, chunked=False)
    promised = _promised(exchange)
    bodiless = method == "HEAD" or exchange.status in _NO_BODY
    chunked = promised is None and http11 and not bodiless
    sized = promised is not None or chunked or bodiless
    keeps = keeps and sized
    head = _head(exchange, chunked=chunked, keeps=keeps)
    if bodiless:
        await channel.write(head)
        return keeps
    sent, waiting = await _body(channel, exchange, head, chunked=chunked)
    if answering.live is not None:
        async with channel.attended():
            more, waiting = await _live(channel, answering.live, waiting, chunked=chunked)
        sent += more
    if chunked:
        waiting += b"0\r\n\r\n"
    await channel.write(waiting)
    return keeps and (promised is None or sent == promised)


async def _body(channel: Channel, exchange: Exchange, head: bytes, *, chunked: bool) -> tuple[int, bytes]:
    """Write head and body: the bytes of the body, and what is not written yet. What can go out together does."""
    waiting, sent = head, 0
    for part in exchange.body:
        if isinstance(part, bytes):
            sent += len(part)
            waiting += _chunk(part) if chunked and part else part
            continue
        if waiting:
            await channel.write(waiting)
            waiting = b""
        await _wait_or_break(channel, part, chunked=chunked)
    return sent, waiting


async def _live(channel: Channel, live: LiveBody, waiting: bytes, *, chunked: bool) -> tuple[int, bytes]:
    """Write what comes as it comes: the bytes of the body, and what is not written yet. Nothing waits for what has not come."""
    sent = 0
    while True:
        if waiting and (len(waiting) > _TOGETHER or not live.at_hand):
            await channel.write(waiting)
            waiting = b""
        piece = await live.piece()
        if piece is None:
            return sent, waiting
        sent += len(piece)
        waiting += _chunk(piece) if chunked and piece else piece


async def _wait_or_break(channel: Channel, part: Pause | Break, *, chunked: bool) -> None:
    if isinstance(part, Pause):
        await channel.silence(part.seconds)
        return
    match break_kind(part):
        case "close":
            channel.close()
        case "garbage":
            channel.send(b"garbage\r\n\r\n")
            channel.close()
        case "huge":
            channel.send(_HUGE)
            channel.close()
        case "chunk":
            channel.send(b"ZZZ\r\n" if chunked else b"")
            channel.close()
        case "tls":
            channel.close()
        case _:
            channel.reset()
    raise _Broken


def _promised(exchange: Exchange) -> int | None:
    for name, value in exchange.headers:
        if name.lower() == "content-length":
            return int(value) if value.isdigit() else None
    return None


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _head(exchange: Exchange, *, chunked: bool, keeps: bool) -> bytes:
    lines = [f"HTTP/1.1 {exchange.status} {_REASONS.get(exchange.status, '')}"]
    lines += [f"{name}: {value}" for name, value in exchange.headers]
    if chunked:
        lines.append("transfer-encoding: chunked")
    lines.append(f"connection: {'keep-alive' if keeps else 'close'}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
