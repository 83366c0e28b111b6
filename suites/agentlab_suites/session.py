"""The lab's part of a pytest run: plans at collection, results as cells finish, and the verdict at the end."""

from __future__ import annotations

import datetime as dt
import os
import warnings
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from agentlab_faults.points import CHUNK
from agentlab_reports.schema import CellLine, Header, Waiver

from agentlab_suites.agents import load_agent
from agentlab_suites.headers import header_of, waived
from agentlab_suites.load import LoadedSuite, load_suite
from agentlab_suites.masking import MaskedFormatter, Masker
from agentlab_suites.plan import Discovered, PlannedCell, Prepared, cells_of, discover, prepare
from agentlab_suites.problems import BadAgent, BadInput, BadSuite
from agentlab_suites.recording import Recorder, stuck_line
from agentlab_suites.settings import settings_of
from agentlab_suites.shared import PlanFolder

__all__ = ["LabSession", "PlannedSuite"]

FRONT = "agentlab_front"
"""The name of the plugin by which `agentlab` says that it started pytest."""
UNDECIDABLE = 16
"""pytest's own codes end at 6."""


@dataclass(frozen=True, slots=True)
class PlannedSuite:
    """A suite's cells, ready to run."""

    prepared: Prepared
    cells: list[PlannedCell]
    waivers: list[Waiver]
    header: Header

    def waiver(self, cell: PlannedCell) -> Waiver | None:
        """The waiver that takes the cell out, if one does."""
        return waived(cell, self.waivers)


