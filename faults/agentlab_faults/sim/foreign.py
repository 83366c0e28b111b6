"""What reaches a simulation from outside virtual time: wake-ups by real threads, and real file descriptors."""

from __future__ import annotations

import sys
import threading
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agentlab_faults.sim.hub import Hub
    from agentlab_faults.sim.waiter import Waiter

__all__ = ["Foreign"]

_SLICE: Final = 0.02
"""Real seconds of one look at real threads and descriptors; also what real descriptors are given before the clock moves."""
_IDLE_LOOKS: Final = 10
"""Looks in a row that find every real thread blocked, after which none of them is expected to come back."""
_WAITS: Final = frozenset({"threading.py", "queue.py", "selectors.py", "thread.py"})
"""Files of the standard library in which a thread that has nothing to do stands still."""


class Foreign:
    """The hub's side door. `post` may be called by any thread, the rest by the lab's thread only."""

    def __init__(self, hub: Hub) -> None:
        self.pending = False
        self.waiting = False
        """True while the lab's thread waits in real time."""
        self.threads: list[threading.Thread] = []
        """Real threads that the code in the simulation has started."""
        self.descriptors: list[Callable[[float], bool]] = []
        """One per loop that watches real descriptors: waits that many real seconds for one of them, tells if it woke its loop."""
        self._hub = hub
        self._thread = 0
        self._posted: deque[Waiter] = deque()
        self._bell = allocate_lock()
        self._bell.acquire()

    def begin(self) -> None:
        """The caller's thread is the lab's."""
        self._thread = get_ident()

    def is_here(self) -> bool:
        """True on the lab's thread."""
        return get_ident() == self._thread

    def post(self, waiter: Waiter) -> None:
        """A real thread wakes `waiter`."""
        self._posted.append(waiter)
        self.pending = True
        if self._bell.locked():
            self._ring()

    def take(self) -> list[Waiter]:
        """Those who were woken since the last time."""
        self.pending = False
        taken = []
        while self._posted:
            taken.append(self._posted.popleft())
        return taken

    def comes(self, *, idle: bool) -> bool:
        """Look whether anything comes from outside; True if so. If the simulation is `idle`, wait as long as a real thread is at work."""
        if self._look_at_descriptors():
            return True
        if not idle:
            return self.pending
        looks = 0
        while looks < _IDLE_LOOKS and self._alive() and self._hub.ending is None:
            if self._listen(_SLICE) or self._look_at_descriptors():
                return True
            looks = 0 if self._at_work() else looks + 1
        return self.pending

    def _ring(self) -> None:
        try:
            self._bell.release()
        except RuntimeError:  # another thread rang it first
            return

    def _listen(self, seconds: float) -> bool:
        self.waiting = True
        try:
            self._bell.acquire(True, seconds)
        finally:
            self.waiting = False
        return self.pending

    def _look_at_descriptors(self) -> bool:
        return any([look(_SLICE) for look in self.descriptors])

    def _alive(self) -> list[threading.Thread]:
        self.threads = [thread for thread in self.threads if thread.is_alive()]
        return self.threads

    def _at_work(self) -> bool:
        frames = sys._current_frames()
        found = (frames.get(thread.ident or 0) for thread in self._alive())
        return any(frame is not None and frame.f_code.co_filename.rsplit("/", 1)[-1] not in _WAITS for frame in found)
