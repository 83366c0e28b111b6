"""One figure and its bar, and the ways to get one: medians of alternated rounds, because a single run scatters."""

from __future__ import annotations

import dataclasses
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Figure", "alternated", "publish", "seconds_per_call", "spread"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value. `bar` is the most it may be, in the same unit; None for a figure that is only shown."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    note: str = ""

    @property
    def within(self) -> bool:
        """Whether the value keeps its bar."""
        return self.bar is None or self.value <= self.bar


def seconds_per_call(action: Callable[[], object], calls: int) -> float:
    """CPU seconds of one call, over `calls` calls: other processes on the machine do not count."""
    gc.collect()
    begin = time.process_time()
    for _ in range(calls):
        action()
    return (time.process_time() - begin) / calls


def alternated(actions: Sequence[Callable[[], object]], *, calls: int, rounds: int) -> list[list[float]]:
    """For each action its CPU seconds per call in each round; the rounds take turns, each time in another order."""
    figures: list[list[float]] = [[] for _ in actions]
    for action in actions:
        seconds_per_call(action, max(1, calls // 4))
    for number in range(rounds):
        order = range(len(actions)) if number % 2 else reversed(range(len(actions)))
        for index in order:
            figures[index].append(seconds_per_call(actions[index], calls))
    return figures


def spread(values: Sequence[float]) -> str:
    """`median (least to most)` of some ratios or figures."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def publish(figures: Sequence[Figure]) -> None:
    """Print the figures as JSON lines, for `python -m benchmarks` to collect."""
    for figure in figures:
        sys.stdout.write(json.dumps(dataclasses.asdict(figure)) + "\n")
