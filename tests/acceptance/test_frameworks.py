"""Frameworks in processes of their own: the same bytes whatever the hash seed, and what a lost confirmation does to each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
FRAMEWORKS = ("langchain", "langgraph", "litellm", "openai_agents", "pydantic_ai")


def one_suite_each(project: Any) -> list[str]:
    """The examples' suite for every framework, with a few faults: the files' names."""
    (project.folder / "agents.py").unlink()  # openai-agents is a package of that name
    text = (EXAMPLES / "order.suite.yaml").read_text()
    whole = 'faults: ["http_429_rate", "http_503", "net_read_timeout", "tool_*"]'
    assert whole in text
    for framework in FRAMEWORKS:
        shutil.copy(EXAMPLES / f"order_{framework}.py", project.folder)
        some = f"agent: order_{framework}.py:build\nfaults: [http_429_rate, tool_exception, tool_partial_success]"
        project.write(f"{framework}.suite.yaml", text.replace(whole, some))
    return [f"{framework}.suite.yaml" for framework in FRAMEWORKS]


def test_each_agent_is_written_in_twenty_lines() -> None:
    for framework in FRAMEWORKS:
        lines = (EXAMPLES / f"order_{framework}.py").read_text().splitlines()
        assert len([line for line in lines if line.strip() and not line.strip().startswith('"""')]) <= 20, framework


def test_two_processes_with_different_hash_seeds_write_the_same_bytes_for_every_framework(project: Any) -> None:
    suites = one_suite_each(project)
    for seed in ("1", "2"):
        done = project.run(
            *("pytest", *suites, "-q", "--agentlab-shapes=one", "--agentlab-results", f"{seed}.jsonl"),
            PYTHONHASHSEED=seed,
            LITELLM_LOCAL_MODEL_COST_MAP="True",
        )
        assert done.returncode == 1, done.stdout + done.stderr
    assert project.results("1.jsonl") == project.results("2.jsonl")
    cells = project.cells("1.jsonl")
    for framework in FRAMEWORKS:  # each pair of fault and point in one of its shapes, and every shape somewhere
        assert {cell["shape"] for cell in cells if cell["suite"] == framework} == {"", "once", "x3", "always"}
    assert {cell["outcome"] for cell in cells if not cell["schedule"]} == {"success"}
    lost = {cell["suite"]: cell["outcome"] for cell in cells if cell["id"] == "refund_order[tool.refund.1-tool_partial_success]"}
    assert lost == {
        "langchain": "hang",
        "langgraph": "hang",
        "litellm": "hang",
        "openai_agents": "duplicate_effect",
        "pydantic_ai": "duplicate_effect",
    }
