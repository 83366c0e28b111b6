"""Suites with MCP servers: the example's tools behind a server that the lab answers for, cell by cell."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from agentlab_suites.agents import load_agent
from agentlab_suites.cell import play_cell
from agentlab_suites.load import load_suite
from agentlab_suites.plan import PlannedCell, Prepared, cells_of, discover, prepare
from agentlab_suites.problems import BadSuite

from tests.suites.mcp_servers import outcomes_of, serving, shop_suite

EXAMPLE = Path(__file__).parents[2] / "examples" / "mcp_tools.suite.yaml"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The client logs each fault with its traceback."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    loaded = load_suite(EXAMPLE)
    return prepare(loaded, load_agent("mcp_tools.py:build", folder=EXAMPLE.parent))


@pytest.fixture(scope="module")
def cells(prepared: Prepared) -> dict[str, PlannedCell]:
    found = discover(prepared)
    assert [one.failure for one in found] == [""]
    return {cell.id: cell for cell in cells_of(prepared, found)}


def test_requests_to_a_server_give_cells(cells: dict[str, PlannedCell]) -> None:
    assert "order_total[mcp.lookup_order.1-mcp_sse_cut-always]" in cells
    assert "order_total[mcp.initialize.1-mcp_connect_error]" in cells
    assert "order_total[mcp-server-down]" in cells
    assert not [name for name in cells if "stdio" in name]


def test_every_cell_of_the_example_passes_and_is_exercised(prepared: Prepared, cells: dict[str, PlannedCell]) -> None:
    lines = {name: play_cell(cell, prepared.agent).line for name, cell in cells.items()}
    assert {name: line.why for name, line in lines.items() if not line.passed} == {}
    assert not [name for name, line in lines.items() if line.schedule and line.seen == 0]
    assert lines["order_total[mcp.lookup_order.1-mcp_connect_error]"].outcome == "success"
    assert lines["order_total[mcp-server-down]"].outcome == "degraded_honest"


def test_the_timeline_shows_the_requests(prepared: Prepared, cells: dict[str, PlannedCell]) -> None:
    line = play_cell(cells["order_total[mcp.lookup_order.1-mcp_timeout]"], prepared.agent).line
    spans = [(span.label, span.status, span.detail, span.fault) for span in line.timeline if span.kind == "mcp"]
    assert ("mcp.lookup_order.1", "abandoned", "tools/call over http", "mcp_timeout") in spans
    assert ("mcp.lookup_order.1@2", "delivered", "tools/call over http", "") in spans


def test_a_tool_of_a_server_must_be_declared(tmp_path: Path) -> None:
    path = tmp_path / "x.suite.yaml"
    path.write_text("version: 1\nagent: a:b\nmcp: {shop: {tools: [refund]}}\nscenarios: {greet: {prompt: hi, script: [{say: hello}]}}\n")
    with pytest.raises(BadSuite, match="No tool is named 'refund'; declare it under 'tools:'"):
        load_suite(path)


@pytest.mark.parametrize("framework", ["openai_agents", "pydantic_ai"])
@pytest.mark.parametrize(("transport", "unreachable"), [("http", "mcp_connect_error"), ("stdio", "mcp_stdio_missing_binary")])
def test_a_frameworks_own_mcp_servers_are_seen_and_broken(framework: str, transport: str, unreachable: str, tmp_path: Path) -> None:
    ready = prepare(shop_suite(tmp_path), load_agent(f"framework_shop.py:{framework}_mcp_{transport}", folder=Path(__file__).parent))
    points, outcomes = outcomes_of(ready)
    assert points >= {"mcp.initialize.1", "mcp.tools_list.1", "mcp.lookup_order.1", "tool.lookup_order.1"}
    assert outcomes("mcp.lookup_order.1-mcp_is_error") == ("success", 1), "the error is shown to the model, which calls again"
    assert outcomes("tool.lookup_order.1-tool_exception") == ("success", 1), "so is a tool's own, which its server tells"
    assert outcomes(f"mcp.initialize.1-{unreachable}") == ("crash", 1)


@pytest.mark.parametrize("framework", ["openai_agents", "pydantic_ai"])
def test_a_real_server_inside_a_framework_is_broken_on_its_way(framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as (url, asked):
        monkeypatch.setenv("SHOP_MCP_URL", url)
        agent = load_agent(f"framework_shop.py:{framework}_mcp_http", folder=Path(__file__).parent)
        points, outcomes = outcomes_of(prepare(shop_suite(tmp_path, real=True), agent))
        assert points >= {"mcp.tools_list.1", "mcp.lookup_order.1", "tool.lookup_order.1"}
        assert asked == ["5512"], "in the fault-free run"
        assert outcomes("mcp.lookup_order.1-mcp_is_error") == ("success", 1)
        assert outcomes("tool.lookup_order.1-tool_exception") == ("success", 1)
        assert asked == ["5512"] * 3, "each fault struck before the server was asked, and the model's second call reached it"
        assert outcomes("mcp.lookup_order.1-mcp_html_200") == ("success", 1)
