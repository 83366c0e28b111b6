"""Asking the handler for one request, wherever its seam is; and the way round it through a mock's back.

A mock of a high place (aiohttp's `ClientSession._request`, requests' `HTTPAdapter.send`) sees no wire. Where faults go over mocks, the
library's own method runs first, down to its seam: there the handler is asked with the request as the wire would carry it. If it has nothing
to say, `LeftToMock` unwinds the library's own code, and the mock answers as if nothing had been.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.intercept.arming import Armed, OnEnd
from agentlab_faults.intercept.endpoints import classify, is_loopback

__all__ = ["LeftToMock", "OverMock", "ask", "over_a_mock"]


class LeftToMock(BaseException):
    """The handler leaves this request to the mock. No agent sees it, and no `except Exception` may stop it."""


@dataclass(slots=True)
class OverMock:
    """One call that a mock would answer."""

    asked: bool = False
    """The call came to the wire, so that what it raised is the handler's exchange."""


_over: ContextVar[OverMock | None] = ContextVar("agentlab_over_mock", default=None)


@contextlib.contextmanager
def over_a_mock() -> Iterator[OverMock]:
    """Requests of this task or thread are made over a mock while the block lasts."""
    call = OverMock()
    token = _over.set(call)
    try:
        yield call
    finally:
        _over.reset(token)


def ask(armed: Armed, wire: WireRequest) -> tuple[Exchange, OnEnd | None] | None:
    """The handler's exchange; None to let the request go on. Ordinary services on loopback are nobody's business.

    Raises LeftToMock where a mock is to answer.
    """
    over = _over.get()
    if over is not None:
        over.asked = True
    answer = None if is_loopback(wire.host) and classify(wire) is None else armed.handler(wire)
    if answer is None and over is not None:
        raise LeftToMock
    return answer