class LabSession:
    """One for each pytest process that has to do with suites. Registered as a plugin when the first suite is met."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._settings = settings_of(config)
        self._worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._here = config.invocation_params.dir
        run = self._worker["testrunuid"] if self._worker else getattr(config.option, "testrunuid", None)
        self._folder = PlanFolder(self._here / ".agentlab", run) if run else None
        self._planned: dict[Path, PlannedSuite] = {}
        self.recorder = Recorder(self._settings)
        self._bad_input = False
        self._failures = 0
        """Failed items that are not the lab's own failure."""
        self.mask = Masker()
        pytests_log = config.pluginmanager.get_plugin("logging-plugin")
        for name in ("log_cli_handler", "log_file_handler"):
            handler = getattr(pytests_log, name, None)
            if handler is not None and handler.formatter is not None:
                handler.setFormatter(MaskedFormatter(handler.formatter, self.mask))

    # Collection

    def planned(self, path: Path) -> PlannedSuite:
        """Load, prepare and discover a suite, once a process. Raises BadInput."""
        if path not in self._planned:
            loaded = load_suite(path)
            twin = next((other for other in self._planned.values() if other.prepared.loaded.name == loaded.name), None)
            if twin is not None:
                raise BadSuite(path, 1, f"{twin.prepared.loaded.path.name} is named {loaded.name!r} too; give one of them another 'name:'.")
            self._planned[path] = self._plan(loaded)
        return self._planned[path]

    def _plan(self, loaded: LoadedSuite) -> PlannedSuite:
        settings = self._settings
        prepared = prepare(loaded, self._agent(loaded), seed=settings.seed, watchdog=settings.watchdog)
        try:
            found = self._folder.discovered(loaded.path, lambda: self._discover(prepared)) if self._folder else self._discover(prepared)
            cells, left_out = self._cells(prepared, found)
        except BaseException:
            prepared.undo()
            raise
        waivers = _waivers(cells)
        header = header_of(prepared, found, cells, waivers, self._here, self.mask, shapes=settings.shapes, left_out=left_out)
        planned = PlannedSuite(prepared, cells, waivers, header)
        if self._folder:
            self._folder.add_header(loaded.path, planned.header)
        return planned

    def _cells(self, prepared: Prepared, found: list[Discovered]) -> tuple[list[PlannedCell], int]:
        """The cells, and how many the choice of shapes leaves out."""
        settings, named = self._settings, self._named_events(prepared.loaded)
        every = cells_of(prepared, found, settings.globs, named=named)
        if settings.shapes == "all":
            return every, 0
        chosen = cells_of(prepared, found, settings.globs, named=named, shapes=settings.shapes)
        return chosen, len(every) - len(chosen)

    def _named_events(self, loaded: LoadedSuite) -> list[str]:
        """The schedules at an event of a stream that the command line names by node id: the plan has three of each stream only."""
        ids = [str(arg).partition("::") for arg in self._config.args]
        cells = [name for path, _, name in ids if CHUNK in name and Path(path).name == loaded.path.name]
        return list(dict.fromkeys(name.partition("[")[2].removesuffix("]") for name in cells))

    def _discover(self, prepared: Prepared) -> list[Discovered]:
        """Discovery, without the secrets that a failure may tell: the workers share it in a file."""
        return [replace(found, failure=self.mask(found.failure)) for found in discover(prepared)]

    def _agent(self, loaded: LoadedSuite) -> Any:
        """The agent. Importing it may have put its keys into the environment (`load_dotenv`), so the mask looks there again."""
        try:
            return self._load_agent(loaded)
        finally:
            self.mask.learn()

    def _load_agent(self, loaded: LoadedSuite) -> Any:
        name = self._settings.agent
        if name:
            return load_agent(name, folder=self._settings.agent_folder)
        if loaded.suite.agent is None:
            raise BadSuite(loaded.path, 1, "The suite names no agent; add 'agent: module:attribute', or give --agentlab-agent.")
        try:
            return load_agent(loaded.suite.agent, folder=self._here, suite_folder=loaded.path.parent, trusted=False)
        except BadAgent as bad:
            raise loaded.bad(str(bad), "agent") from bad

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Mark a report of bad input, so that the controller of pytest-xdist sees it too, and keep secrets out of what was printed."""
        report = yield
        report.sections = [(title, self.mask(text)) for title, text in report.sections]
        call = getattr(report, "call", None)
        error = call.excinfo.value.__cause__ if call is not None and call.excinfo is not None else None
        if isinstance(error, BadInput):
            report.agentlab_bad_input = True  # type: ignore[attr-defined]  # reports carry what plugins add, across processes too
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note bad input."""
        self._bad_input |= hasattr(report, "agentlab_bad_input")

    # Cells

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send a cell's line along with its report, and keep secrets out of what the agent printed."""
        report = yield
        line: CellLine | None = getattr(item, "agentlab_line", None)
        if line is not None and call.when == "call":
            report.agentlab_line = line.model_dump_json() if self._worker else line  # type: ignore[attr-defined]  # as above
        if hasattr(item, "agentlab_line"):  # also without a line: the lab may have failed after the agent had printed
            report.sections = [(title, self.mask(text)) for title, text in report.sections]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the line down as soon as it is there, so that a run that dies leaves what it had."""
        found: CellLine | str | None = getattr(report, "agentlab_line", None)
        if isinstance(found, str) and not self._worker:
            found = CellLine.model_validate_json(found)
        if isinstance(found, CellLine) and not self._worker:
            self.recorder.add(found, self._headers)
        if report.failed:
            self._failures += not (_is_lost(report) or (isinstance(found, CellLine) and found.outcome == "error"))
        if _is_lost(report):
            self._take_stuck()

    def _take_stuck(self) -> None:
        """Write down the cells that ended their workers."""
        for line in self._folder.stuck() if self._folder and not self._worker else ():
            if (line.suite, line.id) not in self.recorder.lines:
                self.recorder.add(line, self._headers)

    def stuck(self, cell: PlannedCell) -> None:
        """Not even the watchdog could end the cell: write it down as hung and leave, since nothing else can be done."""
        try:
            line = stuck_line(cell)
            if not self._worker:
                self.recorder.add(line, self._headers)
            elif self._folder:
                self._folder.add_stuck(line)
            reporter = self._config.pluginmanager.get_plugin("terminalreporter")
            if reporter is not None:
                reporter.write_line(f"\n{cell.id} could not be ended by the watchdog; the results so far are in {self._settings.results}.")
                reporter.flush()
        finally:  # whatever cannot be written: nobody else ends this process
            os._exit(3)

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Keep secrets out of the agent's warnings, which pytest sums up at the end."""
        text = str(warning_message.message)
        if (masked := self.mask(text)) != text:
            warning_message.message = UserWarning(masked)

    # The end

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the results in the plan's order, and decide."""
        for planned in self._planned.values():
            planned.prepared.undo()
        if self._worker:
            return
        self._take_stuck()
        if self._bad_input:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        elif self.recorder.lines:
            code = self.recorder.finish(self._headers(), session)
            session.exitstatus = self._exit_code(session.exitstatus, code)

    def _exit_code(self, status: int, code: int | None) -> int:
        """A failed item or a refused gate is 1; undecidable is 16, also where the only failures are the lab's own.

        `agentlab test` ends with the gate's own decision, as `agentlab gate` does on the same results.
        """
        gate_alone = not self._failures or self._config.pluginmanager.has_plugin(FRONT)
        if code == 3 and (status == 0 or (status == 1 and gate_alone)):
            return UNDECIDABLE
        return 1 if code == 1 and status == 0 else status

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Say the verdict and where the report is, last of all: hundreds of lines about failed cells would push it off the screen."""
        yield
        if self.recorder.summary:
            terminalreporter.section("agentlab")
            terminalreporter.write_line(self.recorder.summary.rstrip())

    def pytest_unconfigure(self) -> None:
        """Remove what the workers shared."""
        if self._folder and not self._worker:
            self._folder.remove()

    def _headers(self) -> list[Header]:
        own = [planned.header for planned in self._planned.values()]
        return own or (self._folder.headers() if self._folder else [])


def _is_lost(report: pytest.TestReport) -> bool:
    """Whether pytest-xdist says that a worker ended in a cell: such a report is of no phase of its own and has no line."""
    return report.failed and report.when not in ("setup", "call", "teardown") and ".suite.y" in report.nodeid.partition("::")[0]


def _waivers(cells: list[PlannedCell]) -> list[Waiver]:
    today = dt.datetime.now(dt.UTC).date()
    found: dict[tuple[str, str], Waiver] = {}
    for cell in cells:
        skip = cell.scene.skipped(cell.schedule, today) if cell.schedule.injections else None
        if skip:
            for fault in [cell.schedule.mode] if cell.schedule.mode else [injection.fault.row.id for injection in cell.schedule.injections]:
                found[cell.scene.name, fault] = Waiver(scenario=cell.scene.name, fault=fault, reason=skip[0], until=skip[1])
    return list(found.values())
