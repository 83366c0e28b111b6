"""Blocking functions beside the event loop, in threads that never keep the process alive.

The standard library's pool joins its threads at exit: one that hangs for ever would hold the process for ever. These are daemons.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """The function's result, or what it raised. A caller who is cancelled leaves the thread behind: it goes on, and nobody hears of it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    call = functools.partial(contextvars.copy_context().run, function, *args, **kwargs)
    name = f"agentlab-{getattr(function, '__name__', 'call')}"
    threading.Thread(target=_work, args=(loop, future, call), name=name, daemon=True).start()
    return await future


def _work(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], call: Callable[[], Any]) -> None:
    try:
        tell = functools.partial(_tell, future, result=call())
    except BaseException as error:  # noqa: BLE001  # whatever the function raises is its caller's: nobody would hear of it else
        tell = functools.partial(_tell, future, error=error)
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell)


def _tell(future: asyncio.Future[Any], *, result: Any = None, error: BaseException | None = None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(_carried(error))


def _carried(error: BaseException) -> Exception:
    """The error, unless a future cannot carry it, or it would end more than the call (SystemExit)."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"the function raised {type(error).__name__}")
