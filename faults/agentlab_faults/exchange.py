"""What crosses the wire: a request as an agent sent it, and the exchange that is played back to it.

An `Exchange` is data, not behaviour: the seams of each HTTP library (`agentlab_faults.intercept`) turn it into that library's own response,
waits and exceptions. Faults build exchanges; they never touch a library.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, NamedTuple, Self

__all__ = ["Break", "Exchange", "Part", "Pause", "Phase", "Timeouts", "TransportError", "WireRequest", "differs_after"]

Phase = Literal["connect", "read", "pool"]
"""What a client is doing while it waits; each phase has its own timeout in the client."""

TransportError = Literal[
    "ConnectError", "ConnectTimeout", "DecodingError", "PoolTimeout", "ProxyError", "ReadError", "ReadTimeout", "RemoteProtocolError"
]
"""Names of the exceptions that httpx and httpx2 both have."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The client's own timeouts in seconds; None waits for ever."""

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None


class WireRequest(NamedTuple):
    """One HTTP request, as it left the agent. Header names are in lower case.

    >>> url, body, timeouts = "https://api.openai.com/v1/chat/completions", b'{"messages": []}', Timeouts(connect=5.0, read=600.0)
    >>> request = WireRequest("httpx2", "POST", url, "api.openai.com", "/v1/chat/completions", {}, body, timeouts, sync=True)
    >>> request.host, request.timeouts.read
    ('api.openai.com', 600.0)
    """

    library: str
    method: str
    url: str
    host: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    timeouts: Timeouts
    sync: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence for `seconds` of virtual time (`math.inf`: for ever). A client whose timeout for the phase is shorter gives up there."""

    seconds: float
    phase: Phase = "read"


@dataclass(frozen=True, slots=True)
class Break:
    """The connection ends here with `error`; `cause` is the root of the exception's chain of causes (a `gaierror`, an `SSLError` ...)."""

    error: TransportError
    message: str = ""
    cause: BaseException | None = None
    raw: bytes = b""
    """What the peer sent last, against the protocol: aiohttp and urllib3 read it with their own parsers and find the fault themselves."""


Part = bytes | Pause | Break


class Exchange(NamedTuple):
    """An answer in the order in which a client meets it: `before` the status line, then status and headers, then the `body`'s parts.

    >>> cut = Exchange(200, (("content-type", "application/json"),), (b'{"cho', Pause(5.0), Break("ReadError", "reset")))
    >>> cut.intact, cut.seconds, cut.content
    (False, 5.0, b'{"cho')
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[Part, ...] = ()
    before: tuple[Pause | Break, ...] = ()

    @property
    def content(self) -> bytes:
        """The body's bytes, pauses and breaks left out."""
        return b"".join(part for part in self.body if isinstance(part, bytes))

    @property
    def intact(self) -> bool:
        """True if nothing breaks the connection on the way."""
        return not any(isinstance(part, Break) for part in (*self.before, *self.body))

    @property
    def seconds(self) -> float:
        """Virtual time until the last byte, if the client waits for it."""
        return sum(part.seconds for part in (*self.before, *self.body) if isinstance(part, Pause))

    def after(self, *parts: Pause | Break) -> Self:
        """The same exchange with `parts` put before everything else."""
        return self._replace(before=(*parts, *self.before))


def differs_after(exchange: Exchange, other: Exchange) -> float:
    """Virtual seconds until a client that reads as fast as it can could tell the two apart; `math.inf` if it never could."""
    for mine, theirs in zip_longest(_met(exchange), _met(other)):
        if mine != theirs:
            return min(met[0] for met in (mine, theirs) if met is not None)
    return math.inf


def _met(exchange: Exchange) -> Iterator[tuple[float, object]]:
    """What a client meets, and after how many virtual seconds: the head, each part of the body, breaks, and the end."""
    seconds = 0.0
    for part in exchange.before:
        seconds += part.seconds if isinstance(part, Pause) else 0.0
        if isinstance(part, Break):
            yield seconds, (part.error, part.message)
    yield seconds, (exchange.status, exchange.headers)
    for body in exchange.body:
        if isinstance(body, Pause):
            seconds += body.seconds
        else:
            yield seconds, body if isinstance(body, bytes) else (body.error, body.message)
    yield seconds, "end"
