"""Whether an agent that serves keeps anything of the runs that are over: 10,000 of 3 model calls and 2 tools each, every layer on."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from pathlib import Path

import httpx2

from benchmarks.bench_overhead import answer, ours
from benchmarks.frameworks.matrix import ANSWER
from benchmarks.measure import Figure, publish

RUNS = 10_000
WARM_UP = 1_000
"""Runs before the first measurement: caches fill."""
MOST_OBJECTS = 500
"""Objects that may be there more after all runs than after the warm-up: one for each twenty runs would be a leak."""
MOST_MEBIBYTES = 8.0


def resident() -> float:
    """Mebibytes of the process in memory (Linux; 0 elsewhere)."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if statm.exists() else 0.0


def measured() -> tuple[int, float]:
    """Objects and mebibytes."""
    gc.collect()
    return len(gc.get_objects()), resident()


async def served(runs: int) -> tuple[tuple[int, float], tuple[int, float]]:
    """What is there after the warm-up, and after all runs."""
    ask = ours()
    for number in range(runs):
        if number == WARM_UP:
            before = measured()
        if await ask() != ANSWER:
            sys.exit(f"run {number} gave another answer")
    return before, measured()


def figures(runs: int = RUNS) -> list[Figure]:
    """Objects and memory that 9,000 finished runs leave behind."""
    httpx2.AsyncHTTPTransport.handle_async_request = answer  # type: ignore[method-assign]
    (objects, size), (objects_after, size_after) = asyncio.run(served(runs))
    note = f"{runs:,} runs, {WARM_UP:,} of them before the first look"
    return [
        Figure("finished runs: objects left behind", objects_after - objects, "objects", bar=MOST_OBJECTS, note=note),
        Figure("finished runs: memory left behind", size_after - size, "MiB", bar=MOST_MEBIBYTES, note=f"of {size_after:.0f} MiB"),
    ]


if __name__ == "__main__":
    publish(figures())
