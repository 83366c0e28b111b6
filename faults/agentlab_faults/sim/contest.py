"""What greenlets compete for: locks and queues, blocked for in virtual time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from greenlet import greenlet

from agentlab_faults.sim.waiter import Waiter

if TYPE_CHECKING:
    from agentlab_faults.sim.hub import Hub

__all__ = ["Contest"]


class Contest:
    """Who has what and who waits for what, in one simulation. Things are known by their id, as locks cannot all be hashed."""

    def __init__(self, hub: Hub) -> None:
        self.held: set[int] = set()
        """Plain locks that greenlets of this simulation hold."""
        self.owners: dict[int, tuple[greenlet, int]] = {}
        """Reentrant locks that greenlets of this simulation hold: by whom, and how many times."""
        self.waiting: dict[int, deque[Waiter]] = {}
        """Who waits for each thing, in the order of their coming."""
        self._hub = hub

    def compete(self, thing: object, attempt: Callable[[], bool], timeout: float) -> bool:
        """Block the calling greenlet until `attempt` succeeds, which is tried whenever `thing` is relieved.

        False after virtual `timeout` seconds; -1 waits for ever.
        """
        if attempt():
            return True
        waiter, deadline = Waiter(), None if timeout < 0 else self._hub.clock.after(timeout)
        queue = self.waiting.setdefault(id(thing), deque())
        try:
            while True:
                queue.append(waiter)
                if not self._hub.wait(waiter, deadline):
                    return attempt()
                if attempt():
                    return True
        finally:
            if waiter in queue:
                queue.remove(waiter)
            if not queue:
                self.waiting.pop(id(thing), None)

    def relieve(self, thing: object) -> None:
        """Let the first who waits for `thing` try again; from any thread."""
        queue = self.waiting.get(id(thing))
        if queue:
            with suppress(IndexError):  # another thread was faster
                self._hub.wake(queue.popleft())
