"""Which faults are planned: those that have something to change in what the fault-free run showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agentlab_faults import fault
from agentlab_faults.catalogue import complaints, select
from agentlab_faults.fault import BreaksTool, Strike, ToolCall
from agentlab_suites.agents import load_agent
from agentlab_suites.load import load_suite
from agentlab_suites.plan import cells_of, discover, prepare
from agentlab_suites.problems import BadInput

REWRITING = ["tool_empty_result", "tool_partial_result", "tool_plausible_wrong", "tool_stale_result"]
SUITE = """\
version: 1
tools:
  search_kb: {effect: read, returns: []}
  lookup_order: {effect: read, returns: {total: 49.90}}
  update_address: {effect: read}
scenarios:
  ask:
    prompt: Where is it?
    script:
      - call: {search_kb: {query: a}}
      - call: {lookup_order: {id: "1"}}
      - call: {update_address: {order: "1", address: b}}
      - say: Here.
"""


def planned(folder: Path, suite: str, agent: str, globs: Sequence[str] = REWRITING) -> list[str]:
    (folder / "ask.suite.yaml").write_text(suite)
    prepared = prepare(load_suite(folder / "ask.suite.yaml"), load_agent(agent))
    try:
        cells = cells_of(prepared, discover(prepared), globs)
    finally:
        prepared.undo()
    return [cell.schedule.name for cell in cells if cell.kind == "single" and not cell.schedule.name.endswith(("-x3", "-always"))]


def test_a_fault_that_would_leave_a_tools_result_as_it_is_is_not_planned(tmp_path: Path) -> None:
    assert planned(tmp_path, SUITE, "examples/bare_loop.py:build") == [
        "tool.lookup_order.1-tool_empty_result",
        "tool.lookup_order.1-tool_partial_result",
        "tool.lookup_order.1-tool_plausible_wrong",
        "tool.update_address.1-tool_empty_result",
        "tool.update_address.1-tool_partial_result",
    ]


def test_what_the_agent_makes_of_a_result_afterwards_changes_no_plan(tmp_path: Path) -> None:
    """It takes out of a result what a fault would have changed, or puts in what none is to be found in."""
    loop = Path("examples/bare_loop.py").read_text()
    line = "                messages.append({"
    takes = "                result = {'now': result.pop('status', ''), 'was': result.setdefault('state', '')}\n"
    (tmp_path / "takes.py").write_text(loop.replace(line, takes + line))
    suite = SUITE.replace("{total: 49.90}", "{total: 49.90, status: sent}").replace("returns: []", "returns: {articles: []}")
    assert [name for name in planned(tmp_path, suite, f"{tmp_path}/takes.py:build") if "stale" in name] == [
        "tool.lookup_order.1-tool_stale_result"
    ]


def test_a_fault_with_a_setting_without_a_default_is_refused_where_it_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(BreaksTool):
        """Has none."""

        row = replace(select(["tool_stale_result"])[0].row, id="slow")
        seconds: float

        def strike(self, call: ToolCall) -> Strike:
            return Strike(runs=True, delay=self.seconds)

        def moves(self, result: Any) -> bool:
            return bool(result)

    monkeypatch.setitem(fault._registry, "slow", Slow)
    assert planned(tmp_path, SUITE, "examples/bare_loop.py:build")
    with pytest.raises(BadInput, match="slow has no default for 'seconds'; give it one"):
        planned(tmp_path, SUITE + "faults: [slow]\n", "examples/bare_loop.py:build", [])
    assert complaints(Slow) == ["slow: `seconds` has no default; give it one, for suites play every fault with its default settings."]
