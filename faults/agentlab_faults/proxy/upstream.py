"""The way to a real provider: HTTP/1.1 by h11 on kept connections, with TLS, and through the environment's proxy."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import h11
import httpx2

from agentlab_faults.intercept.endpoints import is_loopback
from agentlab_faults.proxy.playing import CutOff
from agentlab_faults.sim.real import monotonic

__all__ = ["Response", "Unreachable", "Upstream"]

Headers = Sequence[tuple[bytes, bytes]]
_CONNECT_SECONDS: Final = 15.0
_KEPT_SECONDS: Final = 5.0
"""For which an unused connection is kept: a provider that closes it sooner than it says must not cost a request."""
_AT_ONCE: Final = 256 * 1024
"""Bytes that are read at a time."""
_HEAD: Final = 256 * 1024
"""Bytes of an answer's head."""


class Unreachable(Exception):  # noqa: N818 - it is what happened
    """Nothing was answered; the text says why, in a few words."""


class _Line:
    """One connection to the provider."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self.http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD)
        self.idle_since = 0.0

    @property
    def fresh(self) -> bool:
        """Whether it can be used again."""
        return not self._reader.at_eof() and not self.writer.is_closing() and monotonic() - self.idle_since < _KEPT_SECONDS

    async def event(self) -> Any:
        """The next thing that the provider says. Raises OSError and h11.RemoteProtocolError."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self._reader.read(_AT_ONCE))
        return event

    async def head(self) -> h11.Response:
        """Status and headers of the answer. Raises as `event` does, and Unreachable."""
        while not isinstance(event := await self.event(), h11.Response):
            if isinstance(event, h11.ConnectionClosed):
                raise Unreachable("it closed the connection without an answer")
        return event

    def close(self) -> None:
        """End it at once."""
        self.writer.transport.abort()


@dataclass(frozen=True, slots=True)
class _Proxy:
    """Of the environment: where it is, and the credentials that its address holds."""

    host: str
    port: int
    headers: tuple[tuple[bytes, bytes], ...]


class Upstream:
    """One provider. `target`s are passed on as they are, after `scheme://host:port`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self._authority = parts.netloc
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = httpx2.create_ssl_context() if parts.scheme == "https" else None
        self._proxy = _proxy_for(parts.scheme, self.host)
        self._idle: list[_Line] = []
        self._open: set[_Line] = set()

    async def ask(self, method: str, target: str, headers: Headers, body: bytes) -> Response:
        """Send one request; the answer once its head has come. Raises Unreachable."""
        line = await self._line()
        try:
            self._send(line, method, target, headers, body)
            await line.writer.drain()
            head = await line.head()
        except (OSError, h11.ProtocolError) as error:
            self._drop(line)
            raise Unreachable(_words(error)) from error
        except BaseException:
            self._drop(line)
            raise
        return Response(head, line, self)

    def _send(self, line: _Line, method: str, target: str, headers: Headers, body: bytes) -> None:
        """Write it, head and body in one piece."""
        plain = self._tls is None and self._proxy is not None
        own = [(b"host", self._authority.encode()), *headers]
        if plain and self._proxy is not None:
            own += self._proxy.headers
            target = f"http://{self._authority}{target}"
        if body or method not in {"GET", "HEAD", "DELETE", "OPTIONS"}:
            own.append((b"content-length", str(len(body)).encode()))
        http = line.http
        sent = http.send(h11.Request(method=method, target=target, headers=own)) or b""
        if body:
            sent += http.send(h11.Data(data=body)) or b""
        line.writer.write(sent + (http.send(h11.EndOfMessage()) or b""))

    async def _line(self) -> _Line:
        while self._idle:
            line = self._idle.pop()
            if line.fresh:
                return line
            self._drop(line)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                line = await self._connected()
        except (OSError, h11.ProtocolError) as error:
            raise Unreachable(_words(error)) from error
        self._open.add(line)
        return line

    async def _connected(self) -> _Line:
        if self._proxy is None:
            return _Line(*await asyncio.open_connection(self.host, self._port, ssl=self._tls))
        reader, writer = await asyncio.open_connection(self._proxy.host, self._proxy.port)
        if self._tls is not None:
            try:
                await self._tunnel(reader, writer, self._proxy)
                await writer.start_tls(self._tls, server_hostname=self.host)
            except BaseException:
                writer.transport.abort()
                raise
        return _Line(reader, writer)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy: _Proxy) -> None:
        asking = _Line(reader, writer)
        there = f"{self.host}:{self._port}"
        headers = [(b"host", there.encode()), *proxy.headers]
        for event in (h11.Request(method="CONNECT", target=there, headers=headers), h11.EndOfMessage()):
            writer.write(asking.http.send(event) or b"")
        answer = await asking.head()
        if answer.status_code >= 300:
            raise Unreachable(f"the environment's proxy answered {answer.status_code}")

    def release(self, line: _Line) -> None:
        """The answer has come whole: keep the connection, if it can be used again."""
        if line.http.our_state is h11.DONE and line.http.their_state is h11.DONE:
            line.http.start_next_cycle()
            line.idle_since = monotonic()
            self._idle.append(line)
        else:
            self._drop(line)

    def _drop(self, line: _Line) -> None:
        line.close()
        self._open.discard(line)

    def abandon(self, line: _Line) -> None:
        """The answer is read no further."""
        self._drop(line)

    async def close(self) -> None:
        """Close every connection."""
        self._idle.clear()
        for line in list(self._open):
            self._drop(line)
        await asyncio.sleep(0)  # the sockets close with the loop's next turn


class Response:
    """An answer whose body is still coming."""

    def __init__(self, head: h11.Response, line: _Line, upstream: Upstream) -> None:
        self.status = head.status_code
        self.headers: tuple[tuple[bytes, bytes], ...] = tuple((bytes(name), bytes(value)) for name, value in head.headers)
        self._line: _Line | None = line
        self._upstream = upstream
        self._event: Any = None

    @property
    def at_hand(self) -> bool:
        """Whether the next piece, or the end, has come already. Raises CutOff."""
        if self._line is None:
            return True
        if self._event is None:
            event = self._guarded(self._line)
            self._event = None if event is h11.NEED_DATA else event
        return self._event is not None

    def _guarded(self, line: _Line) -> Any:
        try:
            return line.http.next_event()
        except h11.RemoteProtocolError as error:
            raise CutOff(_words(error)) from error

    async def piece(self) -> bytes | None:
        """The next bytes; None at the end. Raises CutOff."""
        if self._line is None:
            return None
        event, self._event = self._event, None
        if event is None:
            try:
                event = await self._line.event()
            except (OSError, h11.RemoteProtocolError) as error:
                raise CutOff(_words(error)) from error
        if isinstance(event, h11.Data):
            return bytes(event.data)
        line, self._line = self._line, None
        self._upstream.release(line)
        return None

    async def close(self) -> None:
        """Read no further."""
        if self._line is not None:
            line, self._line = self._line, None
            self._upstream.abandon(line)


def _proxy_for(scheme: str, host: str) -> _Proxy | None:
    """The environment's proxy for a host; loopback never has one. Raises ValueError for one that cannot be spoken to."""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    address = proxies.get(scheme) or proxies.get("all")
    if not address:
        return None
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"The environment's proxy for {host} is no http:// proxy; set {scheme}_proxy to one, or {host} in no_proxy.")
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = ((b"proxy-authorization", b"Basic " + base64.b64encode(pair.encode())),)
    return _Proxy(parts.hostname, parts.port or 80, headers)


def _words(error: BaseException) -> str:
    """What went wrong, without anything of an answer's content."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return type(error).__name__
