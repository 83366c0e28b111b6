"""The ids of `uuid_utils`, which is written in Rust and has a clock and a generator of its own; langchain's ids come from there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from agentlab_faults.sim.active import LAB
from agentlab_faults.sim.real import get_ident
from agentlab_faults.sim.splice import redirect

if TYPE_CHECKING:
    from agentlab_faults.sim.hub import Hub

__all__ = ["patch_uuid_utils"]

_MS_NS: Final = 10**6
_patched: Final[WeakSet[ModuleType]] = WeakSet()


def patch_uuid_utils(module: ModuleType) -> None:
    """Take versions 4 and 7 from the active simulation's chance and clock, for whoever holds the functions; once per process."""
    if module in _patched:
        return
    _patched.add(module)
    for version, make in (("4", _version_4), ("7", _version_7)):
        _patch(module, f"uuid{version}", make, lambda number: module.UUID(int=number))
        _patch(module, f"_uuid{version}_int", make, int)


def _version_4(hub: Hub) -> int:
    return uuid.UUID(bytes=hub.entropy.take(16), version=4).int


def _version_7(hub: Hub, timestamp: int | None = None, nanos: int | None = None, *, nanoseconds: int | None = None) -> int:
    """`timestamp` in seconds and `nanos` are the parameters of version 0 of the library, `nanoseconds` is that of version 1."""
    if timestamp is not None:
        nanoseconds = timestamp * 10**9 + (nanos or 0)
    return hub.entropy.uuid7((hub.clock.time_ns() if nanoseconds is None else nanoseconds) // _MS_NS)


def _patch(module: ModuleType, name: str, make: Callable[..., int], wrap: Callable[[int], Any]) -> None:
    lab, thread = LAB, get_ident

    def made(*args: Any, **options: Any) -> Any:
        hub = lab.hub
        if hub is None or thread() != lab.thread:
            return real(*args, **options)
        return wrap(make(hub, *args, **options))

    if hasattr(module, name):
        real = redirect(getattr(module, name), made)
