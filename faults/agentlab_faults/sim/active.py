"""Which simulation is active, and on which thread. At most one per process: the clocks that are patched are the process' own."""

from __future__ import annotations

from _thread import get_ident
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agentlab_faults.sim.hub import Hub

__all__ = ["LAB", "Lab", "hub_here"]


class Lab:
    """The place of the active simulation's hub; the lab's thread is the one that entered the simulation."""

    __slots__ = ("hub", "thread")

    def __init__(self) -> None:
        self.hub: Hub | None = None
        self.thread = 0

    def enter(self, hub: Hub) -> None:
        """The caller's thread becomes the lab's."""
        self.thread = get_ident()
        self.hub = hub

    def leave(self) -> None:
        """Time is real again."""
        self.hub = None


LAB: Final = Lab()


def hub_here() -> Hub | None:
    """The active hub if the caller runs on the lab's thread; None for every other thread, which keeps real time."""
    hub = LAB.hub
    if hub is None or get_ident() != LAB.thread:
        return None
    return hub
