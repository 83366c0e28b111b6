"""Who blocks: a place to wait, and a function that runs in a greenlet of its own."""

from __future__ import annotations

import _thread
import itertools
import threading
from collections.abc import Callable
from typing import Final

from greenlet import getcurrent, greenlet

from agentlab_faults.sim.active import LAB
from agentlab_faults.sim.splice import redirect

__all__ = ["Waiter", "Worker", "install"]

_threads: Final[dict[int, threading.Thread]] = threading._active  # type: ignore[attr-defined]
"""What `threading.current_thread` looks up."""

_MOST_DEATHS: Final = 20
"""Times that a worker's blocking calls raise its end, one after the other, before it is left standing."""


class Waiter:
    """One place to block: waits on the hub until it is woken or its moment has come."""

    __slots__ = ("greenlet", "of_loop", "parked", "ticket", "woken")

    def __init__(self, *, of_loop: bool = False) -> None:
        self.of_loop = of_loop
        self.greenlet: greenlet | None = None
        self.parked = False
        self.woken = False
        self.ticket = 0


class Worker(greenlet):
    """A function that runs in a greenlet of its own, where a real program would have used a thread.

    While it runs, it is the current thread of its own: code that asks must not take it for the main one.
    """

    _idents = itertools.count(1)
    """Small numbers: those of real threads are addresses."""

    def __init__(self, run: Callable[..., None], thread: threading.Thread, parent: greenlet) -> None:
        super().__init__(run, parent)
        self.ident = next(Worker._idents)
        self.thread = thread
        self.frozen = False
        """True once it goes on no more, but for an event loop that runs in it."""
        self._deaths = 0
        thread._ident = self.ident  # type: ignore[attr-defined]
        _threads[self.ident] = thread

    @property
    def name(self) -> str:
        """The thread's name."""
        return self.thread.name

    def may_die_again(self) -> bool:
        """False once it has shrugged off its end too often."""
        self._deaths += 1
        return self._deaths <= _MOST_DEATHS

    def retire(self) -> None:
        """It is no thread any longer."""
        _threads.pop(self.ident, None)


def install() -> None:
    """Give workers idents of their own; once per process."""
    lab, current, worker = LAB, getcurrent, Worker

    def get_ident() -> int:
        if lab.hub is None:
            return int(real())
        here = current()
        return here.ident if isinstance(here, worker) else int(real())

    real = redirect(_thread.get_ident, get_ident)
