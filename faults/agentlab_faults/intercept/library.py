"""`httpx2` and `httpx`: a request of theirs as a `WireRequest`, an exchange as their response, waits and exceptions."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from http import HTTPStatus
from types import ModuleType
from typing import Any, Final, Self

from agentlab_faults.exchange import Exchange, Timeouts, TransportError, WireRequest
from agentlab_faults.intercept.arming import Armed, OnEnd
from agentlab_faults.intercept.headers import RawHeaders
from agentlab_faults.intercept.passing import Passage
from agentlab_faults.intercept.playing import Delivery

__all__ = ["Library"]

_REASONS: Final = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_NO_TIMEOUTS: Final[dict[str, float | None]] = {}
_made: Final = tuple.__new__  # what a NamedTuple's own constructor calls, without the call between


class Library:
    """One of the two libraries. They are unrelated modules with the same names in them; everything is built from the caller's own."""

    def __init__(self, module: ModuleType) -> None:
        self.name = module.__name__
        self._module: Any = module
        self._core = "httpcore2" if self.name == "httpx2" else "httpcore"
        self.not_read: type[Exception] = self._module.RequestNotRead
        """What a request raises whose body is still to be read."""
        self._sync_body: type[_SyncBody] = type("SyncBody", (_SyncBody, self._module.SyncByteStream), {"fail": self._fail_sync})
        self.async_body: type[_AsyncBody] = type("AsyncBody", (_AsyncBody, self._module.AsyncByteStream), {"fail": self._fail_async})
        self.passed_body: type[_PassedBody] = type("PassedBody", (_PassedBody, self._module.AsyncByteStream), {})
        """A real server's body, on its way to an async client."""

    def wire(self, request: Any, body: bytes, *, sync: bool) -> WireRequest:
        """The request as data, without user and password of its URL."""
        url = request.url
        address, host, path = _target(url.scheme, url.raw_host, url.port, url.raw_path)
        limit = request.extensions.get("timeout", _NO_TIMEOUTS).get
        timeouts = _timeouts(limit("connect"), limit("read"), limit("write"), limit("pool"))
        return _made(WireRequest, (self.name, request.method, address, host, path, RawHeaders(request.headers.raw), body, timeouts, sync))

    def answer(self, wire: WireRequest, exchange: Exchange, on_end: OnEnd | None, armed: Armed) -> Any:
        """Play the exchange to a sync client. Returns the library's response; raises its exceptions."""
        body = self._sync_body(wire, exchange, on_end, armed)
        if exchange.before:
            try:
                for step in body.before():
                    if not isinstance(step, bytes):
                        time.sleep(step)
            except BaseException:
                body.end("abandoned")
                raise
        return self.response(exchange, body)

    @staticmethod
    async def wait(body: _AsyncBody) -> None:
        """What an async client waits for before the status line. Raises the library's exceptions."""
        try:
            for step in body.before():
                if not isinstance(step, bytes):
                    await asyncio.sleep(step)
        except BaseException:
            body.end("abandoned")
            raise

    def response(self, exchange: Exchange, stream: Any) -> Any:
        """The library's response, whose body is `stream`."""
        extensions = {"http_version": b"HTTP/1.1", "reason_phrase": _REASONS.get(exchange.status, b"")}
        return self._module.Response(exchange.status, headers=exchange.headers, stream=stream, extensions=extensions)

    def _fail_sync(self, error: TransportError, message: str | None, cause: BaseException | None) -> Exception:
        return self.failure(error, "timed out" if message is None else message, cause)

    def _fail_async(self, error: TransportError, message: str | None, cause: BaseException | None) -> Exception:
        return self.failure(error, message or "", cause)

    def failure(self, error: TransportError, message: str, cause: BaseException | None) -> Exception:
        """The library's exception, caused by its core's of the same name, caused by `cause`, as the real chain is."""
        made: Exception = getattr(self._module, error)(message)
        core = getattr(importlib.import_module(self._core), error, None)
        if core is None:
            made.__cause__ = cause
            return made
        below: Exception = core(message)
        below.__cause__ = cause
        made.__cause__ = below
        return made


@lru_cache(maxsize=1024)
def _target(scheme: str, raw_host: bytes, port: int | None, raw_path: bytes) -> tuple[str, str, str]:
    """The URL, its host and its path. Agents ask the same few again and again."""
    host, target = raw_host.decode("ascii"), raw_path.decode("ascii")
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port is not None else "")
    return f"{scheme}://{place}{target}", host, target.partition("?")[0]


@lru_cache(maxsize=256)
def _timeouts(connect: float | None, read: float | None, write: float | None, pool: float | None) -> Timeouts:
    return Timeouts(connect, read, write, pool)


class _PassedBody:
    def __init__(self, body: Any, passage: Passage) -> None:
        self._body = body
        self._passage = passage

    def __aiter__(self) -> _PassedParts:
        return _PassedParts(aiter(self._body), self._passage)

    async def aclose(self) -> None:
        await self._body.aclose()


class _PassedParts:
    def __init__(self, parts: AsyncIterator[bytes], passage: Passage) -> None:
        self._parts = parts
        self._passage = passage

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        with self._passage.read():
            part = await anext(self._parts)
        self._passage.took(part)
        return part


class _SyncBody(Delivery):
    def __iter__(self) -> Iterator[bytes]:
        try:
            for step in self.body():
                if isinstance(step, bytes):
                    yield step
                else:
                    time.sleep(step)
        except BaseException:
            self.gone()
            raise

    def close(self) -> None:
        self.gone()


class _AsyncBody(Delivery):
    """An iterator, not an async generator: an agent that leaves the loop early must not leave a generator for the loop to clean up."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            self.end("delivered")
            raise StopAsyncIteration
        if self._left == 1 and self._steps is None and isinstance(only := self._body[0], bytes) and only:
            self._left = 0  # the whole body is one piece, as most are: no generator for it
            return only
        try:
            for step in self.body():
                if isinstance(step, bytes):
                    return step
                await asyncio.sleep(step)
        except BaseException:
            self.gone()
            raise
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.gone()
