"""What pytest and the plugin cost an item on top of the engine (the bar is 1 ms): the run's loop, less the time spent playing cells."""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from agentlab_suites import items
from agentlab_suites.cell import play_cell

from benchmarks.measure import Figure, publish

SUITE = Path(__file__).with_name("refund.suite.yaml")
ROUNDS = 5


class Clock:
    """A pytest plugin that counts CPU seconds: of the whole loop, and of playing cells."""

    def __init__(self) -> None:
        self.loop = self.playing = 0.0
        self.cells = 0

    def play(self, *args: Any, **kwargs: Any) -> Any:
        """`play_cell`, timed."""
        begin = time.process_time()
        try:
            return play_cell(*args, **kwargs)
        finally:
            self.playing += time.process_time() - begin
            self.cells += 1

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        begin = time.process_time()
        try:
            return (yield)
        finally:
            self.loop += time.process_time() - begin


def run(folder: str) -> Clock:
    """Play the benchmark's suite with every fault under pytest."""
    clock = Clock()
    vars(items)["play_cell"] = clock.play
    quiet = ["-q", "--no-summary", "-p", "no:cacheprovider", "-p", "no:randomly", "-o", "addopts=", f"--rootdir={Path.cwd()}"]
    imported = ["-W", "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning"]
    ours = [*imported, "--agentlab-faults=*", f"--agentlab-results={Path(folder, 'results.jsonl')}"]
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([str(SUITE), *quiet, *ours], plugins=[clock])
    if clock.cells < 50:
        raise AssertionError(f"only {clock.cells} cells were played")
    return clock


def figures() -> list[Figure]:
    """Milliseconds of an item on top of its cell."""
    with tempfile.TemporaryDirectory() as folder:
        clocks = [run(folder) for _ in range(ROUNDS + 1)][1:]
    extra = [(clock.loop - clock.playing) / clock.cells * 1e3 for clock in clocks]
    cell = statistics.median(clock.playing / clock.cells * 1e3 for clock in clocks)
    note = f"median of {ROUNDS} runs of {clocks[0].cells} items, {min(extra):.2f} to {max(extra):.2f}; a cell itself took {cell:.2f} ms"
    return [Figure("pytest and plugin, an item on top of its cell", statistics.median(extra), "ms", bar=1.0, note=note)]


if __name__ == "__main__":
    publish(figures())
