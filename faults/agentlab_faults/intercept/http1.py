"""An exchange as the bytes of HTTP/1.1 that a server sends, for clients that read them with their own parser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from itertools import dropwhile, takewhile
from typing import Final

from agentlab_faults.exchange import Break, Exchange, Part, Pause
from agentlab_faults.intercept.playing import framed

__all__ = ["CONTINUE", "connecting", "on_the_wire"]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""What a client waits for that has sent `Expect: 100-continue`."""

_NO_MORE: Final = b"0\r\n\r\n"
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_CONNECTING: Final = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"})


def connecting(exchange: Exchange) -> tuple[Pause | Break, ...]:
    """What happens before a connection is there: nothing has been sent yet."""
    return tuple(takewhile(_connects, exchange.before))


def on_the_wire(exchange: Exchange, method: str) -> tuple[Part, ...]:
    """What follows once the connection is there: waits, the head, the body; framed by chunks unless the headers give a length."""
    waits = dropwhile(_connects, exchange.before)
    body = framed(exchange, method)
    names = {name.lower() for name, _ in exchange.headers}
    chunked = "content-length" not in names and method != "HEAD" and exchange.status not in {204, 304}
    sent = tuple(_raw_first(_chunks(body) if chunked else body))
    head = _head(exchange, chunked=chunked)
    if sent and isinstance(sent[0], bytes):  # as servers do: in one packet, which some parsers treat in another way than two
        head, sent = head + sent[0], sent[1:]
    return (*_raw_first(waits), head, *sent)


def _connects(part: Pause | Break) -> bool:
    return part.error in _CONNECTING if isinstance(part, Break) else part.phase != "read"


def _head(exchange: Exchange, *, chunked: bool) -> bytes:
    headers = [header for header in exchange.headers if header[0].lower() != "transfer-encoding"]
    if chunked:
        headers.append(("transfer-encoding", "chunked"))
    lines = [f"HTTP/1.1 {exchange.status} {_REASONS.get(exchange.status, '')}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode()


def _chunks(body: Sequence[Part]) -> Iterator[Part]:
    """Each part a chunk. The last, empty one comes along with the bytes before it: a client that stops there has had all."""
    for n, part in enumerate(body, 1):
        if not isinstance(part, bytes):
            yield part
        elif part:  # an empty chunk would be the last one
            yield b"%x\r\n%s\r\n%s" % (len(part), part, _NO_MORE if n == len(body) else b"")
    if not body or not isinstance(body[-1], bytes) or not body[-1]:
        yield _NO_MORE


def _raw_first(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, Break) and part.raw:
            yield part.raw
        yield part
