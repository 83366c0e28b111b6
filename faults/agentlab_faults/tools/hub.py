"""The hub: every execution of a tool passes here, whatever the framework, and here it can be delayed, failed, repeated or answered.

A seam calls `around` (or `around_sync`) with the tool's name, its arguments, the model's call id if it knows it, and a way to run the body.
Without a run of the lab the body just runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

__all__ = [
    "NO_DEFAULTS",
    "Body",
    "Executor",
    "Silence",
    "Steps",
    "active",
    "around",
    "around_sync",
    "commit",
    "executing",
    "known",
    "say_failed",
]

NO_DEFAULTS: Mapping[str, Any] = MappingProxyType({})


def _uncounted() -> None:
    """For a body whose effects nobody counts."""


def _unheard(failed: bool) -> None:
    """For a body that nobody asks."""


@dataclass(frozen=True, slots=True)
class Body:
    """Step: run the tool's own body and send its result back. `committed` is called when the body says that its effect has happened,
    `failed` when it says whether it has failed, which not every framework raises."""

    committed: Callable[[], None] = _uncounted
    failed: Callable[[bool], None] = _unheard


@dataclass(frozen=True, slots=True)
class Silence:
    """Step: let this many virtual seconds pass."""

    seconds: float


Steps = Generator[Body | Silence, Any, Any]
"""One execution as steps; what the generator returns is the tool's result."""


class Executor(Protocol):
    """A run of the lab, as the hub sees it."""

    def declares(self, name: str) -> bool:
        """Whether the run knows a tool of this name."""
        ...

    def execution(self, name: str, arguments: Mapping[str, Any], call_id: str | None, defaults: Mapping[str, Any]) -> Steps:
        """The steps of one execution. `defaults` are the arguments that the caller left to the tool's signature."""
        ...


@dataclass(slots=True, eq=False)
class _Running:
    """An execution under way. Tasks that its body starts inherit it, and may outlive it."""

    name: str
    running: bool = True
    committed: Callable[[], None] = _uncounted
    failed: Callable[[bool], None] = _unheard


_run: Executor | None = None
_inside: contextvars.ContextVar[_Running | None] = contextvars.ContextVar("agentlab_tool", default=None)
"""The execution whose body is running, so that a tool wrapped twice is one execution."""


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


def known(names: Sequence[str]) -> str:
    """The first of a tool's names that the run declares, else the first."""
    return next((name for name in names if _run is not None and _run.declares(name)), names[0])


def commit() -> None:
    """Say that the running tool's effect has happened, for a body that does more afterwards. Without the lab it does nothing."""
    inside = _inside.get()
    if _run is not None and inside is not None:
        inside.committed()


def say_failed(name: str, failed: bool) -> None:
    """Say whether the running tool of this name has failed, for a body whose caller may make an ordinary value of that.

    A body that tries again says it again.
    """
    inside = _inside.get()
    if inside is not None and _is_running(name):
        inside.failed(failed)


def _is_running(name: str) -> bool:
    inside = _inside.get()
    return inside is not None and inside.running and inside.name == name


@contextlib.contextmanager
def _within(name: str) -> Iterator[_Running]:
    execution = _Running(name)
    token = _inside.set(execution)
    try:
        yield execution
    finally:
        execution.running = False
        _inside.reset(token)


async def around(
    name: str,
    arguments: Mapping[str, Any],
    call_id: str | None,
    invoke: Callable[[], Any],
    defaults: Mapping[str, Any] = NO_DEFAULTS,
) -> Any:
    """Run one execution of an async tool; `invoke` gives an awaitable, or the value itself."""
    if _run is None or _is_running(name):
        return await _settled(invoke())
    steps = _run.execution(name, arguments, call_id, defaults)
    try:
        step = next(steps)
    except StopIteration as end:
        return end.value
    return await _go_on(name, steps, step, invoke)


async def _go_on(name: str, steps: Steps, step: Body | Silence, invoke: Callable[[], Any]) -> Any:
    """Take this step and all that follow."""
    with _within(name) as execution, contextlib.closing(steps):
        try:
            while True:
                try:
                    result = await (_body(execution, step, invoke) if isinstance(step, Body) else asyncio.sleep(step.seconds))
                except BaseException as error:  # noqa: BLE001 - handed to the execution, which records it and raises it again
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as end:
            return end.value


async def _body(execution: _Running, step: Body, invoke: Callable[[], Any]) -> Any:
    execution.committed, execution.failed = step.committed, step.failed
    return await _settled(invoke())


async def _settled(value: Awaitable[Any] | Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def around_sync(
    name: str,
    arguments: Mapping[str, Any],
    call_id: str | None,
    invoke: Callable[[], Any],
    defaults: Mapping[str, Any] = NO_DEFAULTS,
) -> Any:
    """Run one execution of a sync tool. If its body gives an awaitable, the execution lasts until that has been awaited."""
    if _run is None or _is_running(name):
        return invoke()
    steps = _run.execution(name, arguments, call_id, defaults)
    with _within(name) as execution, contextlib.ExitStack() as ending:
        ending.callback(steps.close)
        try:
            step = next(steps)
            while True:
                try:
                    result = None
                    if isinstance(step, Body):
                        execution.committed, execution.failed = step.committed, step.failed
                        result = invoke()
                    else:
                        time.sleep(step.seconds)
                except BaseException as error:  # noqa: BLE001 - handed to the execution, which records it and raises it again
                    step = steps.throw(error)
                    continue
                if inspect.isawaitable(result):
                    ending.pop_all()
                    return _go_on(name, steps, step, _first(result, invoke))
                step = steps.send(result)
        except StopIteration as end:
            return end.value


def _first(result: Any, invoke: Callable[[], Any]) -> Callable[[], Any]:
    """`invoke`, but for the first time, which has been."""
    begun = [result]
    return lambda: begun.pop() if begun else invoke()
