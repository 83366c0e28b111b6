"""The hub: every execution of a tool passes here, whatever the framework, and here it can be delayed, failed, repeated or answered.

A seam calls `around` (or `around_sync`) with the tool's name, its arguments, the model's call id if it knows it, and a way to run the body.
Without a run of the lab the body just runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Body", "Executor", "Silence", "Steps", "active", "around", "around_sync", "commit", "executing"]


@dataclass(frozen=True, slots=True)
class Body:
    """Step: run the tool's own body and send its result back."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Step: let this many virtual seconds pass."""

    seconds: float


Steps = Generator[Body | Silence, Any, Any]
"""One execution as steps; what the generator returns is the tool's result."""


class Executor(Protocol):
    """A run of the lab, as the hub sees it."""

    def execution(self, name: str, arguments: Mapping[str, Any], call_id: str | None) -> Steps:
        """The steps of one execution."""
        ...

    def committed_now(self) -> None:
        """The running body says that its effect has happened."""
        ...


_run: Executor | None = None
_inside: contextvars.ContextVar[str] = contextvars.ContextVar("agentlab_tool", default="")
"""The tool whose body is running, so that a tool wrapped twice is one execution."""


@contextlib.contextmanager
def executing(run: Executor) -> Iterator[None]:
    """Send every execution to `run` while the block lasts."""
    global _run  # noqa: PLW0603 - the seams are process-wide, so is what they ask
    before, _run = _run, run
    try:
        yield
    finally:
        _run = before


def active() -> bool:
    """Whether a run of the lab is watching the tools."""
    return _run is not None


def commit() -> None:
    """Say that the running tool's effect has happened, for a body that does more afterwards. Without the lab it does nothing."""
    if _run is not None:
        _run.committed_now()


async def around(name: str, arguments: Mapping[str, Any], call_id: str | None, invoke: Callable[[], Awaitable[Any]]) -> Any:
    """Run one execution of an async tool."""
    if _run is None or _inside.get() == name:
        return await invoke()
    steps = _run.execution(name, arguments, call_id)
    token = _inside.set(name)
    try:
        step = next(steps)
        while True:
            try:
                result = await (invoke() if isinstance(step, Body) else asyncio.sleep(step.seconds))
            except BaseException as error:  # noqa: BLE001 - handed to the execution, which records it and raises it again
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value
    finally:
        _inside.reset(token)
        steps.close()


def around_sync(name: str, arguments: Mapping[str, Any], call_id: str | None, invoke: Callable[[], Any]) -> Any:
    """Run one execution of a sync tool."""
    if _run is None or _inside.get() == name:
        return invoke()
    steps = _run.execution(name, arguments, call_id)
    token = _inside.set(name)
    try:
        step = next(steps)
        while True:
            try:
                result = None
                if isinstance(step, Body):
                    result = invoke()
                else:
                    time.sleep(step.seconds)
            except BaseException as error:  # noqa: BLE001 - handed to the execution, which records it and raises it again
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value
    finally:
        _inside.reset(token)
        steps.close()
