"""Suites and cells as pytest collects and runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pytest
from agentlab_reports.schema import CellLine

from agentlab_suites.cell import play_cell
from agentlab_suites.plan import PlannedCell
from agentlab_suites.plugin import lab_session
from agentlab_suites.problems import BadInput
from agentlab_suites.session import LabSession, PlannedSuite
from agentlab_suites.telling import failure_text, one_line

__all__ = ["CellFailed", "CellItem", "SuiteFile"]


class CellFailed(AssertionError):  # noqa: N818  # a cell failed; that is its outcome, not an error of ours
    """A cell's outcome is not allowed. `line` is its line in the results."""

    def __init__(self, line: CellLine) -> None:
        super().__init__(one_line(line))
        self.line = line


class SuiteFile(pytest.File):
    """A `*.suite.yaml`; its items are the plan's cells."""

    @cached_property
    def shown(self) -> str:
        """The file as seen from where pytest was started."""
        return os.path.relpath(self.path, self.config.invocation_params.dir)

    def collect(self) -> Iterator[CellItem]:
        """Discover, and make an item for each cell. A suite or agent that cannot be used is one sentence."""
        lab = lab_session(self.config)
        try:
            planned = lab.planned(self.path)
        except BadInput as bad:
            raise self.CollectError(lab.mask(str(bad))) from bad
        for cell in planned.cells:
            yield CellItem.of(self, lab, planned, cell)


class CellItem(pytest.Item):
    """One cell."""

    def __init__(self, *, parent: SuiteFile, lab: LabSession, planned: PlannedSuite, cell: PlannedCell, **kwargs: Any) -> None:
        super().__init__(parent=parent, **kwargs)
        self._file = parent
        self._lab = lab
        self._planned = planned
        self.cell = cell
        self.agentlab_line: CellLine | None = None
        self.add_marker(f"chaos_{cell.kind}")
        for injection in cell.schedule.injections[:1]:
            self.add_marker(f"chaos_{injection.fault.row.boundary.replace('-', '_')}")
        waiver = planned.waiver(cell)
        if waiver is not None:
            self.add_marker(pytest.mark.skip(reason=f"waived until {waiver.until}: {waiver.reason}"))

    @classmethod
    def of(cls, parent: SuiteFile, lab: LabSession, planned: PlannedSuite, cell: PlannedCell) -> CellItem:
        """The item. Its node id is given as a string: pytest's `--lf` forgets custom items with brackets otherwise (pytest #15045)."""
        nodeid = f"{parent.nodeid}::{cell.id}"
        item: CellItem = cls.from_parent(parent, name=cell.id, nodeid=nodeid, lab=lab, planned=planned, cell=cell)
        return item

    def runtest(self) -> None:
        """Play the cell, judge it, fail if its outcome is not allowed."""
        planned = self._planned
        agent, seed = planned.prepared.agent, planned.prepared.seed
        line = play_cell(self.cell, agent, seed=seed, mask=self._lab.mask, on_stuck=lambda: self._lab.stuck(self.cell)).line
        self.agentlab_line = line
        self.user_properties += [(f"agentlab.{name}", value) for name, value in _properties(line)]
        if line.outcome == "not_exercised":
            pytest.skip(one_line(line))
        if not line.passed:
            raise CellFailed(line)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """A failing cell's own text."""
        if isinstance(excinfo.value, CellFailed):
            return failure_text(excinfo.value.line, self.where)
        return self._lab.mask(str(super().repr_failure(excinfo, style)))

    def reportinfo(self) -> tuple[os.PathLike[str], int, str]:
        """The suite's file, the scenario's line (from 0), the cell."""
        return self.path, self._planned.prepared.loaded.line("scenarios", self.cell.scene.name) - 1, self.name

    @property
    def where(self) -> str:
        """`path:line` of the scenario."""
        return f"{self._file.shown}:{self.reportinfo()[1] + 1}"


def _properties(line: CellLine) -> Iterator[tuple[str, str]]:
    yield "outcome", line.outcome
    yield "row", str(line.row)
    yield "best", line.best
    yield "scenario", line.scenario
    if line.mode or line.faults:
        yield "fault", line.mode or "+".join(line.faults)
    if line.point:
        yield "point", line.point
    if line.answered_by != "unknown":
        yield "answered_by", line.answered_by
