"""The seam of aiohttp: where a connector opens a connection, it gets one to the lab instead of one to the network.

While armed no connection is used twice, so that every request passes here: those of google-genai's and litellm's async clients, and of the
aiohttp clients of openai and anthropic, too. Mocks (aioresponses, vcrpy) replace `ClientSession._request`, which lies far above.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import itertools
import math
import socket
import ssl
import weakref
from types import ModuleType, TracebackType
from typing import Any, Final

from agentlab_faults.exchange import Break, Exchange, Pause, Timeouts, WireRequest
from agentlab_faults.intercept.aiohttp_line import Line, protocol_class
from agentlab_faults.intercept.arming import Armed, OnEnd, current
from agentlab_faults.intercept.asking import LeftToMock, ask, over_a_mock
from agentlab_faults.intercept.headers import RawHeaders
from agentlab_faults.intercept.http1 import connecting, on_the_wire
from agentlab_faults.intercept.passing import Passage
from agentlab_faults.intercept.playing import FOREVER, Telling
from agentlab_faults.intercept.seam import Cover, Door, Method, Place, Seam, bound

__all__ = ["aiohttp_seams"]

_DOORS: Final = ("__init__", "request", "get", "options", "head", "post", "put", "patch", "delete")
"""Of a session. `aiohttp.request` makes one for each request."""


def aiohttp_seams(module: ModuleType) -> list[Place]:
    """Put the seams into aiohttp 3.12 or later and return them; none into a stand-in or an older one (the guard sees what it sends)."""
    payload = getattr(getattr(module, "payload", None), "Payload", object)
    connector = getattr(module, "TCPConnector", object)
    if "as_bytes" not in vars(payload) or "_create_connection" not in vars(connector):
        return []
    opener = _Opener(module)
    session = vars(module)["ClientSession"]
    cover = Cover("aiohttp", session, "_request", _over_mock)
    return [
        Seam("aiohttp", connector, "_create_connection", opener.seam),
        Seam("aiohttp", vars(module)["ClientResponse"], "start", opener.head_seam),
        Seam("aiohttp", vars(module)["BaseConnector"], "connect", _without_idle_connections),
        cover,
        *(Door("aiohttp", session, name, [cover]) for name in _DOORS if name in vars(session)),
    ]


class _Opener:
    """Opens connections to the lab, and fails to as the network does."""

    def __init__(self, module: Any) -> None:
        self._aiohttp = module
        self._protocol = protocol_class(importlib.import_module("aiohttp.client_proto").ResponseHandler)
        self._passages: weakref.WeakKeyDictionary[Any, Passage] = weakref.WeakKeyDictionary()
        """By connection: requests that go on to real servers."""
        self._ceil_timeout = importlib.import_module("aiohttp.helpers").ceil_timeout

    def seam(self, below: Method, mocked: bool) -> Method:
        """The wrapper of `TCPConnector._create_connection`."""
        del mocked  # no known mock is in this place, and one that is would be passed through

        @functools.wraps(below)
        async def create_connection(connector: Any, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 - aiohttp's signature
            armed = current.armed
            if armed is None:
                return await below(connector, req, traces, timeout)
            wire = await _wire(req, timeout)
            answer = ask(armed, wire)
            if answer is not None:
                return await self._open(req, timeout, *answer, armed)
            passage = Passage(wire)
            with passage.head():
                protocol = await below(connector, req, traces, timeout)
            protocol.force_close()
            self._passages[protocol] = passage
            return protocol

        return create_connection

    def head_seam(self, below: Method, mocked: bool) -> Method:
        """The wrapper of `ClientResponse.start`, which waits for the head."""
        del mocked

        @functools.wraps(below)
        async def start(response: Any, connection: Any) -> Any:
            passage = self._passages.pop(connection.protocol, None) if self._passages else None
            if passage is None:
                return await below(response, connection)
            with passage.head():
                started = await below(response, connection)
            passage.begins(response.headers)
            if hasattr(response.content, "_timer"):
                response.content._timer = _Reading(response.content._timer, passage)
            return started

        return start

    async def _open(self, req: Any, limits: Any, exchange: Exchange, on_end: OnEnd | None, armed: Armed) -> Any:
        loop = asyncio.get_running_loop()
        telling, began = Telling(on_end, armed), loop.time()
        try:
            await self._connect(connecting(exchange), req, limits)
        except TimeoutError:
            telling.end("timeout")
            raise
        except BaseException as error:
            own = _total_is_over(req) or bool(limits.connect and loop.time() - began >= limits.connect)
            telling.end("broken" if isinstance(error, Exception) else "timeout" if own else "abandoned")
            raise
        protocol = self._protocol(loop=loop)
        line = Line(protocol, on_the_wire(exchange, req.method), telling, loop)
        line.expects_continue = req.headers.get("Expect", "").lower() == "100-continue"
        line.timed_out = lambda: protocol.read_timed_out or _total_is_over(req)
        protocol.line = line
        protocol.connection_made(line)
        protocol.force_close()
        return protocol

    async def _connect(self, parts: tuple[Pause | Break, ...], req: Any, limits: Any) -> None:
        """Wait for a place in the pool, then for the socket. A wait for ever ends at aiohttp's own timeout, or never."""
        if not parts:
            return
        queued = [part for part in parts if isinstance(part, Pause) and part.phase == "pool"]
        for pause in queued:
            await _sleep(pause.seconds)
        async with self._ceil_timeout(limits.sock_connect, limits.ceil_threshold):
            for part in parts:
                if isinstance(part, Break):
                    raise self._refusal(part, req)
                if part.phase == "connect":
                    await _sleep(part.seconds)

    def _refusal(self, broken: Break, req: Any) -> Exception:
        """aiohttp's exception for a connection that does not come about."""
        key, cause = req.connection_key, broken.cause
        if broken.error in {"ConnectTimeout", "PoolTimeout"}:
            return TimeoutError()
        if broken.error == "ProxyError":
            status, _, reason = broken.message.partition(" ")
            code = int(status) if status.isdigit() else 502
            return self._made("ClientHttpProxyError", req.request_info, (), None, status=code, message=reason or broken.message)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return self._made("ClientConnectorCertificateError", key, cause, cause)
        if isinstance(cause, ssl.SSLError):
            return self._made("ClientConnectorSSLError", key, cause, cause)
        if isinstance(cause, socket.gaierror):
            return self._made("ClientConnectorDNSError", key, cause, cause)
        error = cause if isinstance(cause, OSError) else ConnectionRefusedError(111, broken.message)
        return self._made("ClientConnectorError", key, error, error)

    def _made(self, name: str, about: Any, detail: Any, cause: BaseException | None, **more: Any) -> Exception:
        made: Exception = getattr(self._aiohttp, name)(about, detail, **more)
        made.__cause__ = cause
        return made


