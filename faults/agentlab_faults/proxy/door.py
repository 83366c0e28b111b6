"""Faults that strike connections before there is a request: a port that refuses, and handshakes that fail.

A kernel refuses connections, not requests, and a certificate is shown before anybody knows what will be asked. So these faults take their
turn before the first connection and after each answered call, and meet the connection that comes next.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import socket
from typing import Final

from agentlab_faults.fault import Fault
from agentlab_faults.proxy.certificates import FLAWS, Certificates, Flaw
from agentlab_faults.proxy.conduct import Blow, Entry
from agentlab_faults.proxy.handshake import Greeting
from agentlab_faults.proxy.plan import at_the_door
from agentlab_faults.proxy.refusals import kernel_refusals
from agentlab_faults.proxy.scopes import Scope, Scopes
from agentlab_faults.proxy.server import Server

__all__ = ["Door"]

_LOOK: Final = 0.02
"""Seconds between two looks at the kernel's counter."""
SHUT: Final = 1.0
"""Seconds for which the port stays shut once somebody may have been refused: an SDK's second retry comes later."""
_LONGEST: Final = 120.0
"""Seconds for which a port is shut at most, when nobody comes."""


class Door:
    """Meets the connections of one server. Its faults are those of the unnamed scope: a connection does not say whose it is."""

    def __init__(self, scopes: Scopes, server: Server, certificates: Certificates | None) -> None:
        self._scopes, self._server, self._certificates = scopes, server, certificates
        self._next: Fault | None = None
        """What meets the next handshake."""
        self._shut: asyncio.Task[None] | None = None
        self._held: socket.socket | None = None
        """Holds the port while it is shut."""
        self._flaws = itertools.cycle(FLAWS)
        self._count = 0
        self._closed = False

    @property
    def _scope(self) -> Scope:
        return self._scopes.of("")

    def turn(self) -> None:
        """Let the fault whose turn it is take its place. To be called at the start, and after each answered call."""
        busy = self._closed or self._next is not None or (self._shut is not None and not self._shut.done())
        if busy or (fault := self._scope.dealer.at_door()) is None:
            return
        if at_the_door(fault) == "refuse":
            before = kernel_refusals()
            self._held = self._server.shut()  # at once: an app that has its answer may be back soon
            self._shut = asyncio.get_running_loop().create_task(self._refuse(fault, before))
        else:
            self._next = fault

    def switched(self) -> None:
        """There is another plan."""
        self._next = None
        if self._shut is None or self._shut.done():
            self.turn()
        else:
            self._shut.add_done_callback(lambda _: self._opening())
            self._shut.cancel()

    def _opening(self) -> None:
        if self._closed:
            return
        self._shut = asyncio.get_running_loop().create_task(self._open())
        self._shut.add_done_callback(lambda _: self.turn())

    async def _open(self) -> None:
        """Open the port again, if it is shut."""
        held, self._held = self._held, None
        await self._server.reopen(held)

    async def _refuse(self, fault: Fault, before: int | None) -> None:
        """Shut the port until somebody has been refused."""
        self._note(f"{fault.row.id}: the port is shut until {SHUT:g} s after the next connection")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        blow: Blow | None = None
        try:
            while self._nobody_came(before) and loop.time() < begun + _LONGEST:  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(_LOOK)
            blow = self._struck(fault, "the kernel refuses connections", known=False)
            await asyncio.sleep(SHUT)
        finally:
            await self._open()
            if blow is not None:
                self._over(blow, f"the port was shut for {loop.time() - begun:.2f} s", accepted=False)

    def _nobody_came(self, before: int | None) -> bool:
        """Whether the kernel has refused nobody on this machine since then; where it does not tell, somebody may have come."""
        return before is not None and kernel_refusals() == before and not self._scopes.paused

    def greet(self) -> Greeting:
        """How the next connection is met."""
        assert self._certificates is not None  # noqa: S101 - a server without TLS greets nobody
        fault, self._next = self._next or self._scope.dealer.at_every_door(), None
        match at_the_door(fault) if fault is not None else None:
            case "untrusted" if fault is not None:
                flaw: Flaw = next(self._flaws)
                blow = self._struck(fault, f"shown a certificate that {flaw}")
                return Greeting(self._certificates.flawed(flaw), met=functools.partial(self._met, blow))
            case "cut" | "silent" as how if fault is not None:
                blow = self._struck(fault, "reset in the handshake" if how == "cut" else "no answer to the handshake")
                return Greeting(None, cut=how == "cut", met=functools.partial(self._met, blow))
        return Greeting(self._certificates.good)

    def _met(self, blow: Blow, saw: str, accepted: bool) -> None:
        self._over(blow, saw, accepted=accepted)

    def _struck(self, fault: Fault, how: str, *, known: bool = True) -> Blow:
        self._count += 1
        blow, entry = self._scope.conduct.met(self._scopes.now(), fault.row.id, self._count, how, known=known)
        self._scopes.say(entry)
        return blow

    def _note(self, text: str) -> None:
        self._scopes.say(Entry(self._scopes.now(), "", "note", "connection", text))

    def _over(self, blow: Blow, saw: str, *, accepted: bool) -> None:
        self._scopes.say(self._scope.conduct.took(self._scopes.now(), blow, saw, accepted=accepted))

    async def close(self) -> None:
        """Stop shutting it."""
        self._closed = True
        if self._shut is not None:
            self._shut.cancel()
            await asyncio.wait([self._shut])
            await self._open()
