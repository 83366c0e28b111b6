"""Broken suites and command lines: exit 2, one sentence that says where and what is right, and nothing is written or run."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentlab import cli

SUITE = """\
version: 1
agent: app.py:build
tools:
  lookup_order: {effect: read, returns: {total: 49.90}}
  refund: {effect: write, identity: [order]}
scenarios:
  refund_order:
    prompt: "Refund order 5512."
    script:
      - call: {lookup_order: {id: "5512"}}
      - say: "Order 5512 costs EUR 49.90."
    expect:
      - reply.contains: "49.90"
"""

APP = """\
from pathlib import Path

def lookup_order(id):
    Path("ran").touch()

def refund(order):
    Path("ran").touch()

def build():
    def agent(text):
        Path("ran").touch()
        return "Done!"
    return agent

number = 7
"""

BROKEN_SUITES: dict[str, tuple[str, str, str]] = {
    "an unknown key": ("agent: app", "agnet: app", ":2: |'agent'"),
    "an unknown key of a scenario": ("prompt:", "promt:", ":8: |'prompt'"),
    "an unknown key of a tool": ("effect: read", "efect: read", ":4: |'effect'"),
    "a wrong type": ("version: 1", "version: 1\nfallback: maybe", ":2: "),
    "a weight that is no number": ('prompt: "Refund', 'weight: heavy\n    prompt: "Refund', ":8: |weight"),
    "a negative deadline": ("version: 1", "version: 1\ndefaults: {deadline: -5s}", ":2: |deadline"),
    "another version": ("version: 1", "version: 2", ":1: |version"),
    "no version": ("version: 1\n", "", "version"),
    "no scenarios": (SUITE[SUITE.index("scenarios") :], "", "scenarios"),
    "an empty file": (SUITE, "", "empty"),
    "a list instead of a suite": (SUITE, "- version: 1\n", ":1: "),
    "no YAML": ("tools:", "tools: [", "refunds.suite.yaml:"),
    "a tab": ("  refund_order:", "\trefund_order:", ":7"),
    "a key given twice": ("version: 1", "version: 1\nversion: 1", ":2: |version"),
    "a bomb of aliases": (
        "version: 1",
        "version: 1\na: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *b, *b]",
        "refunds.suite.yaml:",
    ),
    "a Python object": ("agent: app.py:build", 'agent: !!python/object/apply:os.system ["touch ran"]', ":2: "),
    "a file outside the folder": ('"Refund order 5512."', "file:../secret.txt", ":8: |folder"),
    "a file that is not there": ('"Refund order 5512."', "file:prompt.txt", ":8: |prompt.txt"),
    "a tool that is not declared": ("call: {lookup_order", "call: {lookup_oder", ":10: |lookup_oder"),
    "a tool without a seam": ("lookup_order", "find_order", ":10: |at:"),
    "an identity that no call has": ("script:\n", 'script:\n      - call: {refund: {ordre: "5512"}}\n', ":5: |'ordre'"),
    "a suite and a command line without an agent": ("agent: app.py:build\n", "", ":1: |--agent"),
    "an unknown effect": ("effect: read", "effect: reed", ":4: |'read'"),
    "an unknown mode": ("version: 1", "version: 1\nmodes: [rate-limit-strom]", ":2: |'rate-limit-storm'"),
    "an unknown fault": ("version: 1", "version: 1\nfaults: [http_42_rate]", ":2: |'http_429_rate'"),
    "an unknown layer": ("version: 1", "version: 1\nlayers: [full, cache]", ":2: |'cached'"),
    "an unknown outcome": ("version: 1", "version: 1\nallow: [degraded]", ":2: |'degraded_honest'"),
    "an unknown check": ("reply.contains", "reply.contain", ":13: |'reply.contains'"),
    "a broken pattern": ("version: 1", 'version: 1\nadmits: ["("]', ":2: "),
    "a waiver without a day": ('prompt: "Refund', 'skip: {http_500: {reason: "no"}}\n    prompt: "Refund', ":8: "),
    "a script that ends in a call": ('      - say: "Order 5512 costs EUR 49.90."\n', "", "script"),
    "what comes later": ('prompt: "Refund', 'provider: live\n    prompt: "Refund', ":8: |live"),
    "an agent without an attribute": ("app.py:build", "app.py", ":2: |module:attribute"),
    "an agent's mistyped attribute": ("app.py:build", "app.py:biuld", ":2: |'build'"),
    "an agent's file that is not there": ("app.py:build", "ap.py:build", ":2: |'app.py'"),
    "an agent that is a number": ("app.py:build", "app.py:number", ":2: |int"),
    "an agent that fails to import": ("app.py:build", "broken.py:build", ":2: |ZeroDivisionError"),
    "an agent outside the folder": ("app.py:build", "../outside.py:build", ":2: |--agent"),
}
"""What is wrong: what stands in the good suite, what stands there instead, and what the sentence must hold (divided by |)."""

BROKEN_LINES: dict[str, tuple[str, str]] = {
    "a suite that is not there": ("test refund.suite.yaml", "'refunds.suite.yaml'"),
    "a shipped suite's mistyped name": ("test custmer_support", "'customer_support'"),
    "a file that is no suite": ("test app.py", ".suite.yaml"),
    "a folder without a suite": ("test empty", "no suite"),
    "no suite at all": ("test", "SUITE"),
    "an option that nobody knows": ("test refunds.suite.yaml --agnet app.py:build", "'--agent'"),
    "a seed that is no number": ("test refunds.suite.yaml --seed x", "--seed"),
    "a baseline that is not there": ("test refunds.suite.yaml --baseline old.jsonl", "old.jsonl"),
    "faults that do not exist": ("test refunds.suite.yaml --faults http_42_rate", "'http_429_rate'"),
    "an agent's mistyped module": ("test refunds.suite.yaml --agent agentlab.examples.suport:build", "'support'"),
    "an agent without a module": ("test refunds.suite.yaml --agent build", "module:attribute"),
    "a number of workers that is none": ("test refunds.suite.yaml -n many", "many"),
    "a replay without results": ("replay refund_order", "agentlab test"),
    "a gate without results": ("gate", "agentlab test"),
    "a gate on what is no results file": ("gate app.py", "app.py:1"),
    "a report of what is not there": ("report none.jsonl", "none.jsonl"),
    "a run of an unknown scenario": ("run hello --scenario refund_ordr", "'refund_order'"),
    "a run under an unknown fault": ("run hello --fault http_42_rate --at openai.chat.1", "'http_429_rate'"),
    "a run with a fault at no point": ("run hello --fault http_500 --at openai.chat.99", "openai.chat.1-http_500"),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good suite and an agent, as the current folder."""
    folder = tmp_path / "project"
    (folder / "empty").mkdir(parents=True)
    (folder / "app.py").write_text(APP)
    (folder / "broken.py").write_text("1 / 0\n")
    (folder / "refunds.suite.yaml").write_text(SUITE)
    (tmp_path / "outside.py").write_text(APP)
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    return folder


