"""The far end of an aiohttp connection, in memory: takes the request's bytes and gives the exchange's, in the loop's own time.

aiohttp's parser, pool, redirects, timeouts and exceptions do all the rest. The answer is driven by timers and not by tasks, so that nothing
is left over when an agent goes away.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

from agentlab_faults.exchange import Break, Part, Pause
from agentlab_faults.intercept.http1 import CONTINUE
from agentlab_faults.intercept.playing import FOREVER, Telling

__all__ = ["Line", "protocol_class"]


class Line(asyncio.Transport):
    """One connection for one request."""

    def __init__(self, protocol: Any, parts: Sequence[Part], telling: Telling, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._protocol = protocol
        self._parts = iter(parts)
        self._left = len(parts)
        self._telling = telling
        self._loop = loop
        self._next: asyncio.Handle | None = None
        self._paused: Callable[[], None] | None = None
        self._reading = True
        self._open = True
        self.expects_continue = False
        """The client waits for a word before it sends its body."""
        self.timed_out: Callable[[], bool] = lambda: False
        """Whether the client's own timeout has fired."""

    def begin(self) -> None:
        """The request is there: answer it."""
        self._next = self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Give the next bytes, one part a turn, so that a client which goes away after the first sees no more."""
        if not self._reading:
            self._paused = self._go_on
            return
        part = next(self._parts, None)
        self._left -= 1
        if isinstance(part, bytes):
            self._protocol.data_received(part)  # after the last part the client closes the connection in here
            if self._open:
                self._next = self._loop.call_soon(self._go_on)
        elif isinstance(part, Pause):
            self._wait(part.seconds)
        elif part is not None:
            self._break(part)
        else:
            self._telling.end("delivered")

    def _wait(self, seconds: float) -> None:
        if seconds == math.inf:
            self._next = self._loop.call_later(FOREVER, self._wait, seconds)
        else:
            self._next = self._loop.call_later(seconds, self._go_on)

    def _break(self, broken: Break) -> None:
        """The connection ends: closed by the peer, or by an error of the socket."""
        if broken.error == "ReadTimeout":  # a wait that was cut short because nobody wants to wait in real time
            self._protocol.time_out()
            return
        self._telling.end("broken")
        self._open = False
        error = broken.cause if isinstance(broken.cause, OSError) else ConnectionResetError(104, "Connection reset by peer")
        self._protocol.connection_lost(None if broken.error in {"RemoteProtocolError", "DecodingError"} else error)

    def write(self, data: object) -> None:
        """Take a piece of the request; what it says is known from the request itself."""
        del data
        if self.expects_continue:
            self.expects_continue = False
            self._loop.call_soon(self._protocol.data_received, CONTINUE)

    def close(self) -> None:
        """The client closes the connection."""
        self._telling.end("delivered" if self._left <= 0 else "timeout" if self.timed_out() else "abandoned")
        if self._next is not None:
            self._next.cancel()
        if self._open:
            self._open = False
            if not self._loop.is_closed():
                self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """As `close`: nothing is waiting to be sent."""
        self.close()

    def is_closing(self) -> bool:
        """Whether the connection is closed, by either side."""
        return not self._open

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """None: there is no socket below."""
        del name
        return default

    def pause_reading(self) -> None:
        """The client's buffer is full."""
        self._reading = False

    def resume_reading(self) -> None:
        """The client has room again."""
        self._reading = True
        paused, self._paused = self._paused, None
        if paused is not None and self._open:
            self._next = self._loop.call_soon(paused)

    def is_reading(self) -> bool:
        """Whether the client takes bytes."""
        return self._reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever waiting to be sent."""

    def get_write_buffer_size(self) -> int:
        """Always 0."""
        return 0


def protocol_class(response_handler: Any) -> Any:
    """aiohttp's own `ResponseHandler`, which also says when a request is sent and when `sock_read` has fired."""

    class Protocol(response_handler):  # type: ignore[misc]  # the class of the aiohttp that is there
        line: Line
        read_timed_out = False

        def start_timeout(self) -> None:
            """aiohttp has sent the whole request, and begins to wait."""
            super().start_timeout()
            self.line.begin()

        def _on_read_timeout(self) -> None:
            self.read_timed_out = True
            super()._on_read_timeout()

        def time_out(self) -> None:
            """Time out now."""
            self._on_read_timeout()

    return Protocol
