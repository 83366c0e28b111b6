"""One TCP connection of a client: bytes in, bytes out, silence, and every way to end it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, cast

__all__ = ["Channel", "Gone", "no_linger"]

HIGH: Final = 256 * 1024
"""Bytes that are kept unread; past them the kernel holds the client back."""
LONG: Final = 1.0
"""Seconds of silence from which on a client that has closed its side is taken to have gone: nobody waits so long for half an answer."""
FAREWELL: Final = 0.1
"""Seconds to wait for the reset that a client sends which has closed its socket altogether."""
_NO_LINGER: Final = struct.pack("ii", 1, 0)


def no_linger(transport: asyncio.BaseTransport) -> None:
    """Make the transport's end a TCP reset, which drops what was not sent yet."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):  # the client was quicker
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


class Gone(Exception):  # noqa: N818 - it is what the client did, not an error of ours
    """The client has closed or reset the connection."""


class Channel(asyncio.Protocol):
    """The server's end of one connection. `opened` is called once it is there, `closed` when it is not any more."""

    def __init__(self, opened: Callable[[Channel], None], closed: Callable[[Channel], None]) -> None:
        self._opened, self._closed = opened, closed
        self._received = bytearray()
        self._held_back = False
        self._full = False
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._attending: asyncio.Task[Any] | None = None
        """Who does something that is of no use once the client has gone."""
        self._leaving: asyncio.TimerHandle | None = None
        self._cut = False
        self.half_closed = False
        """The client has sent its last byte."""
        self.lost = False
        self.first: Callable[[bool], None] | None = None
        """Hears once whether the client has said anything, as soon as that is certain."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._opened(self)

    def data_received(self, data: bytes) -> None:
        self._say_first(spoken=True)
        self._received += data
        if len(self._received) > HIGH and not self._held_back and self._transport is not None:
            self._held_back = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self.half_closed = True
        if self._attending is not None:
            self._leave_late()
        self._wake()
        return (
            self._transport is not None and self._transport.can_write_eof()
        )  # our side stays open (not under TLS): it may still be reading

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # how it ended matters to nobody: it is gone
        self.lost = True
        self._say_first(spoken=False)
        self._leave()
        self._wake()
        self._closed(self)

    def _say_first(self, *, spoken: bool) -> None:
        if self.first is not None:
            first, self.first = self.first, None
            first(spoken)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _something(self, seconds: float | None) -> bool:
        """Wait until anything happens on the connection; False if nothing did for so long."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self._wake_late, self._waiter) if seconds is not None and seconds < math.inf else None
        try:
            await self._waiter
        except TimeoutError:
            return False
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
        return True

    def _wake_late(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_exception(TimeoutError())

    async def read(self, seconds: float) -> bytes:
        """What has come, at least a byte; b"" once the client has sent its last. Raises TimeoutError after `seconds`, and Gone."""
        while not self._received:
            if self.lost:
                raise Gone
            if self.half_closed:
                return b""
            if not await self._something(seconds):
                raise TimeoutError
        data = bytes(self._received)
        self._received.clear()
        if self._held_back and self._transport is not None:
            self._held_back = False
            self._transport.resume_reading()
        return data

    def unread(self, data: bytes) -> None:
        """Put bytes back in front of what has come."""
        self._received[:0] = data

    def send(self, data: bytes) -> None:
        """Write without waiting. Raises Gone."""
        if self.lost or self._transport is None:
            raise Gone
        self._transport.write(data)

    async def write(self, data: bytes) -> None:
        """Write, and wait while the client does not read. Raises Gone."""
        self.send(data)
        while self._full and not self.lost:
            await self._something(None)
        if self.lost:
            raise Gone

    async def silence(self, seconds: float) -> None:
        """Say nothing for so long (`math.inf`: until the client goes). Raises Gone as soon as it has."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0:
            if self.lost or (self.half_closed and left > LONG):
                raise Gone
            await self._something(left)
        if self.lost:
            raise Gone

    @contextlib.asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Cancel what is done inside, and raise Gone, once the client has gone."""
        task = asyncio.current_task()
        if self.lost or task is None:
            raise Gone
        before, self._attending = task.cancelling(), task
        if self.half_closed:
            self._leave_late()
        try:
            yield
        except asyncio.CancelledError:
            if self._cut and task.uncancel() <= before:
                raise Gone from None
            raise
        finally:
            self._attending = None
            if self._leaving is not None:
                self._leaving.cancel()

    def _leave_late(self) -> None:
        """The client has closed its side: if nothing comes of it for long, it has gone."""
        self._leaving = asyncio.get_running_loop().call_later(LONG, self._leave)

    def _leave(self) -> None:
        if self._attending is not None and not self._cut:
            self._cut = True
            self._attending.cancel()

    async def delivered(self) -> None:
        """Wait until a client that had closed its side has either taken the answer or refused it. Raises Gone in the latter case."""
        if self.half_closed:
            loop = asyncio.get_running_loop()
            end = loop.time() + FAREWELL
            while (left := end - loop.time()) > 0 and not self.lost:
                await self._something(left)
        if self.lost:
            raise Gone

    def close(self) -> None:
        """End it in order: what was written is sent, then FIN."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """End it with a TCP reset, dropping what was not sent yet."""
        if self._transport is None:
            return
        no_linger(self._transport)
        self._transport.abort()

    async def finish(self, seconds: float, most: int) -> None:
        """FIN, then throw away what the client still sends (up to `most` bytes, for `seconds`), so that it can read our last words."""
        if self._transport is None or self.lost:
            return
        try:
            if self._transport.can_write_eof():
                self._transport.write_eof()
        except OSError:  # the client has closed and refused our last words; the loop has not heard of it yet
            self.abort()
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        with contextlib.suppress(Gone, TimeoutError):
            while most > 0 and (left := end - loop.time()) > 0 and (data := await self.read(left)):
                most -= len(data)
        self.close()
