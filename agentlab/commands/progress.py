"""Progress while cells run, on standard error: a bar on a terminal, elsewhere a line for every tenth of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest
    from rich.console import Console

__all__ = ["CellProgress"]


class CellProgress:
    """Counts the cells of a pytest run, in this process or in xdist's workers."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
        )
        self._task = self._bar.add_task("finding the points", total=None)
        self._total = 0
        self._tenths = 0
        self.played = 0
        self.failed = 0

    def plugin(self) -> object:
        """A pytest plugin that reports here. A class inside a method, because pytest is imported late."""
        import pytest

        outer = self

        class Watcher:
            def pytest_sessionstart(self) -> None:
                outer.start()

            def pytest_collection_finish(self, session: pytest.Session) -> None:
                outer.found(len(session.items))

            @pytest.hookimpl(optionalhook=True)
            def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
                outer.found(len(ids))

            def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
                if report.when == "call" or (report.when == "setup" and not report.passed):
                    outer.ended(passed=report.passed)

            def pytest_collectreport(self, report: pytest.CollectReport) -> None:
                if report.failed:
                    outer.refused(report.longreprtext)

        return Watcher()

    def start(self) -> None:
        """The run begins."""
        if self._console.is_terminal:
            self._bar.start()
        else:
            self._console.print("finding the points ...", markup=False)

    def found(self, total: int) -> None:
        """So many cells are to be played."""
        if total in {0, self._total}:
            return
        self._total = total
        self._bar.update(self._task, total=total, description="breaking the agent")
        if not self._console.is_terminal:
            self._console.print(f"{total:,} cells to play", markup=False)

    def ended(self, *, passed: bool) -> None:
        """A cell was played."""
        self.played += 1
        self.failed += not passed
        self._bar.advance(self._task)
        tenths = 10 * self.played // self._total if self._total else 0
        if tenths > self._tenths and not self._console.is_terminal:
            self._tenths = tenths
            self._console.print(f"{self.played:,} of {self._total:,} cells, {self.failed:,} failed", markup=False)

    def refused(self, text: str) -> None:
        """Something could not be collected."""
        self._console.print(text, style="red", markup=False)

    def close(self) -> None:
        """The run is over; a bar disappears."""
        self._bar.stop()
