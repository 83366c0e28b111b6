"""Which simulation is active, and on which thread. At most one per process: the clocks that are patched are the process' own."""

from __future__ import annotations

import math
from asyncio import events
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from agentlab_faults.sim import real

if TYPE_CHECKING:
    from agentlab_faults.sim.hub import Hub

__all__ = ["LAB", "Lab", "hub_here", "is_leftover", "standing_still"]


class Lab:
    """The place of the active simulation's hub; the lab's thread is the one that entered the simulation."""

    __slots__ = ("hub", "thread")

    def __init__(self) -> None:
        self.hub: Hub | None = None
        self.thread = 0

    def enter(self, hub: Hub) -> None:
        """The caller's thread becomes the lab's."""
        self.thread = real.get_ident()
        self.hub = hub

    def leave(self) -> None:
        """Time is real again."""
        self.hub = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Real time for a moment, for what has to be done for real."""
        hub, self.hub = self.hub, None
        try:
            yield
        finally:
            self.hub = hub


LAB: Final = Lab()


def hub_here() -> Hub | None:
    """The active hub if the caller runs on the lab's thread; None for every other thread, which keeps real time."""
    hub = LAB.hub
    if hub is None or real.get_ident() != LAB.thread:
        return None
    return hub


def is_leftover() -> bool:
    """True on a real thread that an earlier run started and that has outlived it: what it does is no part of the active one."""
    hub = LAB.hub
    return hub is not None and hub.foreign.is_leftover()


@contextmanager
def standing_still(patience: float = math.inf) -> Iterator[None]:
    """Keep the clock from moving while the running loop waits for its real descriptors: a real server's answer takes no virtual time.

    After real `patience` seconds it moves again; at once if code in the simulation listens itself, on which the answer may hang.
    """
    hub, running = hub_here(), events._get_running_loop()
    loop = None if hub is None else next((loop for loop in hub.loops if loop is running), None)
    if loop is None:
        yield
        return
    until = real.monotonic() + patience
    loop.answers_due.append(until)
    try:
        yield
    finally:
        loop.answers_due.remove(until)
