"""Putting the seams in once, and arming them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Final

from agentlab_faults.intercept.arming import Armed, Handler, Mocks, Watch, current
from agentlab_faults.intercept.importing import after_import
from agentlab_faults.intercept.native import python_only
from agentlab_faults.intercept.tls import memoise_core, memoise_ssl
from agentlab_faults.intercept.traces import keep_traces

if TYPE_CHECKING:
    from agentlab_faults.intercept.seam import Place

__all__ = ["armed", "install"]


def _httpx(module: ModuleType) -> list[Place]:
    from agentlab_faults.intercept.httpx_seams import httpx_seams  # noqa: PLC0415 - brings asyncio: not before a library is there

    return httpx_seams(module)


def _aiohttp(module: ModuleType) -> list[Place]:
    from agentlab_faults.intercept.aiohttp_seams import aiohttp_seams  # noqa: PLC0415 - the same

    return aiohttp_seams(module)


def _urllib3(module: ModuleType) -> list[Place]:
    from agentlab_faults.intercept.urllib3_seams import urllib3_seams  # noqa: PLC0415 - the same

    return urllib3_seams(module)


def _requests(module: ModuleType) -> list[Place]:
    from agentlab_faults.intercept.urllib3_seams import requests_seams  # noqa: PLC0415 - the same

    return requests_seams(module)


def _requests_mock(module: ModuleType) -> list[Place]:
    from agentlab_faults.intercept.urllib3_seams import requests_mock_seams  # noqa: PLC0415 - the same

    return requests_mock_seams(module)


_LIBRARIES: Final[dict[str, tuple[str, Callable[[ModuleType], list[Place]]]]] = {
    "httpx2": ("HTTPTransport", _httpx),
    "httpx": ("HTTPTransport", _httpx),
    "aiohttp": ("TCPConnector", _aiohttp),
    "urllib3": ("HTTPConnectionPool", _urllib3),
    "requests": ("Session", _requests),
    "requests_mock.adapter": ("Adapter", _requests_mock),
}
"""For each library a class that tells one copy of it from another, and what puts the seams in."""


@cache
def install() -> None:
    """Put the seams in: now for the libraries that are loaded, later for those that are not. Imports no library itself.

    Best called before any mock library starts, so that mocks go over the seams and not under them.
    """
    libraries = {name: partial(_seamed.add, name=name) for name in _LIBRARIES}
    after_import({**libraries, "httpcore2": memoise_core, "ssl": memoise_ssl, "agents.tracing.processors": keep_traces})


@contextmanager
def armed(handler: Handler, *, mocks: Mocks = "win", allow_hosts: frozenset[str] = frozenset(), memoise: bool = True) -> Iterator[Watch]:
    """Let `handler` answer every request of the process while the block runs; a block within a block hides the outer one.

    `allow_hosts`: hosts whose connections the guard lets through. `memoise`: share TLS contexts (not where real traffic is wanted).
    A seam that somebody's patch threw away is put back on entry; one that is lost during the block is reported in `Watch.escaped`.
    """
    from agentlab_faults.intercept.guard import stand_guard  # noqa: PLC0415 - a process that never arms pays for no guard

    install()
    stand_guard()
    _seamed.ready(cover=mocks != "win")
    block, outer = Armed(handler, mocks, frozenset(host.lower() for host in allow_hosts), memoise), current.armed
    current.armed = block
    try:
        with python_only():
            yield block.watch
    finally:
        current.armed = outer
        _seamed.check(block.watch)
        for exchange in list(block.open):
            exchange.gone()


class _Seamed:
    """The seams of the libraries that have been imported. `httpx` may *be* `httpx2` (`httpx2.alias_httpx`)."""

    def __init__(self) -> None:
        self._libraries: dict[object, list[Place]] = {}

    def add(self, module: ModuleType, name: str) -> None:
        identity, seams_of = _LIBRARIES[name]
        copy = getattr(module, identity, None)
        if copy is not None and copy not in self._libraries:
            self._libraries[copy] = seams_of(module)

    def ready(self, *, cover: bool) -> None:
        for name in _LIBRARIES:  # once more: a finder that came before ours may have imported one
            if (module := sys.modules.get(name)) is not None:
                self.add(module, name)
        for seam in self._all():
            seam.mend()
            if cover:
                seam.cover()

    def check(self, watch: Watch) -> None:
        for seam in self._all():
            seam.uncover()
            if seam.lost:
                watch.escaped.append(f"seam {seam.place} was undone by somebody's patch")
                seam.mend()

    def _all(self) -> Iterator[Place]:
        for seams in self._libraries.values():
            yield from seams


_seamed = _Seamed()
