"""Small results for tests: one cell, one suite, with what a test cares about as arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentlab_reports.schema import CellLine, Control, FaultInfo, GateSettings, Header, Outcome, Pair, ScenarioInfo, SuiteResults

__all__ = ["cell", "control", "fault", "no_gate", "suite"]

no_gate = GateSettings(critical=None, failed=None, regressed=None)


def cell(fault: str = "http_500", outcome: Outcome = "success", **fields: Any) -> CellLine:
    """A cell of scenario `refund` at `openai.chat.1`, that struck and was seen once."""
    scenario, point = fields.pop("scenario", "refund"), fields.pop("point", "openai.chat.1")
    defaults: dict[str, Any] = {
        "suite": "shop",
        "schedule": f"{point}-{fault}",
        "faults": [fault],
        "boundary": "provider-http",
        "family": "server error",
        "row": 8,
        "why": "every check holds",
        "passed": outcome == "success",
        "answered_by": "full",
        "fired": 1,
        "seen": 1,
        "replay": f"agentlab replay '{scenario}[{point}-{fault}]'",
    }
    fields = {**defaults, **fields}
    name = f"{scenario}[{fields['schedule']}]"
    return CellLine(**{"id": name, "scenario": scenario, "point": point, "outcome": outcome, **fields})


def control(scenario: str = "refund", *, passed: bool = True, **fields: Any) -> CellLine:
    """The fault-free control of a scenario."""
    outcome: Outcome = "success" if passed else "silent_wrong"
    return cell("", outcome, scenario=scenario, point="", schedule="", faults=[], passed=passed, fired=0, seen=0, **fields)


def fault(name: str = "http_500", **fields: Any) -> FaultInfo:
    """A catalogue row."""
    defaults = {
        "boundary": "provider-http",
        "family": "server error",
        "category": "transient",
        "simulates": "The provider answers 500.",
        "happens": "A bad deploy.",
        "agent_should": "Retry with backoff.",
        "rate": 0.01,
        "source": "a status page",
    }
    return FaultInfo(**{"id": name, **defaults, **fields})


def suite(cells: Sequence[CellLine], **header: Any) -> SuiteResults:
    """A suite of these cells. Unless named: a scenario for each that the cells name, a pair for each cell, a gate without conditions."""
    names = sorted({cell.scenario for cell in cells}) or ["refund"]
    struck = [cell for cell in cells if cell.schedule]
    defaults: dict[str, Any] = {
        "suite": "shop",
        "agent": "app:build",
        "scenarios": [ScenarioInfo(name=name) for name in names],
        "faults": {name: fault(name) for cell in struck for name in cell.faults},
        "pairs": [Pair(scenario=cell.scenario, point=cell.point, fault=cell.mode or cell.faults[0]) for cell in struck],
        "gate": no_gate,
        "control": Control(passed=len(names), total=len(names)),
        "planned": len(cells),
    }
    return SuiteResults(header=Header(**{**defaults, **header}), cells=list(cells))
