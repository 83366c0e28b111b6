"""TLS at the server's socket: a good handshake, one that a client must refuse, one that is cut, and one that never ends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from agentlab_faults.proxy.channel import Channel, no_linger

__all__ = ["Greeting", "Handshake"]

_SECONDS: Final = 20.0
"""For a handshake; a silent one lasts until the client goes."""

_MOST: Final = 512
"""Handshakes at the same time."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """How one connection is met. `met` hears how the client took it, in words, and whether it went on in spite of it."""

    context: ssl.SSLContext | None
    """None: no answer to the client's first words."""
    cut: bool = False
    """Without a context: the connection is reset at the client's first words, instead of silence."""
    met: Callable[[str, bool], None] = lambda _, __: None


class Handshake(asyncio.Protocol):
    """The server's end of a connection until TLS is agreed upon; from then on `channel` is."""

    def __init__(self, greet: Callable[[], Greeting], channel: Channel, open_ones: set[Handshake]) -> None:
        self._greet, self._channel, self._open = greet, channel, open_ones
        self._greeting: Greeting | None = None
        self._transport: asyncio.Transport | None = None
        self._agreeing: asyncio.Task[None] | None = None
        self._begun = 0.0
        self._spoken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if len(self._open) >= _MOST:
            self._transport.abort()
            return
        self._open.add(self)
        self._begun = asyncio.get_running_loop().time()
        self._greeting = greeting = self._greet()
        if greeting.context is not None:
            self._transport.pause_reading()
            self._agreeing = asyncio.get_running_loop().create_task(self._agree(self._transport, greeting, greeting.context))

    async def _agree(self, transport: asyncio.Transport, greeting: Greeting, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        self._channel.first = functools.partial(_went_on, greeting)  # some clients end the handshake, and look at the certificate then
        try:
            secured = await loop.start_tls(transport, self._channel, context, server_side=True, ssl_handshake_timeout=_SECONDS)
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            transport.abort()
            self._channel.first = None
            greeting.met(f"the app refused it ({_reason(error)})", False)
            return
        finally:
            self._open.discard(self)
        if secured is None or secured.is_closing():
            transport.abort()
            self._channel.connection_lost(None)
            return
        self._channel.connection_made(secured)

    def data_received(self, data: bytes) -> None:
        del data  # a client's first words, which get no answer
        self._spoken = True
        if self._greeting is not None and self._greeting.cut and self._transport is not None:
            no_linger(self._transport)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._open.discard(self)
        if self._greeting is not None and self._greeting.context is None:
            lasted = asyncio.get_running_loop().time() - self._begun
            self._greeting.met(
                "connection reset in the handshake" if self._greeting.cut else f"the app hung up after {lasted:.2f} s of silence", False
            )

    async def close(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()
        if self._agreeing is not None:
            self._agreeing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._agreeing


def _went_on(greeting: Greeting, spoken: bool) -> None:
    greeting.met("the app accepted it" if spoken else "the app hung up after the handshake", spoken)


def _reason(error: Exception) -> str:
    """Why it failed, in OpenSSL's words without their numbers."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, ConnectionError):
        return "it closed the connection"
    return type(error).__name__
