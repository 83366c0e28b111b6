"""Requests off a connection, by h11: bounded in size and time, whatever the client sends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import SplitResult, urlsplit

import h11

from agentlab_faults.exchange import Timeouts, WireRequest
from agentlab_faults.intercept.headers import RawHeaders
from agentlab_faults.proxy.channel import Channel
from agentlab_faults.proxy.limits import Limits

__all__ = ["Arrived", "Refusal", "read_request"]

_NO_TIMEOUTS: Final = Timeouts()
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Refusal(Exception):  # noqa: N818 - it is an answer
    """A request that is answered with `status` and a sentence, after which the connection is closed."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole request, and what the answer must keep to."""

    wire: WireRequest
    raw: tuple[tuple[bytes, bytes], ...]
    """Headers as they came, for passing on."""
    target: str
    """Path and query."""
    host: str
    """The Host header, or the authority of a target that is a URL."""
    http11: bool
    keeps: bool
    """The connection may be used again."""


async def read_request(channel: Channel, limits: Limits) -> Arrived | None:
    """The next request; None if the client has none any more. Raises Refusal for one that is not to be answered otherwise, and Gone.

    Bytes of a pipelined request stay in the channel.
    """
    try:
        first = await channel.read(limits.idle_seconds)
    except TimeoutError:
        return None
    if not first:
        return None
    if first[0] == 0x16:  # a TLS record that begins a handshake
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "This port speaks plain HTTP; begin the base URL with http://, or start the server with --tls."
        )
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head)
    try:
        parser.receive_data(first)
        head = await _head(channel, parser, limits)
        if head is None:
            return None
        body = await _body(channel, parser, limits, head)
    except h11.RemoteProtocolError as error:
        raise Refusal(HTTPStatus(error.error_status_hint or 400), f"This is not HTTP that can be answered: {error}.") from None
    except TimeoutError:
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT, "The request did not come to its end in time.") from None
    channel.unread(parser.trailing_data[0])
    return _arrived(head, body)


async def _head(channel: Channel, parser: h11.Connection, limits: Limits) -> h11.Request | None:
    loop = asyncio.get_running_loop()
    end = loop.time() + limits.head_seconds
    while (event := parser.next_event()) is h11.NEED_DATA:
        left = end - loop.time()
        if left <= 0:
            raise TimeoutError
        parser.receive_data(await channel.read(left))
    return event if isinstance(event, h11.Request) else None


async def _body(channel: Channel, parser: h11.Connection, limits: Limits, head: h11.Request) -> bytes:
    _check_length(head, limits)
    loop = asyncio.get_running_loop()
    end = loop.time() + limits.body_seconds
    body = bytearray()
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            if parser.they_are_waiting_for_100_continue:
                await channel.write(_CONTINUE)
                parser.send(h11.InformationalResponse(status_code=100, headers=[]))
            left = min(limits.stall_seconds, end - loop.time())
            if left <= 0:
                raise TimeoutError
            parser.receive_data(await channel.read(left))
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > limits.body:
                raise _too_large(limits)
        elif isinstance(event, h11.EndOfMessage):
            return bytes(body)


def _check_length(head: h11.Request, limits: Limits) -> None:
    for name, value in head.headers:
        if name == b"content-length" and int(value) > limits.body:
            raise _too_large(limits)


def _too_large(limits: Limits) -> Refusal:
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {limits.body:,} bytes.")


def _arrived(head: h11.Request, body: bytes) -> Arrived:
    raw = tuple((bytes(name), bytes(value)) for name, value in head.headers)
    headers = RawHeaders(list(raw))
    authority, target = _origin_form(head.target)
    host = authority or headers.get("host", "")
    http11 = head.http_version == b"1.1"
    said = headers.get("connection", "").lower()
    wire = WireRequest(
        library="socket",
        method=head.method.decode("ascii"),
        url=f"http://{host}{target}",
        host=host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host,
        path=target.partition("?")[0],
        headers=headers,
        body=body,
        timeouts=_NO_TIMEOUTS,
        sync=False,
    )
    return Arrived(wire, raw, target, host, http11, keeps=http11 and "close" not in said)


def _origin_form(target: bytes) -> tuple[str, str]:
    """("", path and query); of a URL (as clients of forward proxies send it) its authority too, which goes before the Host header.

    Raises Refusal for anything else.
    """
    text = target.decode("ascii", "replace")
    if text.startswith("/"):
        return "", text
    parts = _split(text)
    if parts is not None and parts.scheme in {"http", "https"} and parts.netloc:
        return parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    raise Refusal(HTTPStatus.BAD_REQUEST, "The request names no path; this is no forward proxy, set the SDK's base URL instead.")


def _split(text: str) -> SplitResult | None:
    try:
        return urlsplit(text)
    except ValueError:  # `http://[`
        return None
