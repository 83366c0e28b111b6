"""The watchdog: real seconds for code that never gives way to virtual time.

The first level is a signal that raises in the lab's thread. The second is a real thread, for code that swallows what the first one
raised, or that never lets Python's signal handlers run.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import threading
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from agentlab_faults.sim import real
from agentlab_faults.sim.errors import RealThreadWaits, SimulationEnded, WatchdogFired
from agentlab_faults.sim.foreign import stands_still

if TYPE_CHECKING:
    from agentlab_faults.sim.hub import Hub

__all__ = ["STUCK_EXIT", "Watchdog"]

STUCK_EXIT: Final = 3
"""Exit code of a process whose simulation cannot be ended."""

_AGAIN: Final = 0.5
"""Real seconds between two attempts of the first level."""
_LAST_CHANCE: Final = 5.0
"""Real seconds at most from the first level to the second; as much as the first level has, if that is less."""


class Watchdog:
    """Watches one simulation for real `seconds` at a time; None watches nothing."""

    def __init__(self, hub: Hub, seconds: float | None, on_stuck: Callable[[], None] | None) -> None:
        if seconds is not None and not seconds > 0:
            raise ValueError(f"The watchdog needs a positive number of real seconds, or None, not {seconds!r}.")
        self._hub = hub
        self._seconds = seconds
        self._on_stuck = on_stuck or _exit_stuck
        self._armed = False
        self._by_signal = False
        self._handler_before: Any = None
        self._timer_before = (0.0, 0.0)

    def arm(self) -> None:
        """Begin to watch the calling thread."""
        if self._seconds is None:
            return
        self._armed = True
        self._by_signal = threading.current_thread() is threading.main_thread()
        if self._by_signal:
            self._handler_before = signal.signal(signal.SIGALRM, self._alarm)
            self._timer_before = signal.setitimer(signal.ITIMER_REAL, self._seconds, _AGAIN)
        _GUARD.watch(self, self._seconds, self._last_chance)

    def restart(self) -> None:
        """Give the code its real seconds anew."""
        if self._seconds is None:
            return
        if self._by_signal:
            signal.setitimer(signal.ITIMER_REAL, self._seconds, _AGAIN)
        _GUARD.watch(self, self._seconds, self._last_chance)

    def disarm(self) -> None:
        """Stop watching; what others had set on the signal is set again."""
        if not self._armed:
            return
        self._armed = False
        _GUARD.dismiss()
        if self._by_signal:
            signal.setitimer(signal.ITIMER_REAL, *self._timer_before)
            signal.signal(signal.SIGALRM, self._handler_before)

    def fire_from_guard(self, lab: int) -> None:
        """The first level where no signal can reach the lab's thread: it raises there between two of its instructions."""
        if self._by_signal or not self._armed:
            return
        self._hub.end(self._verdict(sys._current_frames().get(lab)))
        if not self._hub.foreign.waiting:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(lab), ctypes.py_object(WatchdogFired))

    def stuck(self) -> None:
        """The second level."""
        if self._armed:
            self._on_stuck()

    @property
    def _last_chance(self) -> float:
        return min(_LAST_CHANCE, self._seconds or _LAST_CHANCE)

    def _alarm(self, _signal: int, frame: FrameType | None) -> None:
        if not self._armed:
            return
        verdict = self._verdict(frame)
        self._hub.end(verdict)
        if not self._hub.foreign.waiting:
            raise verdict

    def _verdict(self, frame: FrameType | None) -> SimulationEnded:
        spent = f"{self._seconds:g} s of real time"
        foreign = self._hub.foreign
        if foreign.threads and (foreign.waiting or stands_still(frame)):
            names = ", ".join(foreign.threads)
            return RealThreadWaits(f"The simulation waited {spent} for a real thread, which is not in virtual time: {names}.")
        if foreign.waiting and foreign.real_io:
            return RealThreadWaits(f"The simulation waited {spent} for a real socket or process, which is not in virtual time.")
        return WatchdogFired(f"The code used up {spent} without giving way{_where(frame)}.")


def _where(frame: FrameType | None) -> str:
    return "" if frame is None else f", last seen at {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def _exit_stuck() -> None:
    stream = sys.__stderr__
    if stream is not None:
        stream.write(f"agentlab: the code under test cannot be ended, not even by its watchdog; the process exits with {STUCK_EXIT}.\n")
        stream.flush()
        faulthandler.dump_traceback(file=stream, all_threads=True)
    os._exit(STUCK_EXIT)


class _Guard:
    """The real thread of the second level: one per process, started when needed, gone after a while with nothing to watch."""

    _LOOK = 0.1
    _LINGER = 50

    def __init__(self) -> None:
        self._running = False
        self._order: tuple[float, float, Watchdog, int] | None = None
        self._sleep = allocate_lock()
        self._sleep.acquire()
        os.register_at_fork(after_in_child=self._forked)

    def watch(self, watchdog: Watchdog, seconds: float, last_chance: float) -> None:
        """From now on `watchdog` has `seconds` until the first level, and `last_chance` more until the second."""
        self._order = (seconds, last_chance, watchdog, real.get_ident())
        if not self._running:
            self._running = True
            start_new_thread(self._run, ())

    def dismiss(self) -> None:
        """There is nothing to watch."""
        self._order = None

    def _run(self) -> None:
        order, since, fired, idle = self._order, real.monotonic(), False, 0
        while idle < self._LINGER:
            real.acquire(self._sleep, True, self._LOOK)
            if order is not self._order:
                order, since, fired = self._order, real.monotonic(), False
            idle = idle + 1 if order is None else 0
            if order is None:
                continue
            seconds, last_chance, watchdog, lab = order
            spent = real.monotonic() - since
            if spent >= seconds + last_chance:
                watchdog.stuck()
                self.dismiss()
            elif spent >= seconds and not fired:
                fired = True
                watchdog.fire_from_guard(lab)
        self._running = False

    def _forked(self) -> None:
        self._running = False
        self._order = None


_GUARD: Final = _Guard()
