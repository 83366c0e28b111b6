"""What asyncio and anyio keep per thread although it belongs to one line of execution: swapped whenever the hub switches greenlets."""

from __future__ import annotations

import asyncio
import sys
import threading
from asyncio import AbstractEventLoop, Task, events
from collections.abc import Callable
from typing import Any, Final

__all__ = ["Surroundings"]

_enter_task: Final[Callable[[AbstractEventLoop, Task[Any]], None]] = asyncio.tasks._enter_task
_leave_task: Final[Callable[[AbstractEventLoop, Task[Any]], None]] = asyncio.tasks._leave_task
_POLICIES: Final = ("_get_event_loop_policy", "get_event_loop_policy")
"""The first is there since 3.14, where the second warns."""


def _policy_locals() -> threading.local | None:
    """Where asyncio's policy keeps the loop of `set_event_loop`."""
    get_policy = next(getattr(events, name) for name in _POLICIES if hasattr(events, name))
    local: threading.local | None = getattr(get_policy(), "_local", None)
    return local


def _thread_locals() -> list[threading.local]:
    anyio = sys.modules.get("anyio._core._eventloop")
    found = (_policy_locals(), getattr(anyio, "threadlocals", None))
    return [local for local in found if local is not None]


class Surroundings:
    """The running loop and task, the hooks for async generators and the thread-locals of asyncio's policy and of anyio."""

    __slots__ = ("_hooks", "_locals", "_loop", "_task")

    def __init__(self) -> None:
        """Take the caller's surroundings away: what runs next finds a thread as bare as a new one."""
        self._loop = loop = events._get_running_loop()
        self._task = asyncio.current_task(loop) if loop is not None else None
        if loop is not None:
            if self._task is not None:
                _leave_task(loop, self._task)
            events._set_running_loop(None)
        self._hooks = sys.get_asyncgen_hooks()
        if self._hooks != (None, None):
            sys.set_asyncgen_hooks(None, None)
        self._locals: list[tuple[threading.local, dict[str, Any]]] = []
        for local in _thread_locals():
            self._locals.append((local, dict(local.__dict__)))
            local.__dict__.clear()

    def put_back(self) -> None:
        """Make these the surroundings again."""
        for local, values in self._locals:
            local.__dict__.clear()
            local.__dict__.update(values)
        sys.set_asyncgen_hooks(*self._hooks)
        if self._loop is not None:
            events._set_running_loop(self._loop)
            if self._task is not None:
                _enter_task(self._loop, self._task)
