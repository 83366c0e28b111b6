"""The server: HTTP/1.1 on real sockets, one task a connection, and a listening socket that can be closed for a while."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from agentlab_faults.exchange import Exchange
from agentlab_faults.intercept.endpoints import is_loopback
from agentlab_faults.proxy.channel import Channel, Gone
from agentlab_faults.proxy.handshake import Greeting, Handshake
from agentlab_faults.proxy.limits import Limits
from agentlab_faults.proxy.playing import Answering, play
from agentlab_faults.proxy.reading import Arrived, Refusal, read_request

__all__ = ["CannotListen", "Server", "problem"]

App = Callable[[Arrived, Channel], Awaitable[Answering]]
_BACKLOG: Final = 256
_DRAIN_SECONDS: Final = 10.0


class CannotListen(Exception):  # noqa: N818 - it says what is so
    """The address cannot be listened on; the text is one sentence that says what to do."""


def problem(status: int, sentence: str) -> Exchange:
    """An answer of the server itself, in a shape that every SDK shows."""
    body = json.dumps({"error": {"message": f"agentlab chaos: {sentence}", "type": "agentlab_chaos", "param": None, "code": None}}).encode()
    return Exchange(status, (("content-type", "application/json"), ("content-length", str(len(body)))), (body,))


class Server:
    """Answers what arrives at one address by `app`.

    Requests whose Host header is neither loopback nor one of `allow_hosts` are refused: a web page must not reach the server through a name
    of its own that resolves to loopback (DNS rebinding).
    """

    def __init__(self, app: App, *, limits: Limits | None = None, allow_hosts: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._limits = limits or Limits()
        self._allow_hosts = frozenset(host.lower() for host in allow_hosts)
        self._channels: dict[Channel, asyncio.Task[None]] = {}
        self._handshakes: set[Handshake] = set()
        self.greet: Callable[[], Greeting] | None = None
        """Under TLS: how each connection is met."""
        self._listener: asyncio.Server | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._closed = False
        self.failures: list[str] = []
        """What the server itself failed at, in words without anything of a request's content."""
        self.address = ""
        self.port = 0

    async def start(self, address: str = "127.0.0.1", port: int = 0) -> None:
        """Listen. Raises CannotListen."""
        self.address, self.port = address, port
        try:
            await self._listen()
        except OSError as error:
            raise CannotListen(_why(error, address, port)) from error

    async def _listen(self) -> None:
        held = self._held()
        try:
            await self._listen_on(held)
        except BaseException:
            held.close()
            raise
        self.port = held.getsockname()[1]

    def _held(self) -> socket.socket:
        """A socket that holds the port, and listens to nobody yet: the kernel refuses whoever connects."""
        held = socket.socket(_family(self.address), socket.SOCK_STREAM)
        try:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((self.address, self.port))
        except BaseException:
            held.close()
            raise
        return held

    async def _listen_on(self, held: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._protocol, sock=held, backlog=_BACKLOG)

    def _protocol(self) -> asyncio.Protocol:
        channel = Channel(self._opened, self._gone)
        return channel if self.greet is None else Handshake(self.greet, channel, self._handshakes)

    def shut(self) -> socket.socket | None:
        """Close the listening socket: new connections are refused by the kernel. Connections that are open stay. What it returns holds the
        port meanwhile, for `reopen`; None if it is shut already."""
        if self._listener is None or self._closed:
            return None
        self._listener.close()
        self._listener = None
        return self._held()

    async def reopen(self, held: socket.socket | None) -> None:
        """Listen again."""
        if held is None:
            return
        if self._closed:
            held.close()
        else:
            await self._listen_on(held)

    def refuse(self, seconds: float) -> None:
        """Shut the port for so long."""
        held = self.shut()
        if held is not None:
            self._reopening = asyncio.get_running_loop().create_task(self._reopen(held, seconds))

    async def _reopen(self, held: socket.socket, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        finally:
            await self.reopen(held)

    async def close(self) -> None:
        """Close the listening socket and every connection, and wait until all is over."""
        self._closed = True
        if self._listener is not None:
            self._listener.close()
        tasks = [*self._channels.values(), *([self._reopening] if self._reopening is not None else [])]
        for task in tasks:
            task.cancel()
        for channel in list(self._channels):
            channel.abort()
        for handshake in list(self._handshakes):
            await handshake.close()
        if tasks:
            await asyncio.wait(tasks)

    async def idle(self) -> None:
        """Wait until no connection is open."""
        while self._channels:
            await asyncio.wait(self._channels.values())

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._channels)

    def _opened(self, channel: Channel) -> None:
        if self._closed or len(self._channels) + len(self._handshakes) >= self._limits.connections:
            channel.abort()
            return
        self._channels[channel] = asyncio.get_running_loop().create_task(self._serve(channel))

    def _gone(self, channel: Channel) -> None:
        self._channels.pop(channel, None)

    async def _serve(self, channel: Channel) -> None:
        try:
            while await self._one(channel):
                pass
        except Gone:
            pass  # there is nobody to tell
        finally:
            channel.close()

    async def _one(self, channel: Channel) -> bool:
        """Answer one request; whether the connection goes on."""
        try:
            arrived = await read_request(channel, self._limits)
        except Refusal as refusal:
            await play(channel, Answering(problem(refusal.status, refusal.sentence)), method="GET", http11=True, keeps=False)
            await channel.finish(_DRAIN_SECONDS, self._limits.discarded)
            return False
        if arrived is None:
            return False
        answering = self._foreign(arrived) or await self._answer(arrived, channel)
        return await play(
            channel, answering, method=arrived.wire.method, http11=arrived.http11, keeps=arrived.keeps and not answering.closes
        )

    async def _answer(self, arrived: Arrived, channel: Channel) -> Answering:
        try:
            return await self._app(arrived, channel)
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001 - one request must not end the server, and what broke must be seen
            self.failures.append(f"{type(error).__name__} while answering {arrived.wire.method} {arrived.wire.path[:80]}")
            return Answering(problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"the server itself failed ({type(error).__name__})."))

    def _foreign(self, arrived: Arrived) -> Answering | None:
        """The refusal of a request that is addressed to somebody else."""
        host = arrived.wire.host.lower()
        if (arrived.host and is_loopback(host)) or host in self._allow_hosts:
            return None
        sentence = f"The Host header says {host[:80]!r}, which is not this server; start it with --allow-host if that is meant."
        return Answering(problem(HTTPStatus.MISDIRECTED_REQUEST, sentence))


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _why(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {address} is in use; choose another with --port, or leave it out for a free one."
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"The server cannot listen on {address} port {port} ({reason}); choose another address or port."
