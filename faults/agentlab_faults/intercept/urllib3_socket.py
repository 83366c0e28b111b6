"""A socket in memory under urllib3's connection: `http.client` writes the request to it and reads the exchange's bytes, in virtual time.

Parsing, framing, cookies, timeouts and their exceptions are urllib3's and http.client's own.
"""

from __future__ import annotations

import errno
import io
import socket
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentlab_faults.exchange import Break, Exchange, Part, Pause, Phase, TransportError, WireRequest
from agentlab_faults.intercept.arming import Armed, OnEnd
from agentlab_faults.intercept.http1 import connecting, on_the_wire
from agentlab_faults.intercept.playing import Delivery

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Refusals", "SocketInMemory"]


class _ClosedByPeerError(Exception):
    """The peer has closed the connection: there are no more bytes, which is no error of a socket."""


class Refusals:
    """urllib3's exceptions for a connection that does not come about, for one request."""

    def __init__(self, exceptions: Any, pool: Any, connection: Any, connect_timeout: float | None) -> None:
        self._exceptions = exceptions
        self._pool = pool
        self._connection = connection
        self._connect_timeout = connect_timeout

    def made(self, error: TransportError, message: str, cause: BaseException | None) -> Exception:
        """As urllib3 raises it out of one attempt; its pool and its `Retry` wrap it further."""
        made = self._of(error, message, cause)
        made.__cause__ = cause
        return made

    def _of(self, error: TransportError, message: str, cause: BaseException | None) -> Exception:
        known, host = self._exceptions, self._pool.host
        made: Exception
        if error == "ConnectTimeout":
            made = known.ConnectTimeoutError(self._connection, f"Connection to {host} timed out. (connect timeout={self._connect_timeout})")
        elif error == "PoolTimeout":
            made = known.EmptyPoolError(self._pool, "Pool is empty and no more connections are allowed (block=True).")
        elif error == "ProxyError":
            made = known.ProxyError("Unable to connect to proxy", OSError(f"Tunnel connection failed: {message}"))
        elif isinstance(cause, ssl.SSLError):
            made = known.SSLError(cause)
        elif isinstance(cause, socket.gaierror):
            made = known.NameResolutionError(host, self._connection, cause)
        else:
            made = known.NewConnectionError(self._connection, f"Failed to establish a new connection: {message}")
        return made


class SocketInMemory(Delivery):
    """One connection for one request, with what http.client asks of a socket."""

    def __init__(self, wire: WireRequest, exchange: Exchange, on_end: OnEnd | None, armed: Armed, refusals: Refusals) -> None:
        super().__init__(wire, exchange, on_end, armed)
        self.fail = self._raised
        self._refusals = refusals
        self._timeout: float | None = None

    def parts(self, exchange: Exchange, method: str) -> tuple[Sequence[Pause | Break], Sequence[Part]]:
        """Connecting, and then the bytes of the head and the body."""
        return connecting(exchange), on_the_wire(exchange, method)

    def limit(self, phase: Phase) -> float | None:
        """The socket's own timeout, once there is a connection."""
        return self._timeout if phase == "read" else super().limit(phase)

    def _raised(self, error: TransportError, message: str | None, cause: BaseException | None) -> Exception:
        """What a socket raises, or urllib3 while it connects."""
        if error == "ReadTimeout":
            return TimeoutError("timed out")
        if error == "ReadError":
            return cause if isinstance(cause, OSError) else ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        if error in {"RemoteProtocolError", "DecodingError"}:
            return _ClosedByPeerError()
        return self._refusals.made(error, message or "", cause)

    def connect(self) -> None:
        """Wait until the connection is there. Raises urllib3's exceptions if it does not come about."""
        try:
            for step in self.before():
                if not isinstance(step, bytes):
                    time.sleep(step)
        except BaseException:
            self.gone()
            raise

    # -- what http.client asks of a socket

    def settimeout(self, seconds: float | None) -> None:
        """Seconds that one read may be silent; None for ever."""
        self._timeout = seconds

    def sendall(self, data: Any) -> None:
        """Take a piece of the request; what it says is known already."""

    def makefile(self, mode: str, *args: Any) -> io.BufferedReader:
        """The reading end."""
        del mode, args  # http.client reads bytes through a buffer, and nothing else
        return io.BufferedReader(_ReadingEnd(self))

    def close(self) -> None:
        """As a socket's: the reading end lives on until it is closed itself."""

    def more(self) -> bytes:
        """The next bytes, as soon as they are there; none at the end."""
        try:
            for step in self.body():
                if isinstance(step, bytes):
                    return step
                time.sleep(step)
        except _ClosedByPeerError:
            return b""
        except BaseException:
            self.gone()
            raise
        return b""


class _ReadingEnd(io.RawIOBase):
    """A raw file, as a socket's is below its buffer."""

    def __init__(self, line: SocketInMemory) -> None:
        super().__init__()
        self._line = line
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        self._rest = self._rest or self._line.more()
        into = memoryview(buffer)
        count = min(len(into), len(self._rest))
        into[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._line.gone()
        super().close()
