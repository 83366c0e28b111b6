"""What the server does with a request: its own API, or the scope's provider, with the log told on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol

from agentlab_faults.exchange import Break, Exchange
from agentlab_faults.intercept.arming import End
from agentlab_faults.proxy.channel import Channel
from agentlab_faults.proxy.control import PREFIX, Control
from agentlab_faults.proxy.door import Door
from agentlab_faults.proxy.playing import Answering, break_kind
from agentlab_faults.proxy.reading import Arrived
from agentlab_faults.proxy.scopes import HEADER, Scope, Scopes
from agentlab_faults.proxy.server import Server
from agentlab_faults.scrub import Scrubber

__all__ = ["REFUSES", "Backend", "Front", "refuses"]

REFUSES: Final = 2.0
"""Seconds for which the listening socket is closed when a refused connection is to be shown: an SDK's first retry falls into them."""


class Backend(Protocol):
    """Who answers model calls: a script, a provider behind the server, or a cassette."""

    async def answer(self, scope: Scope, arrived: Arrived, channel: Channel) -> Answering:
        """The answer to play. `channel` tells whether the client is still there."""
        ...


class Front:
    """The application of a `Server`."""

    def __init__(self, scopes: Scopes, backend: Backend, scrubber: Scrubber | None = None) -> None:
        self.scopes = scopes
        self._backend = backend
        self._scrubber = scrubber or Scrubber()
        self._control = Control(scopes)
        self.server: Server | None = None
        """Whose listening socket a refused connection closes."""
        self.door: Door | None = None
        """Strikes connections."""

    async def __call__(self, arrived: Arrived, channel: Channel) -> Answering:
        """The answer to one request."""
        if arrived.wire.path.startswith(PREFIX):
            return Answering(self._control.answer(arrived))
        self._scrubber.learn_headers(arrived.wire.headers)
        self._scrubber.query(arrived.target.partition("?")[2])
        scope = self.scopes.of(arrived.wire.headers.get(HEADER, ""))
        scope.open += 1
        try:
            answering = await self._backend.answer(scope, arrived, channel)
        except BaseException:
            scope.open -= 1
            raise
        finally:
            self.scopes.attend(scope)
        closes = not scope.name and scope.dealer.at_doors
        return replace(answering, on_end=self._told(scope, answering), closes=closes)

    def _told(self, scope: Scope, answering: Answering) -> _Ended:
        return _Ended(self, scope, answering)

    def ended(self, scope: Scope, exchange: Exchange, end: End) -> None:
        """The exchange is over: what is to be refused from now on, and what there is to say."""
        scope.open -= 1
        self.scopes.attend(scope)
        if end == "broken" and not scope.name and self.server is not None and refuses(exchange):
            self.server.refuse(REFUSES)
        if end == "delivered" and not scope.name and self.door is not None and exchange.status < 400:
            self.door.turn()


class _Ended:
    """Tells the provider first, then the front."""

    def __init__(self, front: Front, scope: Scope, answering: Answering) -> None:
        self._front, self._scope, self._answering = front, scope, answering

    def __call__(self, end: End) -> None:
        if self._answering.on_end is not None:
            self._answering.on_end(end)
        self._front.ended(self._scope, self._answering.exchange, end)


def refuses(exchange: Exchange) -> bool:
    """Whether it shows a connection that is refused."""
    return any(isinstance(part, Break) and break_kind(part) == "refuse" for part in exchange.before)
