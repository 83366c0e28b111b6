"""The shipped support agent on each provider, whole and streamed, under the faults of its suite: no cell is worse than it may be.

A sample of two scenarios' cells; with AGENTLAB_FULL=1 every cell of every scenario: some 23,000 (in November 2026), of 30 to 40 ms
of a core each.
"""

from __future__ import annotations

import os
from pathlib import Path

import agentlab_suites
import pytest
from agentlab_suites.agents import load_agent
from agentlab_suites.cell import play_cell
from agentlab_suites.load import load_suite
from agentlab_suites.plan import cells_of, discover, prepare

from agentlab.examples import support_variants

SUITE = Path(agentlab_suites.__file__).parent / "shipped" / "customer_support.suite.yaml"
FULL = bool(os.environ.get("AGENTLAB_FULL"))
SCENARIOS = ("look_up_order", "refund_once")
EVERY = 9
"""One cell in so many is played; another one for each variant."""
PARTS = 4 if FULL else 1
"""A variant's cells are played in so many tests: for workers to share, and to show how far they are."""


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("variant", support_variants.__all__)
def test_on_every_provider_no_fault_makes_the_support_agent_worse_than_it_may_be(variant: str, part: int) -> None:
    agent = load_agent(f"agentlab.examples.support_variants:{variant}")
    prepared = prepare(load_suite(SUITE), agent)
    try:
        found = discover(prepared)
        assert [(one.scenario, one.failure) for one in found if one.failure] == []
        cells = cells_of(prepared, found)
        if variant.endswith("_streamed"):
            cells += cells_of(prepared, found, ("stream_*",))
        first = support_variants.__all__.index(variant)
        cells = cells[part::PARTS] if FULL else [cell for cell in cells if cell.scene.name in SCENARIOS][first::EVERY]
        played = [play_cell(cell, agent).line for cell in cells]
    finally:
        prepared.undo()
    assert [(line.id, line.outcome, line.why) for line in played if not line.passed and line.outcome != "not_exercised"] == []
    known = [
        line for line in played if "silent_wrong" not in line.allowed
    ]  # no agent can tell a lie, or a word that came twice, from the truth
    assert {line.outcome for line in known} <= {"success", "degraded_honest", "clean_failure", "not_exercised"}
    assert len(played) > 20
