"""A key that the agent gives away is in nothing that the lab writes."""

from __future__ import annotations

from typing import Any

KEY = "sk-proj-planted0123456789abcdefPLANTED"


def test_a_planted_key_is_nowhere(project: Any) -> None:
    done = project.run(
        "agentlab.cli", "test", "shop.suite.yaml", "--agent", "agents.py:leaks", "--junitxml", "junit.xml", OPENAI_API_KEY=KEY
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    written = [path for path in project.folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.name for path in written} >= {"results.jsonl", "report.html", "junit.xml"}
    assert [path.name for path in written if KEY.encode() in path.read_bytes()] == []
