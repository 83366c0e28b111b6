"""Whose connections and locks they are: an event loop's, which ends with it. `asyncio.run` for each turn makes a loop for each turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["LoopWatch", "PerLoop"]

T = TypeVar("T")


class LoopWatch:
    """Watches, for somebody who keeps connections open, which event loop they were used in last."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def over(self) -> bool:
        """Whether the loop of the last time is over: a request on one of its connections might be sent, and its answer never read."""
        before, self._loop = self._loop, asyncio.get_running_loop()
        return before is not None and before.is_closed()


class PerLoop(Generic[T]):
    """A lock or the like, made anew once its loop is over: one that somebody waited for in a loop refuses to be waited for in another."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made = make()
        self._loop = LoopWatch()

    def here(self) -> T:
        """The one for the running loop."""
        if self._loop.over():
            self._made = self._make()
        return self._made
