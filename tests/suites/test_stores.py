"""Suites with a store: the example's memory in Redis, cell by cell."""

from __future__ import annotations

from pathlib import Path

import pytest
from agentlab_suites.agents import load_agent
from agentlab_suites.cell import CellResult, play_cell
from agentlab_suites.load import load_suite
from agentlab_suites.plan import PlannedCell, Prepared, cells_of, discover, prepare
from agentlab_suites.problems import BadSuite

EXAMPLE = Path(__file__).parents[2] / "examples" / "redis_memory.suite.yaml"


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    loaded = load_suite(EXAMPLE)
    return prepare(loaded, load_agent("redis_memory.py:build", folder=EXAMPLE.parent))


@pytest.fixture(scope="module")
def cells(prepared: Prepared) -> dict[str, PlannedCell]:
    found = discover(prepared)
    assert [one.failure for one in found] == [""]
    return {cell.id: cell for cell in cells_of(prepared, found)}


def play(prepared: Prepared, cell: PlannedCell) -> CellResult:
    return play_cell(cell, prepared.agent)


def test_the_points_of_a_store_give_cells(cells: dict[str, PlannedCell]) -> None:
    assert "opening_hours[redis.get.1-redis_timeout-always]" in cells
    assert "opening_hours[redis.rpush.1-redis_readonly]" in cells
    assert "opening_hours[store-down]" in cells
    assert not [name for name in cells if name.startswith("opening_hours[openai")]


def test_every_cell_of_the_example_passes_and_is_exercised(prepared: Prepared, cells: dict[str, PlannedCell]) -> None:
    lines = {name: play(prepared, cell).line for name, cell in cells.items()}
    assert {name: line.why for name, line in lines.items() if not line.passed} == {}
    assert not [name for name, line in lines.items() if line.schedule and line.seen == 0]
    assert lines["opening_hours[store-down]"].outcome == "degraded_honest"
    assert lines["opening_hours[redis.get.1-redis_conn_lost_once]"].outcome == "success"
    assert lines["opening_hours[redis.get.1-redis_key_evicted]"].outcome == "silent_wrong"


def test_the_same_seed_gives_the_same_line(prepared: Prepared, cells: dict[str, PlannedCell]) -> None:
    cell = cells["opening_hours[store-flaky]"]
    assert play(prepared, cell).line == play(prepared, cell).line


def test_the_timeline_shows_attempts_and_never_what_the_store_holds(prepared: Prepared, cells: dict[str, PlannedCell]) -> None:
    line = play(prepared, cells["opening_hours[redis.get.1-redis_timeout-always]"]).line
    spans = [(span.label, span.status, span.detail, span.fault) for span in line.timeline if span.kind == "store"]
    assert spans[0] == ("redis.get.1", "timeout", "customer:#:name", "redis_timeout")
    assert [span[0] for span in spans][1:4] == ["redis.get.1@2", "redis.get.1@3", "redis.get.1@4"]
    assert "parcel" not in repr(spans)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("{postgres: {}}", "'postgres'"),
        ("{redis: {bodi: fake}}", "did you mean 'body'"),
    ],
)
def test_a_mistake_in_stores_is_one_sentence(tmp_path: Path, keys: str, sentence: str) -> None:
    path = tmp_path / "x.suite.yaml"
    scenario = "{prompt: hi, script: [{say: hello}]}"
    path.write_text(f"version: 1\nagent: a:b\nstores: {keys}\nscenarios: {{greet: {scenario}}}\n")
    with pytest.raises(BadSuite, match=sentence) as bad:
        load_suite(path)
    assert ":3: " in str(bad.value)


def test_a_store_in_memory_needs_fakeredis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    path = tmp_path / "x.suite.yaml"
    path.write_text("version: 1\nagent: a:b\nstores: {redis: {}}\nscenarios: {greet: {prompt: hi, script: [{say: hello}]}}\n")
    with pytest.raises(BadSuite, match=r"needs fakeredis: pip install 'agentlab-chaos\[service\]'"):
        load_suite(path)
