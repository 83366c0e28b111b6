"""Locks that block a greenlet in virtual time instead of the whole thread in real time.

The methods of the interpreter's own lock types are replaced in place, so every lock is served however it was made and by whom: those of
`threading.Event`, `Condition`, `Semaphore`, `queue.Queue` and `Future.result` too, as all of them block on such a lock in the end.
On other threads, and without an active simulation, they are what they always were.

The methods themselves are closures: they must still find what they need when the interpreter clears its modules at the end.
"""

from __future__ import annotations

import _queue
import _thread
from collections.abc import Callable
from typing import Any

from agentlab_faults.sim.active import LAB
from agentlab_faults.sim.hub import Hub
from agentlab_faults.sim.real import get_ident
from agentlab_faults.sim.splice import put_method

__all__ = ["install"]

_Method = Callable[..., Any]


def install() -> None:
    """Patch the lock and the simple queue; once per process."""
    _patch_lock(_thread.LockType)
    _patch_simple_queue(_queue.SimpleQueue)


def _patch_lock(kind: type) -> None:
    acquire, release = _acquire(kind.__dict__["acquire"]), _release(kind.__dict__["release"])
    for names, method in ((("acquire", "acquire_lock", "__enter__"), acquire), (("release", "release_lock"), release)):
        for name in names:
            put_method(kind, name, method)
    put_method(kind, "__exit__", lambda self, *_: release(self))


def _acquire(real: _Method) -> _Method:
    lab, thread = LAB, get_ident

    def acquire(self: Any, blocking: bool = True, timeout: float = -1) -> bool:
        hub = lab.hub
        if hub is None:
            return bool(real(self, blocking, timeout))
        if thread() != lab.thread:
            return _acquire_elsewhere(hub, self, real, blocking, timeout)
        if real(self, False):
            hub.contest.held.add(id(self))
            return True
        return _acquire_taken(hub, self, real, blocking, timeout)

    return acquire


def _acquire_elsewhere(hub: Hub, lock: Any, real: _Method, blocking: bool, timeout: float) -> bool:
    got = bool(real(lock, blocking, timeout))
    if got:
        hub.contest.held.discard(id(lock))
    return got


def _acquire_taken(hub: Hub, lock: Any, real: _Method, blocking: bool, timeout: float) -> bool:
    """Block for it: in virtual time if a greenlet has it, in real time if a real thread does."""
    if not blocking or (timeout < 0 and timeout != -1):
        return bool(real(lock, blocking, timeout))
    compete = hub.contest.compete if id(lock) in hub.contest.held else hub.foreign.compete
    got = compete(lock, lambda: bool(real(lock, False)), timeout)
    if got:
        hub.contest.held.add(id(lock))
    return got


def _release(real: _Method) -> _Method:
    lab = LAB

    def release(self: Any) -> None:
        real(self)
        hub = lab.hub
        if hub is not None:
            hub.contest.held.discard(id(self))
            if hub.contest.waiting:
                hub.contest.relieve(self)

    return release


def _patch_simple_queue(kind: type) -> None:
    put = _put(kind.__dict__["put"])
    put_method(kind, "get", _get(kind.__dict__["get"]))
    put_method(kind, "put", put)
    put_method(kind, "put_nowait", put)


def _get(real: _Method) -> _Method:
    lab, thread = LAB, get_ident

    def get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
        hub = lab.hub
        if hub is None or not block or thread() != lab.thread or (timeout is not None and timeout < 0):
            return real(self, block, timeout)
        return _get_here(hub, self, real, -1 if timeout is None else timeout)

    return get


def _get_here(hub: Hub, queue: Any, real: _Method, timeout: float) -> Any:
    got: list[Any] = []

    def attempt() -> bool:
        try:
            got.append(real(queue, False))
        except _queue.Empty:
            return False
        return True

    if not hub.contest.compete(queue, attempt, timeout):
        raise _queue.Empty
    return got[0]


def _put(real: _Method) -> _Method:
    lab = LAB

    def put(self: Any, item: Any, block: bool = True, timeout: float | None = None) -> None:
        real(self, item, block, timeout)
        hub = lab.hub
        if hub is not None:
            hub.contest.relieve(self)

    return put