def refused(capsys: pytest.CaptureFixture[str], project: Path, line: str, hints: str) -> None:
    """Run a command line that must be refused as bad input."""
    before = {path for path in project.parent.rglob("*") if "__pycache__" not in path.parts}
    with pytest.raises(SystemExit) as ended:
        cli.main(line.split())
    captured = capsys.readouterr()
    assert (ended.value.code, captured.out) == (2, ""), captured
    assert captured.err.count("\n") == 1, captured.err
    assert all(hint in captured.err for hint in hints.split("|")), captured.err
    assert {path for path in project.parent.rglob("*") if "__pycache__" not in path.parts} == before


@pytest.mark.parametrize(("old", "new", "hints"), BROKEN_SUITES.values(), ids=BROKEN_SUITES)
def test_a_broken_suite_is_refused(capsys: pytest.CaptureFixture[str], project: Path, old: str, new: str, hints: str) -> None:
    assert old in SUITE
    (project / "refunds.suite.yaml").write_text(SUITE.replace(old, new, 1) if old != "lookup_order" else SUITE.replace(old, new))
    refused(capsys, project, "test refunds.suite.yaml", f"refunds.suite.yaml:|{hints}")


@pytest.mark.parametrize(("line", "hints"), BROKEN_LINES.values(), ids=BROKEN_LINES)
def test_a_broken_command_line_is_refused(capsys: pytest.CaptureFixture[str], project: Path, line: str, hints: str) -> None:
    refused(capsys, project, line, hints)
