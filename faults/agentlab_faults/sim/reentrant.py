"""Reentrant locks that belong to greenlets: to the interpreter all of them are one thread, which would let every one of them in.

The methods of the interpreter's own type are replaced in place; see `locks`.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent

from agentlab_faults.sim.active import LAB
from agentlab_faults.sim.hub import Hub
from agentlab_faults.sim.real import get_ident
from agentlab_faults.sim.splice import put_method

__all__ = ["install"]

_Method = Callable[..., Any]


def install() -> None:
    """Patch the reentrant lock; once per process."""
    kind = _thread.RLock
    real_acquire, real_release = kind.__dict__["acquire"], kind.__dict__["release"]
    acquire, release = _acquire(real_acquire), _release(real_release)
    methods: dict[str, _Method] = {
        "acquire": acquire,
        "__enter__": acquire,
        "release": release,
        "__exit__": lambda self, *_: release(self),
        "_release_save": _release_save(kind.__dict__["_release_save"]),
        "_acquire_restore": _acquire_restore(kind.__dict__["_acquire_restore"], real_acquire, real_release),
        "_is_owned": _is_owned(kind.__dict__["_is_owned"]),
    }
    for name, method in methods.items():
        put_method(kind, name, method)


def _attempt(hub: Hub, lock: Any, real: _Method) -> bool:
    """Take the lock for the running greenlet, if no other one has it."""
    here = getcurrent()
    owner, count = hub.contest.owners.get(id(lock), (here, 0))
    if owner is not here or not real(lock, False):
        return False
    hub.contest.owners[id(lock)] = (here, count + 1)
    return True


def _compete(hub: Hub, lock: Any, real: _Method, timeout: float) -> bool:
    """Block for it: in virtual time if a greenlet has it, in real time if a real thread does."""
    compete = hub.contest.compete if id(lock) in hub.contest.owners else hub.foreign.compete
    return compete(lock, lambda: _attempt(hub, lock, real), timeout)


def _acquire(real: _Method) -> _Method:
    lab, thread = LAB, get_ident

    def acquire(self: Any, blocking: bool = True, timeout: float = -1) -> bool:
        hub = lab.hub
        if hub is None or thread() != lab.thread or (timeout != -1 and (timeout < 0 or not blocking)):
            return bool(real(self, blocking, timeout))
        return _attempt(hub, self, real) or (blocking and _compete(hub, self, real, timeout))

    return acquire


def _release(real: _Method) -> _Method:
    lab, thread = LAB, get_ident

    def release(self: Any) -> None:
        hub = lab.hub
        if hub is None:
            real(self)
        elif thread() == lab.thread and id(self) in hub.contest.owners:
            _release_here(hub, self, real)
        else:
            real(self)
            hub.contest.relieve(self)

    return release


def _release_here(hub: Hub, lock: Any, real: _Method) -> None:
    owner, count = hub.contest.owners[id(lock)]
    if owner is not getcurrent():
        raise RuntimeError("cannot release un-acquired lock")
    real(lock)
    if count > 1:
        hub.contest.owners[id(lock)] = (owner, count - 1)
    else:
        del hub.contest.owners[id(lock)]
        hub.contest.relieve(lock)


def _release_save(real: _Method) -> _Method:
    """What a condition calls before it waits: let go however often the lock was taken."""
    lab, thread = LAB, get_ident

    def release_save(self: Any) -> Any:
        state = real(self)
        hub = lab.hub
        if hub is not None:
            if thread() == lab.thread:
                hub.contest.owners.pop(id(self), None)
            hub.contest.relieve(self)
        return state

    return release_save


def _acquire_restore(real: _Method, real_acquire: _Method, real_release: _Method) -> _Method:
    """What a condition calls after it has waited: take the lock as often as before."""
    lab, thread = LAB, get_ident

    def acquire_restore(self: Any, state: Any) -> None:
        hub = lab.hub
        if hub is None or thread() != lab.thread:
            real(self, state)
            return
        if not _attempt(hub, self, real_acquire):
            _compete(hub, self, real_acquire, -1)
        real_release(self)
        real(self, state)
        hub.contest.owners[id(self)] = (getcurrent(), state[0])

    return acquire_restore


def _is_owned(real: _Method) -> _Method:
    lab, thread = LAB, get_ident

    def is_owned(self: Any) -> bool:
        hub = lab.hub
        if hub is not None and thread() == lab.thread and id(self) in hub.contest.owners:
            return hub.contest.owners[id(self)][0] is getcurrent()
        return bool(real(self))

    return is_owned
