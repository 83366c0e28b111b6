"""Agents that are no good fail every suite that ships, by outcome, whatever else the gate would say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import agentlab_suites
import pytest
from agentlab_reports import SuiteResults, evaluate
from agentlab_reports.schema import CellLine, Control, GateSettings
from agentlab_suites.agents import load_agent
from agentlab_suites.cell import play_cell
from agentlab_suites.headers import header_of
from agentlab_suites.load import LoadedSuite, load_suite
from agentlab_suites.plan import Discovered, PlannedCell, cells_of, discover, prepare

HERE = Path(__file__).parent
SHIPPED = sorted((Path(agentlab_suites.__file__).parent / "shipped").glob("*.suite.yaml"))
CANARIES = {
    "done": {"silent_wrong"},
    "echo": {"silent_wrong"},
    "sorry": {"degraded_honest"},
    "raises": {"crash"},
    "parrot": {"silent_wrong"},
    "careless_done": {"silent_wrong"},
    "careless_sorry": {"degraded_honest"},
    "gives_up": {"clean_failure"},
}
EVERY = 23
"""Every so many-th cell is played: enough of each scenario to see, and quick."""


@cache
def loaded(path: Path) -> LoadedSuite:
    return load_suite(path)


@cache
def reference(path: Path) -> Sequence[Discovered]:
    """Discovery as a good agent does it."""
    suite = loaded(path)
    assert suite.suite.agent is not None
    return tuple(discover(prepare(suite, load_agent(suite.suite.agent))))


def sample(cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    return [cell for n, cell in enumerate(cells) if n % EVERY == 0 or cell.kind == "control" or cell.schedule.name == "tool-timeouts"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name.partition(".")[0])
@pytest.mark.parametrize("name", sorted(CANARIES))
def test_a_canary_fails_every_shipped_suite_by_its_outcomes(name: str, path: Path) -> None:
    """With discovery and controls taken from a good agent, and neither layers nor coverage asked for."""
    suite = loaded(path)
    agent = load_agent(f"canaries.py:{name}", folder=HERE)
    replies = {cell.prompts[-1]: str(cell.script[-1].say) for cell in suite.suite.scenarios.values()}
    assert agent.module is not None
    agent.module.REPLIES = {prompt: replies.get(prompt, "Yes.") for s in suite.suite.scenarios.values() for prompt in s.prompts}
    prepared = prepare(suite, agent)
    try:
        cells = cells_of(prepared, reference(path), force=True)
        chosen = sample(cells)
        lines = [play_cell(cell, agent).line for cell in chosen]
        header = header_of(prepared, reference(path), chosen, [], Path.cwd())
    finally:
        prepared.undo()
    header.layers = []
    header.control = Control(passed=len(reference(path)), total=len(reference(path)))
    header.planned = 0
    header.gate = GateSettings(critical=0, failed=0, below_best=0, coverage=None, score=None)
    exercised = [line for line in lines if line.schedule and line.outcome not in ("not_exercised", "error")]
    assert exercised
    assert {line.outcome for line in exercised} >= CANARIES[name], [line.why for line in exercised]
    assert any(not line.passed for line in exercised)
    assert not [line for line in lines if line.outcome == "error"], [line.why for line in lines if line.outcome == "error"]
    verdict = evaluate([SuiteResults(header=header, cells=[line for line in lines if line.schedule])])
    assert verdict.exit_code == 1, verdict.sentence


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name.partition(".")[0])
@pytest.mark.parametrize("name", sorted(set(CANARIES) - {"careless_done", "careless_sorry"}))
def test_a_canary_fails_discovery_of_every_scenario(name: str, path: Path) -> None:
    prepared = prepare(loaded(path), load_agent(f"canaries.py:{name}", folder=HERE))
    try:
        assert prepared.agent.module is not None
        prepared.agent.module.REPLIES = {}
        prepared.agent.module.REPLIES = {
            prompt: str(scenario.script[-1].say) for scenario in loaded(path).suite.scenarios.values() for prompt in scenario.prompts
        }
        failures = [found.failure for found in discover(prepared)]
    finally:
        prepared.undo()
    assert all(failures)


def test_the_reference_agent_passes_what_the_canaries_fail() -> None:
    [path] = [path for path in SHIPPED if path.name.startswith("incidents")]
    suite = loaded(path)
    assert suite.suite.agent is not None
    prepared = prepare(suite, load_agent(suite.suite.agent))
    lines: list[CellLine] = [play_cell(cell, prepared.agent).line for cell in sample(cells_of(prepared, reference(path)))]
    assert [f"{line.id}: {line.why}" for line in lines if not line.passed and line.outcome != "not_exercised"] == []
