"""The seams of `httpx2` and `httpx`: the real transports' own methods.

A transport of the user's that wraps or subclasses a real one reaches the seam once for each attempt. Whether a request is a mock's is seen
from what lies below the seam, never from types: respx and vcrpy replace methods of httpcore's pools, others the transport's method itself.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable
from types import ModuleType
from typing import Any, Final

from agentlab_faults.exchange import WireRequest
from agentlab_faults.intercept.arming import Armed, current
from agentlab_faults.intercept.asking import ask
from agentlab_faults.intercept.library import Library
from agentlab_faults.intercept.passing import Passage
from agentlab_faults.intercept.seam import Door, Method, Place, Seam, Wrap, package_of

__all__ = ["httpx_seams"]

_PLACES: Final = (
    ("HTTPTransport", "handle_request", False),
    ("AsyncHTTPTransport", "handle_async_request", False),
    ("MockTransport", "handle_request", True),
    ("MockTransport", "handle_async_request", True),
)
_CORES: Final = frozenset({"httpcore", "httpcore2"})


def httpx_seams(module: ModuleType) -> list[Place]:
    """Put seams into `httpx2` or `httpx` and return them; none into a stand-in that lacks a method (the guard sees what it sends)."""
    if not all(name in vars(getattr(module, owner, object)) for owner, name, _ in _PLACES):
        return []
    library = Library(module)
    wraps: dict[str, Wrap] = {"handle_request": _sync_seam(library), "handle_async_request": _async_seam(library)}
    places: list[Place] = [Seam(library.name, getattr(module, owner), name, wraps[name], mock=mock) for owner, name, mock in _PLACES]
    doors = [Door(library.name, getattr(module, owner), "send", places) for owner in ("Client", "AsyncClient")]
    return [*places, *doors]


def _sync_seam(library: Library) -> Wrap:
    def wrap(below: Method, mocked: bool) -> Method:
        pools = _Pools("handle_request")

        @functools.wraps(below)
        def handle_request(self: Any, request: Any) -> Any:
            armed = current.armed
            if armed is None or ((mocked or pools.mocked(self)) and _left_to_mock(armed, request)):
                return below(self, request)
            try:
                body = request.content
            except library.not_read:
                body = request.read()
            wire = library.wire(request, body, sync=True)
            answer = ask(armed, wire)
            if answer is None:
                return below(self, request)
            return library.answer(wire, *answer, armed)

        return handle_request

    return wrap


def _async_seam(library: Library) -> Wrap:
    def wrap(below: Method, mocked: bool) -> Method:
        pools = _Pools("handle_async_request")

        @functools.wraps(below)
        async def handle_async_request(self: Any, request: Any) -> Any:
            armed = current.armed
            if armed is None:
                return await below(self, request)
            of_mock = mocked or pools.mocked(self)
            if of_mock and _left_to_mock(armed, request):
                return await below(self, request)
            try:
                body = request.content
            except library.not_read:
                body = await request.aread()
            wire = library.wire(request, body, sync=False)
            answer = ask(armed, wire)
            if answer is None:
                return await (below(self, request) if of_mock else _passed(library, wire, below(self, request)))
            exchange, on_end = answer
            played = library.async_body(wire, exchange, on_end, armed)
            if exchange.before:
                await library.wait(played)
            return library.response(exchange, played)

        return handle_async_request

    return wrap


async def _passed(library: Library, wire: WireRequest, answer: Awaitable[Any]) -> Any:
    """A real server's response, which takes no virtual time."""
    passage = Passage(wire)
    with passage.head():
        response = await answer
    passage.begins(response.headers)
    response.stream = library.passed_body(response.stream, passage)
    return response


def _left_to_mock(armed: Armed, request: Any) -> bool:
    if armed.mocks != "win":
        return False
    armed.watch.mocked.append(f"{request.method} {request.url.host}{request.url.path}")
    return True


class _Pools:
    """Whether a transport's pool is a mock's, by one method of it. The library's own is known again when it comes a second time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._own: Method | None = None

    def mocked(self, transport: Any) -> bool:
        method = getattr(type(getattr(transport, "_pool", None)), self._name, None)
        if method is self._own:
            return False
        if method is not None and package_of(method) not in _CORES:
            return True
        self._own = method
        return False
