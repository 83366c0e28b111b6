"""What `Agent.stream` tells while a turn is under way, and how an answer is shown before it is known to be one.

Visible commitment: as long as nothing of an answer was shown, a broken stream is asked for again, or from another model, and nobody sees
it. From the first shown word on, it is never done in silence: `Withdrawn` takes the words back first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from agentlab.result import Reply
from agentlab.text import clean, without_thoughts

__all__ = ["Listener", "Screen", "StreamEvent", "TextDelta", "ToolCalled", "ToolReturned", "Withdrawn", "told"]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More words of the answer that step number `step` (from 1) is giving."""

    text: str
    step: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """All words of this step so far are void: take them off the screen. What replaces them, if anything does, follows."""

    step: int
    reason: str


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """A tool is about to be called."""

    tool: str
    input: dict[str, Any]
    step: int


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """A tool was called; `error` is empty if it succeeded, `seconds` is how long it took.

    >>> event = ToolReturned("lookup_order", error="", seconds=0.4, step=1)
    >>> f"{event.tool}: {event.error or 'done'} in {event.seconds} s"
    'lookup_order: done in 0.4 s'
    """

    tool: str
    error: str
    seconds: float
    step: int


StreamEvent = TextDelta | Withdrawn | ToolCalled | ToolReturned | Reply
"""The last one is the `Reply`, and its `text` is what holds: a degraded answer may say something else than what was shown."""

Listener = Callable[[StreamEvent], None]

TAG = "<think>"


class Screen:
    """What is shown of one attempt's answer: never half a character, never a model's thoughts.

    The texts shown, put together, are what `accept` makes of the whole text, or a beginning of it.
    """

    def __init__(self, listener: Listener, step: int) -> None:
        """`_raw` is the text from the first place on whose reading is open, `_read` how much of what it reads as was shown."""
        self._listener = listener
        self._step = step
        self._raw = ""
        self._read = self._shown = 0

    def add(self, text: str) -> None:
        """More of the answer."""
        self._raw += text
        end = _certain(self._raw)
        readable = without_thoughts(clean(self._raw[:end]))
        self._show(readable[self._read :])
        self._read = len(readable)
        if TAG not in self._raw:
            self._raw, self._read = self._raw[end:], 0

    def finish(self, text: str) -> None:
        """Show what is left of the answer's text."""
        self._show(text[self._shown :])

    def _show(self, text: str) -> None:
        if text:
            self._listener(TextDelta(text, self._step))
            self._shown += len(text)

    def withdraw(self, reason: str) -> None:
        """Take back what was shown, if anything was."""
        if self._shown:
            self._listener(Withdrawn(self._step, reason))
        self._raw, self._read, self._shown = "", 0, 0


def _certain(text: str) -> int:
    """Length of the beginning whose reading does not depend on what follows: without half a pair of surrogates, or half a tag."""
    end = len(text)
    if text and "\ud800" <= text[-1] <= "\udbff":
        end -= 1
    return next((end - n for n in range(min(len(TAG) - 1, end), 0, -1) if TAG.startswith(text[end - n : end])), end)


async def told(work: Callable[[Listener], Coroutine[Any, Any, Reply]]) -> AsyncGenerator[StreamEvent]:
    """What the work tells its listener, as it happens, then its reply. The work ends with whoever looks at it."""
    events: asyncio.Queue[StreamEvent | None] = asyncio.Queue()
    task = asyncio.ensure_future(work(events.put_nowait))
    task.add_done_callback(lambda _done: events.put_nowait(None))
    try:
        while (event := await events.get()) is not None:
            yield event
        yield task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})
