"""The shipped support agent on each provider, whole and streamed, under the faults of its suite: no cell is worse than it may be.

A sample of two scenarios' cells; with AGENTLAB_FULL=1 every cell of every scenario.
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


@pytest.mark.parametrize("variant", support_variants.__all__)
def test_on_every_provider_no_fault_makes_the_support_agent_worse_than_it_may_be(variant: str) -> None:
    agent = load_agent(f"agentlab.examples.support_variants:{variant}")
    prepared = prepare(load_suite(SUITE), agent)
    try:
        found = discover(prepared)
        assert [(one.scenario, one.failure) for one in found if one.failure] == []
        cells = cells_of(prepared, found)
        if variant.endswith("_streamed"):
            cells += cells_of(prepared, found, ("stream_*",))
        cells = [cell for cell in cells if FULL or cell.scene.name in SCENARIOS]
        first = support_variants.__all__.index(variant)
        played = [play_cell(cell, agent).line for cell in (cells if FULL else cells[first::EVERY])]
    finally:
        prepared.undo()
    assert [(line.id, line.outcome, line.why) for line in played if not line.passed and line.outcome != "not_exercised"] == []
    known = [
        line for line in played if "silent_wrong" not in line.allowed
    ]  # no agent can tell a lie, or a word that came twice, from the truth
    assert {line.outcome for line in known} <= {"success", "degraded_honest", "clean_failure", "not_exercised"}
    assert len(played) > 20
