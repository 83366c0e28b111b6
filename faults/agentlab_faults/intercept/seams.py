"""The seams: the real transports' own methods, wrapped where they are defined.

A transport of the user's that wraps or subclasses a real one reaches the seam once for each attempt. Whether a request is a mock's is seen
from what lies below the seam, never from types: respx and vcrpy replace methods of httpcore's pools, others the transport's method itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.intercept.arming import Armed, OnEnd, current
from agentlab_faults.intercept.endpoints import classify, is_loopback
from agentlab_faults.intercept.library import Library

__all__ = ["Seam", "seams_of"]

Method = Callable[..., Any]
Wrap = Callable[[Library, Method, bool], Method]


class Seam:
    """One method of one class, and our wrapper round it."""

    def __init__(self, library: Library, owner: type, name: str, *, mock: bool) -> None:
        self.place = f"{library.name}.{owner.__name__}.{name}"
        self._owner = owner
        self._name = name
        self._original: Method = owner.__dict__[name]
        self._mock = mock
        self._wrap = functools.partial(_async_seam if name == "handle_async_request" else _sync_seam, library)
        self._ours = self._put(self._original, mocked=mock or not _belongs_to(self._original, library.name))
        self._over: tuple[Method, Method] | None = None

    @property
    def lost(self) -> bool:
        """Somebody's patch of the method was undone over ours."""
        return self._now is self._original

    def mend(self) -> None:
        """Put the wrapper back if it was lost."""
        if self.lost:
            setattr(self._owner, self._name, self._ours)

    def cover(self) -> None:
        """Go over a patch that somebody has put over ours."""
        if self._now is not self._ours:
            under = self._now
            self._over = (self._put(under, mocked=True), under)

    def uncover(self) -> None:
        """Undo `cover`, unless that patch is gone."""
        if self._over is not None and self._now is self._over[0]:
            setattr(self._owner, self._name, self._over[1])
        self._over = None

    @property
    def _now(self) -> Method:
        method: Method = self._owner.__dict__[self._name]
        return method

    def _put(self, below: Method, *, mocked: bool) -> Method:
        wrapper = self._wrap(below, mocked)
        setattr(self._owner, self._name, wrapper)
        return wrapper


def seams_of(module: ModuleType) -> list[Seam]:
    """Put seams into `httpx2` or `httpx` and return them."""
    library = Library(module)
    owners: Any = module
    return [
        Seam(library, owners.HTTPTransport, "handle_request", mock=False),
        Seam(library, owners.AsyncHTTPTransport, "handle_async_request", mock=False),
        Seam(library, owners.MockTransport, "handle_request", mock=True),
        Seam(library, owners.MockTransport, "handle_async_request", mock=True),
    ]


def _sync_seam(library: Library, below: Method, mocked: bool) -> Method:
    @functools.wraps(below)
    def handle_request(self: Any, request: Any) -> Any:
        armed = current.armed
        if armed is None or _left_to_mock(armed, self, request, mocked):
            return below(self, request)
        request.read()
        wire = library.wire(request, sync=True)
        answer = _ask(armed, wire)
        if answer is None:
            return below(self, request)
        return library.answer(wire, *answer, armed)

    return handle_request


def _async_seam(library: Library, below: Method, mocked: bool) -> Method:
    @functools.wraps(below)
    async def handle_async_request(self: Any, request: Any) -> Any:
        armed = current.armed
        if armed is None or _left_to_mock(armed, self, request, mocked):
            return await below(self, request)
        await request.aread()
        wire = library.wire(request, sync=False)
        answer = _ask(armed, wire)
        if answer is None:
            return await below(self, request)
        return await library.answer_async(wire, *answer, armed)

    return handle_async_request


def _ask(armed: Armed, wire: WireRequest) -> tuple[Exchange, OnEnd | None] | None:
    if is_loopback(wire.host) and classify(wire) is None:
        return None
    return armed.handler(wire)


def _left_to_mock(armed: Armed, transport: Any, request: Any, mocked: bool) -> bool:
    if armed.mocks != "win" or not (mocked or _pool_is_mocked(transport)):
        return False
    armed.watch.mocked.append(f"{request.method} {request.url}")
    return True


def _pool_is_mocked(transport: Any) -> bool:
    pool = type(getattr(transport, "_pool", None))
    method = getattr(pool, "handle_async_request", None) or getattr(pool, "handle_request", None)
    return method is not None and not _belongs_to(method, "httpcore")


def _belongs_to(method: Any, package: str) -> bool:
    return str(getattr(method, "__module__", "")).startswith(package)
