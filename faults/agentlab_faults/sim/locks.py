"""Locks that block a greenlet in virtual time instead of the whole thread in real time.

The methods of the interpreter's own lock types are replaced in place, so every lock is served however it was made and by whom: those of
`threading.Event`, `Condition`, `Semaphore`, `queue.Queue` and `Future.result` too, as all of them block on such a lock in the end.
On other threads, and without an active simulation, they are what they always were.
"""

from __future__ import annotations

import _queue
import _thread
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

from agentlab_faults.sim.real import get_ident
from agentlab_faults.sim.active import LAB
from agentlab_faults.sim.hub import Hub
from agentlab_faults.sim.splice import put_method

__all__ = ["install"]


def install() -> None:
    """Patch the lock types; once per process."""
    _patch_lock(_thread.LockType)
    _patch_reentrant_lock(_thread.RLock)
    _patch_simple_queue(_queue.SimpleQueue)


# The replacements are closures: they must still find what they need when the interpreter clears its modules at the end.


def _patch_lock(kind: type) -> None:
    lab, thread = LAB, get_ident
    real_acquire, real_release = kind.__dict__["acquire"], kind.__dict__["release"]

    def acquire(self: Any, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - the signature of the original
        hub = lab.hub
        if hub is None:
            return bool(real_acquire(self, blocking, timeout))
        if thread() != lab.thread:
            got = bool(real_acquire(self, blocking, timeout))
            if got:
                hub.held.discard(id(self))
            return got
        got = bool(real_acquire(self, False))
        if got:
            hub.held.add(id(self))
            return True
        if not blocking or (timeout < 0 and timeout != -1):
            return bool(real_acquire(self, blocking, timeout))
        return contend(hub, self, timeout)

    def contend(hub: Hub, self: Any, timeout: float) -> bool:
        def attempt() -> bool:
            return bool(real_acquire(self, False))

        if id(self) not in hub.held:
            got = hub.foreign.until(attempt, timeout)
        else:
            got = hub.contend(self, attempt, timeout)
        if got:
            hub.held.add(id(self))
        return got

    def release(self: Any) -> None:
        real_release(self)
        hub = lab.hub
        if hub is not None:
            hub.held.discard(id(self))
            hub.relieve(self)

    _put(kind, ("acquire", "acquire_lock", "__enter__"), acquire)
    _put(kind, ("release", "release_lock"), release)
    put_method(kind, "__exit__", lambda self, *_: release(self))


def _patch_reentrant_lock(kind: type) -> None:
    lab, thread = LAB, get_ident
    real_acquire, real_release = kind.__dict__["acquire"], kind.__dict__["release"]
    real_save, real_restore, real_owned = (kind.__dict__[name] for name in ("_release_save", "_acquire_restore", "_is_owned"))

    def here() -> Hub | None:
        return lab.hub if lab.hub is not None and thread() == lab.thread else None

    def attempt(hub: Hub, self: Any) -> bool:
        owner: greenlet | None
        owner, count = hub.owners.get(id(self), (None, 0))
        if owner is not None and owner is not getcurrent():
            return False
        if not real_acquire(self, False):
            return False
        hub.owners[id(self)] = (getcurrent(), count + 1)
        return True

    def acquire(self: Any, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - the signature of the original
        hub = here()
        if hub is None or (timeout != -1 and (timeout < 0 or not blocking)):
            return bool(real_acquire(self, blocking, timeout))
        if attempt(hub, self):
            return True
        return blocking and wait(hub, self, timeout)

    def wait(hub: Hub, self: Any, timeout: float) -> bool:
        if id(self) in hub.owners:
            return hub.contend(self, lambda: attempt(hub, self), timeout)
        return hub.foreign.until(lambda: attempt(hub, self), timeout)

    def release(self: Any) -> None:
        hub = here()
        if hub is not None and id(self) in hub.owners:
            owner, count = hub.owners[id(self)]
            if owner is not getcurrent():
                raise RuntimeError("cannot release un-acquired lock")
            real_release(self)
            if count > 1:
                hub.owners[id(self)] = (owner, count - 1)
                return
            del hub.owners[id(self)]
        else:
            real_release(self)
        if lab.hub is not None:
            lab.hub.relieve(self)

    def release_save(self: Any) -> Any:
        state = real_save(self)
        if lab.hub is not None:
            if here() is not None:
                lab.hub.owners.pop(id(self), None)
            lab.hub.relieve(self)
        return state

    def acquire_restore(self: Any, state: Any) -> None:
        hub = here()
        if hub is None:
            real_restore(self, state)
            return
        if not attempt(hub, self):
            wait(hub, self, -1)
        real_release(self)
        real_restore(self, state)
        hub.owners[id(self)] = (getcurrent(), state[0])

    def is_owned(self: Any) -> bool:
        hub = here()
        if hub is not None and id(self) in hub.owners:
            return hub.owners[id(self)][0] is getcurrent()
        return bool(real_owned(self))

    _put(kind, ("acquire", "__enter__"), acquire)
    _put(kind, ("release",), release)
    put_method(kind, "__exit__", lambda self, *_: release(self))
    put_method(kind, "_release_save", release_save)
    put_method(kind, "_acquire_restore", acquire_restore)
    put_method(kind, "_is_owned", is_owned)


def _patch_simple_queue(kind: type) -> None:
    lab, thread = LAB, get_ident
    real_get, real_put, empty = kind.__dict__["get"], kind.__dict__["put"], _queue.Empty

    def get(self: Any, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - the signature of the original
        hub = lab.hub
        if hub is None or thread() != lab.thread or not block or (timeout is not None and timeout < 0):
            return real_get(self, block, timeout)
        got: list[Any] = []

        def attempt() -> bool:
            try:
                got.append(real_get(self, False))
            except empty:
                return False
            return True

        if not hub.contend(self, attempt, -1 if timeout is None else timeout):
            raise empty
        return got[0]

    def put(self: Any, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002 - the signature of the original
        real_put(self, item, block, timeout)
        if lab.hub is not None:
            lab.hub.relieve(self)

    put_method(kind, "get", get)
    put_method(kind, "put", put)
    put_method(kind, "put_nowait", lambda self, item: put(self, item))


def _put(kind: type, names: tuple[str, ...], method: Callable[..., Any]) -> None:
    for name in names:
        if name in kind.__dict__:
            put_method(kind, name, method)
