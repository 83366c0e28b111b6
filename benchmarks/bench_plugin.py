"""What the plugin costs an item (the bar is 1 ms): the run's loop, less the time spent playing cells, less what pytest itself takes.

What pytest takes is measured with bare items that play the same cells, fail where those fail, and say one word: an item class without
anything of the plugin's. The two take turns in one process, and the figure of both together is shown too.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from agentlab_suites import items
from agentlab_suites.agents import load_agent
from agentlab_suites.cell import play_cell
from agentlab_suites.load import load_suite
from agentlab_suites.masking import Masker
from agentlab_suites.plan import PlannedCell, Prepared, cells_of, discover, prepare

from benchmarks.measure import Figure, publish

SUITE = Path(__file__).with_name("refund.suite.yaml")
AGENT = "benchmarks.bench_cell:build"
ROUNDS = 5


class Clock:
    """A pytest plugin that counts CPU seconds: of the whole loop, and of playing cells."""

    prepared: Prepared

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

    @property
    def extra(self) -> float:
        """Milliseconds of an item beyond its cell."""
        return (self.loop - self.playing) / self.cells * 1e3


class BareItem(pytest.Item):
    """A cell without the plugin."""

    def __init__(self, *, clock: Clock, cell: PlannedCell, prepared: Prepared, mask: Masker, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._play = lambda: clock.play(cell, prepared.agent, mask=mask).line

    def runtest(self) -> None:
        line = self._play()
        if line.outcome == "not_exercised":
            pytest.skip("not exercised")  # as the plugin reports such a cell
        if not line.passed:
            raise AssertionError

    def repr_failure(self, excinfo: Any, style: Any = None) -> str:
        return "failed"


class Bare(Clock):
    """Collects the benchmark's suite as bare items."""

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.File:
        clock = self

        class BareFile(pytest.File):
            def collect(self) -> Iterator[BareItem]:
                loaded, mask = load_suite(file_path), Masker()
                clock.prepared = prepare(loaded, load_agent(AGENT))
                for cell in cells_of(clock.prepared, discover(clock.prepared), ["*"]):
                    yield BareItem.from_parent(self, name=cell.id, clock=clock, cell=cell, prepared=clock.prepared, mask=mask)

        file: BareFile = BareFile.from_parent(parent, path=file_path)
        return file

    def pytest_unconfigure(self) -> None:
        self.prepared.undo()


def run(clock: Clock, *arguments: str) -> Clock:
    """Play the benchmark's suite with every fault under pytest."""
    quiet = ["-q", "--no-summary", "-p", "no:cacheprovider", "-p", "no:randomly", "-o", "addopts=", f"--rootdir={Path.cwd()}"]
    imported = ["-W", "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning"]
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([str(SUITE), *quiet, *imported, *arguments], plugins=[clock])
    if clock.cells < 50:
        raise AssertionError(f"only {clock.cells} cells were played")
    return clock


def with_plugin(folder: str) -> Clock:
    """A run with the plugin."""
    clock = Clock()
    vars(items)["play_cell"] = clock.play
    return run(clock, "--agentlab-faults=*", f"--agentlab-results={Path(folder, 'results.jsonl')}")


def figures() -> list[Figure]:
    """Milliseconds of an item on top of its cell: the plugin's, and with pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        rounds = [(with_plugin(folder), run(Bare(), "-p", "no:agentlab")) for _ in range(ROUNDS + 1)][1:]
    plugin = [ours.extra - bare.extra for ours, bare in rounds]
    both, alone = ([clock.extra for clock in clocks] for clocks in zip(*rounds, strict=True))
    cell = statistics.median(ours.playing / ours.cells * 1e3 for ours, _ in rounds)
    note = f"{ROUNDS} alternated rounds of {rounds[0][0].cells} items, {min(plugin):.2f} to {max(plugin):.2f}"
    split = f"{min(both):.2f} to {max(both):.2f}; bare items that play the same cells: {statistics.median(alone):.2f} ms"
    return [
        Figure("the plugin, an item on top of its cell and of pytest", statistics.median(plugin), "ms", bar=1.0, note=note),
        Figure("pytest and the plugin, an item on top of its cell", statistics.median(both), "ms", note=split),
        Figure("a cell itself", cell, "ms"),
    ]


if __name__ == "__main__":
    publish(figures())
