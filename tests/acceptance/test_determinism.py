"""The same suite, agent and seed give the same bytes."""

from __future__ import annotations

import json
from typing import Any

PLAIN = ("pytest", "shop.suite.yaml", "-q")


def test_two_processes_with_different_hash_seeds_write_the_same_bytes(played: Any) -> None:
    played.run(*PLAIN, "--agentlab-results", "seed_two/r.jsonl", PYTHONHASHSEED="2")
    assert played.results() == played.results("seed_two/r.jsonl")
    assert len(played.cells()) > 20


def test_the_command_line_fixes_the_hash_seed_and_says_so(project: Any) -> None:
    project.run("agentlab.cli", "test", "shop.suite.yaml", "-k", "control")
    header = json.loads(project.results().splitlines()[0])
    assert header["extra"] == {"hash_seed": "0"}


def test_two_workers_write_what_one_process_writes(played: Any) -> None:
    played.run(*PLAIN, "-n", "2", "--agentlab-results", "workers/r.jsonl")
    assert played.results() == played.results("workers/r.jsonl")


def test_another_seed_changes_delays_and_no_outcome(played: Any) -> None:
    played.run(*PLAIN, "--agentlab-seed", "7", "--agentlab-results", "seven/r.jsonl")
    assert played.outcomes() == played.outcomes("seven/r.jsonl")
    waits = [[cell["virtual_seconds"] for cell in cells] for cells in (played.cells(), played.cells("seven/r.jsonl"))]
    assert waits[0] != waits[1]


def test_a_replayed_cell_has_the_same_timeline(played: Any) -> None:
    before = next(cell for cell in played.cells() if cell["id"] == "refund_order[openai.chat.2-http_500-x3]")
    replayed = played.run("agentlab.cli", "replay", before["id"], "--json")
    after = json.loads(replayed.stdout)
    assert (after["timeline"], after["virtual_seconds"], after["outcome"]) == (
        before["timeline"],
        before["virtual_seconds"],
        before["outcome"],
    )
    assert before["timeline"]