class _Reading:
    """What a body enters whenever it waits for its next piece: aiohttp's own timer, and the passage."""

    def __init__(self, timer: Any, passage: Passage) -> None:
        self._timer = timer
        self._passage = passage
        self._held = contextlib.ExitStack()

    def __enter__(self) -> None:
        self._held.enter_context(self._passage.read())
        self._held.enter_context(self._timer)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        return self._held.__exit__(kind, error, trace)

    def assert_timeout(self) -> None:
        self._timer.assert_timeout()


def _total_is_over(req: Any) -> bool:
    """Whether aiohttp's `total`, which cancels a request from above, has fired."""
    return bool(getattr(getattr(req, "_timer", None), "_cancelled", False))


async def _sleep(seconds: float) -> None:
    for step in itertools.repeat(FOREVER) if seconds == math.inf else (seconds,):
        await asyncio.sleep(step)


async def _wire(req: Any, limits: Any) -> WireRequest:
    """The request as data, without user and password of its URL."""
    url = req.url.with_user(None)
    body = await req.body.as_bytes() if req.body else b""
    total = limits.total
    return WireRequest(
        library="aiohttp",
        method=req.method,
        url=str(url),
        host=url.host or "",
        path=url.raw_path,
        headers=RawHeaders([(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in req.headers.items()]),
        body=body,
        timeouts=Timeouts(
            connect=_shortest(limits.sock_connect, limits.connect, total),
            read=_shortest(limits.sock_read, total),
            write=_shortest(total),
            pool=_shortest(limits.connect, total),
        ),
        sync=False,
    )


def _shortest(*limits: float | None) -> float | None:
    """Seconds of the timeout that fires first; aiohttp takes 0 for none."""
    return min((limit for limit in limits if limit), default=None)


def _without_idle_connections(below: Method, mocked: bool) -> Method:
    """`BaseConnector.connect`: a connection from before the lab was armed would carry a request past the seam."""
    del mocked

    @functools.wraps(below)
    async def connect(connector: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        if current.armed is not None:
            for protocol, _ in connector._conns.pop(req.connection_key, ()):
                protocol.close()
        return await below(connector, req, *args, **kwargs)

    return connect


def _over_mock(own: Method, mock: Method) -> Method:
    @functools.wraps(own)
    async def request(session: Any, *args: Any, **kwargs: Any) -> Any:
        if current.armed is not None:
            with over_a_mock() as call:
                try:
                    return await own(session, *args, **kwargs)
                except LeftToMock:
                    pass
                except Exception:  # before it came to the wire: a host or scheme that only the mock knows
                    if call.asked:
                        raise
        return await bound(mock, session)(*args, **kwargs)

    return request
