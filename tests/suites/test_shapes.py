"""A choice of shapes: one of each pair, taken in turn from point to point and from scenario to scenario."""

from __future__ import annotations

from pathlib import Path

import agentlab_suites
from agentlab_suites.agents import load_agent
from agentlab_suites.load import load_suite
from agentlab_suites.plan import cells_of, discover, prepare

SUITE = Path(agentlab_suites.__file__).parent / "shipped" / "incidents.suite.yaml"


def test_each_scenario_begins_with_the_next_shape() -> None:
    prepared = prepare(load_suite(SUITE), load_agent("agentlab.examples.support:build"))
    try:
        cells = cells_of(prepared, discover(prepared), ["http_503"], shapes="one")
    finally:
        prepared.undo()
    first = [cell.id.partition("[")[2] for cell in cells if "[openai.chat.1-" in cell.id]
    assert first == ["openai.chat.1-http_503]", "openai.chat.1-http_503-x3]", "openai.chat.1-http_503-always]"]
