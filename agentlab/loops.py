"""Whose connections they are: an event loop's, which ends with it. `asyncio.run` for each turn makes a loop for each turn."""

from __future__ import annotations

import asyncio

__all__ = ["LoopWatch"]


class LoopWatch:
    """Watches, for somebody who keeps connections open, which event loop they were used in last."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def over(self) -> bool:
        """Whether the loop of the last time is over: a request on one of its connections might be sent, and its answer never read."""
        before, self._loop = self._loop, asyncio.get_running_loop()
        return before is not None and before.is_closed()
