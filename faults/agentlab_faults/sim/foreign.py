"""What reaches a simulation from outside virtual time: wake-ups by real threads, and real file descriptors."""

from __future__ import annotations

import itertools
import sys
import threading
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakKeyDictionary

from agentlab_faults.sim import real
from agentlab_faults.sim.waiter import Waiter

if TYPE_CHECKING:
    from agentlab_faults.sim.hub import Hub

__all__ = ["Descriptors", "Foreign", "inherit", "stands_still"]

_SLICE: Final = 0.02
"""Real seconds of one look at real threads and descriptors; also what real descriptors are given before the clock moves."""
_SHORTEST: Final = 0.0001
"""Real seconds of the first look at a lock that a real thread holds: most are held for less."""
_IDLE_LOOKS: Final = 10
"""Looks in a row that find every real thread blocked, after which none of them is expected to come back."""
_DESCRIPTOR_LOOKS: Final = 100
"""The same while a loop watches real descriptors: whoever is behind them needs its real time."""
_WAITS: Final = frozenset({"threading.py", "queue.py", "thread.py"})
"""Files of the standard library in which a thread that has nothing to do stands still."""
_OLD_WAITS: Final = _WAITS | {"selectors.py"}
"""The same for threads that this simulation has not given anything to do: an event loop may stand in its selector for ever."""
_HERE: Final = __file__.rsplit("/", 1)[0]
_SLEEPS: Final = f"{_HERE}/timepatch.py"
"""Where a real thread stands that is asleep: in what stands in for `time.sleep`."""
_owners: Final[WeakKeyDictionary[threading.Thread, int]] = WeakKeyDictionary()
"""Real threads that the code in a simulation has started or handed work to, and the number of the last simulation that did; a later one may
wait for them too."""
_numbers: Final = itertools.count(1)


class Descriptors(Protocol):
    """The real descriptors of one loop."""

    @property
    def holds(self) -> bool:
        """True while the loop waits for an answer that time must not overtake."""
        ...

    def look(self, seconds: float) -> bool:
        """Wait that many real seconds for one of them; True if it woke its loop."""
        ...


class Foreign:
    """The hub's side door. `post` may be called by any thread, the rest by the lab's thread only."""

    def __init__(self, hub: Hub) -> None:
        self.pending = False
        self.waiting = False
        """True while the lab's thread waits in real time."""
        self.threads: list[str] = []
        """Names of the real threads that the code in this simulation has started or handed work to."""
        self.descriptors: list[Descriptors] = []
        """One per loop that watches real descriptors."""
        self.real_io = False
        """True if a loop of this simulation ever watched a real descriptor."""
        self.refusals: list[str] = []
        """What real threads were refused, as sentences."""
        self._number = next(_numbers)
        self._hub = hub
        self._thread = 0
        self._posted: deque[Waiter] = deque()
        self._bell = allocate_lock()
        real.acquire(self._bell)

    def begin(self) -> None:
        """The caller's thread is the lab's."""
        self._thread = real.get_ident()

    def is_here(self) -> bool:
        """True on the lab's thread."""
        return real.get_ident() == self._thread

    def post(self, waiter: Waiter) -> None:
        """A real thread wakes `waiter`."""
        self._posted.append(waiter)
        self.pending = True
        if self._bell.locked():
            self._ring()

    def watch(self, descriptors: Descriptors) -> None:
        """A loop watches real descriptors from now on."""
        self.real_io = True
        self.descriptors.append(descriptors)

    def note(self, thread: threading.Thread) -> None:
        """The code in the simulation has started `thread`, or handed work to it."""
        if thread.name not in self.threads:
            self.threads.append(thread.name)
        _owners[thread] = self._number

    def is_leftover(self) -> bool:
        """True on a real thread that an earlier simulation has left behind: what it does is no part of this one."""
        return not self.is_here() and _owners.get(threading.current_thread(), self._number) != self._number

    def refuse_loop(self) -> str:
        """A real thread wants to run a loop of this simulation: the sentence that says why it may not."""
        name = threading.current_thread().name
        sentence = (
            f"A real thread ({name}), which is not in virtual time, wanted to run an event loop that is; make the loop in that"
            " thread, or give the thread's function to asyncio.to_thread or a ThreadPoolExecutor."
        )
        self.refusals.append(sentence)
        return sentence

    def take(self) -> list[Waiter]:
        """Those who were woken since the last time."""
        self.pending = False
        taken = []
        while self._posted:
            taken.append(self._posted.popleft())
        return taken

    def comes(self, *, idle: bool) -> bool:
        """Look whether anything comes from outside; True if so. If the simulation is `idle`, wait as long as a real thread is at work."""
        if self._look_at_descriptors() or self._answers():
            return True
        if not idle:
            return self.pending
        looks = 0
        most = _DESCRIPTOR_LOOKS if self.descriptors else _IDLE_LOOKS if _alive() else 0
        while looks < most and self._hub.ending is None:
            if self._listen(_SLICE) or self._look_at_descriptors():
                return True
            looks = 0 if self._at_work() else looks + 1
        return self.pending

    def compete(self, _thing: object, attempt: Callable[[], bool], timeout: float) -> bool:
        """As the contest's, but in real time, for what only a real thread can give; False after real `timeout` seconds (-1: never)."""
        waited, pause = 0.0, _SHORTEST
        while not attempt():
            self._hub.give_way(Waiter())
            if 0 <= timeout <= waited:
                return False
            self._listen(pause)
            waited, pause = waited + pause, min(2 * pause, _SLICE)
        return True

    def _ring(self) -> None:
        with suppress(RuntimeError):  # another thread rang first
            real.release(self._bell)

    def _listen(self, seconds: float) -> bool:
        self.waiting = True
        try:
            real.acquire(self._bell, True, seconds)
        finally:
            self.waiting = False
        return self.pending

    def _answers(self) -> bool:
        """Wait for the answers that time must not overtake, for as long as the watchdog lets it; True if anything came."""
        self.waiting = True
        try:
            while self._hub.ending is None and any(descriptors.holds for descriptors in self.descriptors):
                if self.pending or self._look_at_descriptors():
                    return True
        finally:
            self.waiting = False
        return False

    def _look_at_descriptors(self) -> bool:
        looks = [descriptors.look(_SLICE) for descriptors in self.descriptors]
        return any(looks)

    def _at_work(self) -> bool:
        frames = sys._current_frames()
        for thread in _alive():
            frame = frames.get(thread.ident or 0)
            if frame is not None and not stands_still(frame, old=_owners.get(thread) != self._number):
                return True
        return False


def _alive() -> list[threading.Thread]:
    noted = (reference() for reference in _owners.keyrefs())  # a copy, as real threads add to it
    return [thread for thread in noted if thread is not None and thread.is_alive()]


def inherit(thread: threading.Thread) -> None:
    """A real thread starts `thread`, which belongs to whatever simulation its own belongs to."""
    owner = _owners.get(threading.current_thread()) if _owners else None
    if owner is not None:
        _owners[thread] = owner


def stands_still(frame: FrameType | None, *, old: bool = False) -> bool:
    """True if a thread in `frame`, the lab's own patches left out, waits for others; in its event loop or asleep too if it is an `old` one.

    A thread that an earlier run left behind may look round every so often for ever (a tracer's exporter does): nothing is to come from it.
    """
    if old and frame is not None and frame.f_code.co_filename == _SLEEPS:
        return True
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    filename = "" if frame is None else frame.f_code.co_filename.rsplit("/", 1)[-1]
    return filename in (_OLD_WAITS if old else _WAITS)
