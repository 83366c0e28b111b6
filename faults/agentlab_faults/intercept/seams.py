"""The seams: the real transports' own methods, wrapped where they are defined.

A transport of the user's that wraps or subclasses a real one reaches the seam once for each attempt. Whether a request is a mock's is seen
from what lies below the seam, never from types: respx and vcrpy replace methods of httpcore's pools, others the transport's method itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.intercept.arming import Armed, OnEnd, current
from agentlab_faults.intercept.endpoints import classify, is_loopback
from agentlab_faults.intercept.library import Library

__all__ = ["Seam", "seams_of"]

Method = Callable[..., Any]
_PLACES: Final = (
    ("HTTPTransport", "handle_request", False),
    ("AsyncHTTPTransport", "handle_async_request", False),
    ("MockTransport", "handle_request", True),
    ("MockTransport", "handle_async_request", True),
)
_CORES: Final = frozenset({"httpcore", "httpcore2"})


class Seam:
    """One method of one class, and our wrapper round it."""

    def __init__(self, library: Library, owner: type, name: str, *, mock: bool) -> None:
        self.place = f"{library.name}.{owner.__name__}.{name}"
        self._library = library
        self._owner = owner
        self._name = name
        self._mock = mock
        self._over: tuple[Method, Method] | None = None
        self._ours = self._put()

    @property
    def lost(self) -> bool:
        """The library's own method is back: a patch that was older than ours was undone over it."""
        return _package(self._now) == self._library.name and not self._reached

    def mend(self) -> None:
        """Put the wrapper back if it was lost."""
        if self.lost:
            self._ours = self._put()

    def cover(self) -> None:
        """Go over a mock that somebody has put over ours."""
        if not self._reached:
            under = self._now
            self._over = (self._put(), under)

    def uncover(self) -> None:
        """Undo `cover`, unless that mock is gone."""
        if self._over is not None and self._now is self._over[0]:
            setattr(self._owner, self._name, self._over[1])
        self._over = None

    @property
    def _now(self) -> Method:
        method: Method = self._owner.__dict__[self._name]
        return method

    @property
    def _reached(self) -> bool:
        """Whether a call still comes to our wrapper, perhaps through wrappers over it (tracing puts such ones in)."""
        method: Method | None = self._now
        while method is not None and method is not self._ours:
            method = getattr(method, "__wrapped__", None)
        return method is not None

    def _put(self) -> Method:
        below = self._now
        wrap = _async_seam if self._name == "handle_async_request" else _sync_seam
        wrapper = wrap(self._library, below, self._mock or _package(below) != self._library.name)
        setattr(self._owner, self._name, wrapper)
        return wrapper


def seams_of(module: ModuleType) -> list[Seam]:
    """Put seams into `httpx2` or `httpx` and return them; none into a stand-in that lacks a method (the guard sees what it sends)."""
    if not all(name in vars(getattr(module, owner, object)) for owner, name, _ in _PLACES):
        return []
    library = Library(module)
    return [Seam(library, getattr(module, owner), name, mock=mock) for owner, name, mock in _PLACES]


def _sync_seam(library: Library, below: Method, mocked: bool) -> Method:
    @functools.wraps(below)
    def handle_request(self: Any, request: Any) -> Any:
        armed = current.armed
        if armed is None or _left_to_mock(armed, request, mocked or _pool_is_mocked(self, "handle_request")):
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
        if armed is None or _left_to_mock(armed, request, mocked or _pool_is_mocked(self, "handle_async_request")):
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


def _left_to_mock(armed: Armed, request: Any, mocked: bool) -> bool:
    if not mocked or armed.mocks != "win":
        return False
    armed.watch.mocked.append(f"{request.method} {request.url.host}{request.url.path}")
    return True


def _pool_is_mocked(transport: Any, name: str) -> bool:
    method = getattr(type(getattr(transport, "_pool", None)), name, None)
    return method is not None and _package(method) not in _CORES


def _package(method: Any) -> str:
    """The top-level package that a function comes from."""
    return str(getattr(method, "__module__", "")).partition(".")[0]
