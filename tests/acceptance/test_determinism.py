"""The same suite, agent and seed give the same bytes."""

from __future__ import annotations

import json
from typing import Any

PLAIN = ("pytest", "shop.suite.yaml", "-q")


def test_two_processes_with_different_hash_seeds_write_the_same_bytes(project: Any) -> None:
    project.run(*PLAIN, "--agentlab-results", "one.jsonl", PYTHONHASHSEED="1")
    project.run(*PLAIN, "--agentlab-results", "two.jsonl", PYTHONHASHSEED="2")
    assert project.results("one.jsonl") == project.results("two.jsonl")
    assert len(project.cells("one.jsonl")) > 20


def test_the_command_line_fixes_the_hash_seed_and_says_so(project: Any) -> None:
    project.run("agentlab.cli", "test", "shop.suite.yaml", "-k", "control")
    header = json.loads(project.results().splitlines()[0])
    assert header["extra"] == {"hash_seed": "0"}


def test_two_workers_write_what_one_process_writes(project: Any) -> None:
    project.run(*PLAIN, "--agentlab-results", "serial.jsonl")
    project.run(*PLAIN, "-n", "2", "--agentlab-results", "parallel.jsonl")
    assert project.results("serial.jsonl") == project.results("parallel.jsonl")


def test_another_seed_changes_delays_and_no_outcome(project: Any) -> None:
    for seed in ("0", "7"):
        project.run(*PLAIN, "--agentlab-seed", seed, "--agentlab-results", f"{seed}.jsonl")
    assert project.outcomes("0.jsonl") == project.outcomes("7.jsonl")
    waits = [[cell["virtual_seconds"] for cell in project.cells(name)] for name in ("0.jsonl", "7.jsonl")]
    assert waits[0] != waits[1]


def test_a_replayed_cell_has_the_same_timeline(project: Any) -> None:
    project.run(*PLAIN)
    before = next(cell for cell in project.cells() if cell["id"] == "refund_order[openai.chat.2-http_500-x3]")
    replayed = project.run("agentlab.cli", "replay", before["id"], "--json")
    after = json.loads(replayed.stdout)
    assert (after["timeline"], after["virtual_seconds"], after["outcome"]) == (
        before["timeline"],
        before["virtual_seconds"],
        before["outcome"],
    )
    assert before["timeline"]
