"""Writing results: each line as it comes, the whole file in its order at the end, then verdict and report."""

from __future__ import annotations

import io
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from agentlab_reports import Verdict, evaluate, render_html, summary, write_results
from agentlab_reports.schema import CellLine, Header, SuiteResults

from agentlab_suites.best import best_of
from agentlab_suites.plan import PlannedCell
from agentlab_suites.settings import Settings, unwritable

__all__ = ["Recorder", "stuck_line"]


class Recorder:
    """The results of one run: suites by name and cells by id, as the file has them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._growing: io.FileIO | None = None
        """The results file while it grows, its lines not yet in order; unbuffered, so that a run that dies loses nothing."""
        self.lines: dict[tuple[str, str], CellLine] = {}
        self.verdict: Verdict | None = None
        """What was decided at the end."""
        self.summary = ""
        """What the terminal says at the end."""

    def add(self, line: CellLine, headers: Callable[[], Sequence[Header]]) -> None:
        """Keep a cell's line, in the file too. The first one makes the file afresh. Raises pytest.UsageError if it cannot be made."""
        if self._growing is None:
            self._growing = self._make()
            for header in headers():
                self._growing.write(header.model_dump_json().encode() + b"\n")
        self.lines[line.suite, line.id] = line
        self._growing.write(line.model_dump_json().encode() + b"\n")

    def _make(self) -> io.FileIO:
        with _writing("results", self._settings.results):
            self._settings.results.parent.mkdir(parents=True, exist_ok=True)
            growing = self._settings.results.open("wb", buffering=0)
        with _writing("report", self._settings.report):
            self._settings.report.parent.mkdir(parents=True, exist_ok=True)
            self._settings.report.unlink(missing_ok=True)
        return growing

    def finish(self, headers: Iterable[Header], session: pytest.Session) -> int | None:
        """Write results and report. The gate's exit code (0, 1 or 3); None if the run was narrowed, and the gate not evaluated."""
        if self._growing is not None:
            self._growing.close()
        suites = [self._suite(header, session) for header in sorted(headers, key=lambda header: header.suite)]
        baseline = self._settings.baseline
        with _writing("results", self._settings.results):
            write_results(self._settings.results, suites)
        verdict = self.verdict = evaluate(suites, baseline)
        page = render_html(suites, verdict, baseline)
        with _writing("report", self._settings.report):
            self._settings.report.write_text(page, "utf-8")
        narrowed = next((suite.header.narrowed for suite in suites if suite.header.narrowed), "")
        if narrowed:
            self.summary = self._narrowed(narrowed, suites)
            return None
        self.summary = summary(verdict, report=self._settings.report)
        return verdict.exit_code

    def _suite(self, header: Header, session: pytest.Session) -> SuiteResults:
        cells = sorted((line for (suite, _), line in self.lines.items() if suite == header.suite), key=lambda line: line.id)
        controls = sum(line.passed for line in cells if not line.schedule)
        header = header.model_copy(update={"narrowed": self._why_narrowed(header, len(cells), session)})
        if not header.narrowed:
            header.control.passed = controls
        return SuiteResults(header=header, cells=cells)

    def _why_narrowed(self, header: Header, played: int, session: pytest.Session) -> str:
        """Which option left cells of the plan out; empty for a whole run, and for one that broke off by itself."""
        if self._settings.globs:
            return f"--agentlab-faults {','.join(self._settings.globs)}"
        if played >= header.planned + len(header.discovery_errors):
            return ""
        option = session.config.option
        if session.shouldfail or (session.testsfailed and option.maxfail):
            return "-x"
        given = [
            f"-k {option.keyword}" if option.keyword else "",
            f"-m {option.markexpr}" if option.markexpr else "",
            "node ids" if any("::" in str(argument) for argument in session.config.args) else "",
            "--lf" if getattr(option, "lf", False) else "",
            "--sw" if getattr(option, "stepwise", False) else "",
            "--deselect" if getattr(option, "deselect", None) else "",
        ]
        return ", ".join(filter(None, given))

    def _narrowed(self, why: str, suites: Sequence[SuiteResults]) -> str:
        played = sum(len(suite.cells) for suite in suites)
        planned = sum(suite.header.planned for suite in suites)
        return f"gate not evaluated: the run was narrowed ({why}), {played} of {planned} cells\nReport: {self._settings.report}"


@contextmanager
def _writing(name: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(name, path, error) from error


def stuck_line(cell: PlannedCell) -> CellLine:
    """The line of a cell that could not be ended."""
    scene, schedule = cell.scene, cell.schedule
    best, best_why = best_of(schedule, scene.loaded.suite.fallback, ())
    injection = schedule.injections[0] if schedule.injections else None
    return CellLine(
        suite=scene.loaded.name,
        id=cell.id,
        scenario=scene.name,
        schedule=schedule.name,
        faults=[one.fault.row.id for one in schedule.injections],
        point=(injection.at or "") if injection else "",
        shape=injection.shape if injection and not schedule.mode else "",
        mode=schedule.mode,
        boundary=injection.fault.row.boundary if injection else "",
        family=injection.fault.row.family if injection else "",
        outcome="hang",
        row=4,
        why="The agent waits for a real thread or a blocking call that never ends; the watchdog had to end the whole process.",
        best=best,
        best_why=best_why,
        allowed=scene.allowed(schedule, best),
        passed=False,
        deadline=scene.setup.deadline,
        replay=f"agentlab replay {shlex.quote(cell.id)}",
    )
