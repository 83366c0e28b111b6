"""Where everything in a simulation stands still: the text of a Deadlock."""

from __future__ import annotations

import asyncio
import linecache
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentlab_faults.sim.hub import Hub

__all__ = ["describe"]


def describe(hub: Hub) -> str:
    """One paragraph for each task, each worker and the main greenlet, the innermost line last."""
    return "\n".join(line for paragraph in (_main(hub), *_tasks(hub), *_workers(hub)) for line in paragraph)


def _main(hub: Hub) -> list[str]:
    import sys

    frame = hub.main.gr_frame or sys._getframe()
    lines = [line for line in _stack(frame) if "/agentlab_faults/sim/" not in line]
    return ["main:", *lines[-6:]]


def _tasks(hub: Hub) -> Iterator[list[str]]:
    for loop in hub.loops:
        if loop.is_closed():
            continue
        for task in sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name()):
            yield [f"task {task.get_name()}:", *_coroutine_stack(task.get_coro())]


def _workers(hub: Hub) -> Iterator[list[str]]:
    for worker in hub.workers:
        frame = worker.greenlet.gr_frame if worker.greenlet is not None else None
        lines = [line for line in _stack(frame) if "/agentlab_faults/sim/" not in line]
        yield [f"worker {worker.name}:", *lines]


def _coroutine_stack(coroutine: Any) -> Iterator[str]:
    """The lines at which a suspended coroutine, and each one that it awaits, stands."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None:
            yield _line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None) or getattr(coroutine, "ag_await", None)


def _stack(frame: FrameType | None) -> list[str]:
    return [_line(entry.filename, entry.lineno or 0, entry.name) for entry in traceback.extract_stack(frame)] if frame else []


def _line(filename: str, lineno: int, function: str) -> str:
    source = linecache.getline(filename, lineno).strip()
    return f"  {filename}:{lineno} in {function}: {source}"
