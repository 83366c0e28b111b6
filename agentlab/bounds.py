"""What a run may use at most, and the deadline that pre-empts whatever it is doing."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agentlab.errors import BoundExceededError

__all__ = ["RESERVE", "Bounds", "Deadline", "Spending", "Usage", "forget", "within"]

T = TypeVar("T")

GRACE = 0.05
"""Seconds that cancelled work gets to clean up before it is left behind; none if it had no time from the start: it would come on top."""
RESERVE = 0.1
"""Part of the remaining time that the last model, or a person who is asked, leaves for the lower layers and for keeping the turn."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one run: model answers, tokens in and out, US dollars (None: unlimited), and wall-clock seconds.

    Raises ValueError for a bound under which nothing could run, or that bounds nothing.

    >>> Bounds(seconds=30, money=0.05)
    Bounds(steps=8, tokens=200000, money=0.05, seconds=30)
    """

    steps: int = 8
    tokens: int = 200_000
    money: float | None = None
    seconds: float = 120.0

    def __post_init__(self) -> None:
        for name in ("steps", "tokens", "money", "seconds"):
            bound = getattr(self, name)
            if bound is not None and not 0 < bound < math.inf:
                raise ValueError(f"Bounds({name}={bound}) is no bound: it must be more than 0, and finite.")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never less than 0."""
        return max(0.0, self.at - time.monotonic())

    def share(self, part: float) -> Deadline:
        """An earlier deadline: `part` (0 to 1) of what is left."""
        return Deadline(time.monotonic() + self.remaining * part)

    def check(self) -> None:
        """Raises BoundExceededError when no time is left."""
        if self.remaining <= 0:
            raise BoundExceededError("seconds", "The time for this run is used up")


@dataclass(slots=True)
class Usage:
    """Tokens and US dollars used. `estimated` is true if a provider did not report its tokens and they were estimated from the text.

    >>> (Usage(100, 20, 0.25) + Usage(50, 10, 0.5)).tokens
    180
    """

    input_tokens: int = 0
    output_tokens: int = 0
    money: float = 0.0
    estimated: bool = False

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.money + other.money,
            self.estimated or other.estimated,
        )


@dataclass(slots=True)
class Spending:
    """What a run has used so far, checked against its bounds *before* each call, the call's own maximum counted in."""

    bounds: Bounds
    usage: Usage = field(default_factory=Usage)
    steps: int = 0

    def step(self) -> None:
        """Count one step. Raises BoundExceededError if the run has had all of its steps."""
        if self.steps >= self.bounds.steps:
            raise BoundExceededError("steps", f"The run has had all of its {self.bounds.steps} steps")
        self.steps += 1

    def check(self, *, tokens: int, money: float) -> None:
        """Raises BoundExceededError if a call of at most so many tokens and dollars could pass a bound."""
        if self.usage.tokens + tokens > self.bounds.tokens:
            raise BoundExceededError("tokens", f"The next model call could pass the run's bound of {self.bounds.tokens} tokens")
        if self.bounds.money is not None and self.usage.money + money > self.bounds.money:
            raise BoundExceededError("money", f"The next model call could pass the run's bound of {self.bounds.money:g} dollars")

    def charge(self, *, input_tokens: int, output_tokens: int, money: float, estimated: bool) -> None:
        """Add a call that was made."""
        self.usage.input_tokens += input_tokens
        self.usage.output_tokens += output_tokens
        self.usage.money += money
        self.usage.estimated |= estimated


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, cut after `seconds`.

    Raises TimeoutError even if the work swallows its cancellation (it is then left behind), and RuntimeError if it cancels itself: only a
    caller who was cancelled sees CancelledError.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if done and task.cancelled():
        raise RuntimeError("the work cancelled itself")
    if done:
        return task.result()
    task.cancel()
    task.add_done_callback(forget)
    await asyncio.wait({task}, timeout=GRACE if seconds > 0 else 0)
    raise TimeoutError(f"no answer within {seconds:.1f} s")


def forget(task: asyncio.Task[Any]) -> None:
    """Look at what abandoned work raised, so that the loop does not report it as lost."""
    if not task.cancelled():
        task.exception()
