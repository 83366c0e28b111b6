"""Playing an exchange without doing any waiting: a generator says how long to be silent and which bytes to hand over.

The seams drive it, `time.sleep` in sync clients and `asyncio.sleep` in async ones, so both keep one set of rules about timeouts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from agentlab_faults.exchange import Break, Exchange, Part, Pause, Phase, TransportError, WireRequest
from agentlab_faults.intercept.arming import Armed, End, OnEnd

__all__ = ["FOREVER", "Delivery", "Fail", "Telling", "framed"]

FOREVER: Final = 1e9
"""Seconds of one step of an endless silence: finite, because clocks count integer nanoseconds (31 years fit into 63 bits)."""

_TIMEOUTS: Final[dict[Phase, TransportError]] = {"connect": "ConnectTimeout", "read": "ReadTimeout", "pool": "PoolTimeout"}


class Fail(Protocol):
    """Makes the calling library's exception."""

    def __call__(self, error: TransportError, message: str | None, cause: BaseException | None) -> Exception:
        """`message` None: the words that this library has for its own timeouts."""
        ...


def framed(exchange: Exchange, method: str) -> Sequence[Part]:
    """The body as the client's parser hands it over: what `content-length` promises, neither more nor less.

    A body that ends early raises what h11 raises; bytes past the end are never seen; HEAD, 204 and 304 have no body.
    """
    if method == "HEAD" or exchange.status in {204, 304}:
        return ()
    promised, body = _promised(exchange.headers), exchange.body
    if promised is None:
        return body
    only = body[0] if len(body) == 1 else None
    sent = len(only) if isinstance(only, bytes) else sum([len(part) for part in body if isinstance(part, bytes)])
    if sent == promised:
        return body
    if sent < promised and exchange.intact:
        text = f"peer closed connection without sending complete message body (received {sent} bytes, expected {promised})"
        return (*body, Break("RemoteProtocolError", text))
    return body if sent < promised else _cut(body, promised)


def _promised(headers: tuple[tuple[str, str], ...]) -> int | None:
    for name, value in headers:
        if len(name) == 14 and name.lower() == "content-length":
            return int(value) if value.isdigit() else None
    return None


def _cut(body: Sequence[Part], length: int) -> list[Part]:
    kept: list[Part] = []
    for part in body:
        if length <= 0:
            break
        if isinstance(part, bytes):
            kept.append(part[:length])
            length -= len(part)
        else:
            kept.append(part)
    return kept


class Telling:
    """Tells exactly once how one exchange ended."""

    def __init__(self, on_end: OnEnd | None, armed: Armed) -> None:
        self._on_end = on_end
        self._armed = armed
        if on_end is not None:
            armed.open[self] = None

    def gone(self) -> None:
        """The client reads no further."""
        self.end("abandoned")

    def end(self, how: End) -> None:
        """Tell how it ended, unless that was told before."""
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            self._armed.open.pop(self, None)
            on_end(how)


class Delivery(Telling):
    """One exchange on its way to one client. Each library has its own subclasses."""

    fail: Fail

    def __init__(self, wire: WireRequest, exchange: Exchange, on_end: OnEnd | None, armed: Armed) -> None:
        self._on_end, self._armed = on_end, armed  # as in Telling, whose call would be felt in each request
        if on_end is not None:
            armed.open[self] = None
        self._before, self._body = self.parts(exchange, wire.method)
        self._timeouts = wire.timeouts
        self._left = len(self._before) + len(self._body)
        self._steps: Iterator[bytes | float] | None = None

    def parts(self, exchange: Exchange, method: str) -> tuple[Sequence[Pause | Break], Sequence[Part]]:
        """What is played before the response, and its body."""
        return exchange.before, framed(exchange, method)

    def limit(self, phase: Phase) -> float | None:
        """Seconds of silence that the client puts up with."""
        limit: float | None = getattr(self._timeouts, phase)
        return limit

    def before(self) -> Iterator[bytes | float]:
        """Seconds to be silent before the status line. Raises the library's exception where the exchange breaks or times out."""
        return self._walk(self._before, last=False)

    def body(self) -> Iterator[bytes | float]:
        """Bytes to hand over and seconds to be silent between them; asked again, it goes on where it was. Raises like `before`."""
        if self._steps is None:
            self._steps = self._walk(self._body, last=True)
        return self._steps

    def gone(self) -> None:
        """The client reads no further."""
        if self._on_end is not None:
            self.end("abandoned" if self._left else "delivered")

    def _walk(self, parts: Sequence[Part], *, last: bool) -> Iterator[bytes | float]:
        quiet: dict[Phase, float] = {}
        for part in parts:
            if isinstance(part, bytes):
                self._left -= 1
                if part:
                    quiet.clear()
                    yield part
            elif isinstance(part, Pause):
                yield from self._silence(part, quiet)
                self._left -= 1
            else:
                self.end("broken")
                raise self.fail(part.error, part.message, part.cause)
        if last:
            self.end("delivered")

    def _silence(self, pause: Pause, quiet: dict[Phase, float]) -> Iterator[float]:
        """A client's timer runs on over several pauses without a byte between them."""
        limit = self.limit(pause.phase)
        past = quiet.get(pause.phase, 0.0)
        if limit is not None and past + pause.seconds > limit:
            yield max(0.0, limit - past)
            self.end("timeout")
            raise self.fail(_TIMEOUTS[pause.phase], None, TimeoutError())
        quiet[pause.phase] = past + pause.seconds
        while pause.seconds == math.inf:
            yield FOREVER
        yield pause.seconds
