"""Where everything in a simulation stands still: the text of a Deadlock."""

from __future__ import annotations

import asyncio
import linecache
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from agentlab_faults.sim.hub import Hub

__all__ = ["describe"]

_MAIN_LINES: Final = 8
"""Innermost lines of the main greenlet that are told; above them lies whoever runs the simulation."""
_HERE: Final = str(Path(__file__).parent)
_ENGINE: Final = str(Path(__file__).parent.parent / "engine.py")
_INSTALLED: Final = re.compile(r"^.*[/\\](?:site-packages|python3\.\d+)[/\\]")


def describe(hub: Hub) -> str:
    """One paragraph for each task, each worker and the main greenlet, the innermost line last."""
    paragraphs = [["main:", *_greenlet_stack(hub.main)[-_MAIN_LINES:]]]
    for loop in hub.loops:
        if not loop.is_closed():
            tasks = sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name()))
            paragraphs.extend([f"task {task.get_name()}:", *_coroutine_stack(task.get_coro())] for task in tasks)
    paragraphs.extend([f"worker {worker.name}:", *_greenlet_stack(worker)] for worker in hub.workers)
    return "\n".join(line for paragraph in paragraphs for line in paragraph)


def _greenlet_stack(body: greenlet) -> list[str]:
    """The lab's own frames are left out, and those of whoever runs the lab: they are not the same under pytest as in a replay."""
    frame = sys._getframe() if body is getcurrent() else body.gr_frame
    entries = traceback.StackSummary.extract(traceback.walk_stack(frame), lookup_lines=False) if frame is not None else []
    played = next((n for n, entry in enumerate(entries) if entry.filename == _ENGINE), len(entries))
    lines = [_line(entry.filename, entry.lineno or 0, entry.name) for entry in entries[:played] if not entry.filename.startswith(_HERE)]
    return lines[::-1]


def _coroutine_stack(coroutine: Any) -> Iterator[str]:
    """The lines at which a suspended coroutine, and each one that it awaits, stands."""
    while coroutine is not None:
        frame = _first(coroutine, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            yield _line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        coroutine = _first(coroutine, "cr_await", "gi_yieldfrom", "ag_await")


def _first(thing: Any, *names: str) -> Any:
    """Coroutines, generators and async generators name the same things differently."""
    return next((value for name in names if (value := getattr(thing, name, None)) is not None), None)


def _line(filename: str, lineno: int, function: str) -> str:
    return f"  {_place(filename)}:{lineno} in {function}: {linecache.getline(filename, lineno).strip()}"


def _place(filename: str) -> str:
    """A path that does not tell where the user's folder or Python lies, so that the text is the same on another machine."""
    return _INSTALLED.sub("", filename).removeprefix(f"{Path.cwd()}{os.sep}")
