"""The commands that play cells, as a user starts them: in a process of their own, in an empty folder."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BARE_LOOP = Path(__file__).parent.parent.parent / "examples" / "bare_loop.py"
SUITE = """\
version: 1
agent: bare_loop.py:build
faults: [http_500, body_truncated_json]
tools:
  lookup_order: {effect: read, returns: {total: 49.90}}
scenarios:
  lookup:
    prompt: "What does order 5512 cost?"
    script:
      - call: {lookup_order: {id: "5512"}}
      - say: "Order 5512 costs EUR 49.90."
    expect:
      - reply.contains: "49.90"
"""
CRASH = "lookup[openai.chat.1-body_truncated_json]"


@dataclasses.dataclass(frozen=True)
class Project:
    """A folder with a suite, and what `agentlab test` did in it."""

    folder: Path
    tested: subprocess.CompletedProcess[str]

    def run(self, *line: str) -> subprocess.CompletedProcess[str]:
        return agentlab(self.folder, *line, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")  # other packages' take seconds to load


def agentlab(folder: Path, *line: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """One command line, without this test run's own settings."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "PYTHONHASHSEED"))} | settings
    return subprocess.run(
        [sys.executable, "-m", "agentlab.cli", *line], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("project")
    (folder / "bare_loop.py").write_text(BARE_LOOP.read_text())
    (folder / "lookup.suite.yaml").write_text(SUITE)
    return Project(folder, agentlab(folder, "test", "lookup.suite.yaml", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"))


def test_an_agent_that_does_not_survive_is_not_shipped(project: Project) -> None:
    assert project.tested.returncode == 1, project.tested
    assert "DON'T SHIP" in project.tested.stdout
    assert f"Reproduce: agentlab replay '{CRASH}'" in project.tested.stdout


def test_results_and_report_lie_where_the_commands_look_for_them(project: Project) -> None:
    assert (project.folder / ".agentlab" / "last" / "report.html").is_file()
    gate = project.run("gate")
    assert (gate.returncode, gate.stderr) == (1, "")


def test_a_cell_is_replayed_step_by_step_and_is_the_same(project: Project) -> None:
    replayed = project.run("replay", CRASH)
    assert replayed.returncode == 1, replayed
    assert "The same as in the run" in replayed.stdout
    assert "llm openai.chat.1" in replayed.stdout
    assert "[body_truncated_json]" in replayed.stdout


def test_a_replay_s_line_is_the_recorded_one(project: Project) -> None:
    line = json.loads(project.run("replay", CRASH, "--json").stdout)
    recorded = [json.loads(row) for row in (project.folder / ".agentlab/last/results.jsonl").read_text().splitlines()]
    assert line in recorded


def test_an_ambiguous_cell_lists_its_matches(project: Project) -> None:
    replayed = project.run("replay", "openai.chat.2-http_500")
    assert replayed.returncode == 2
    assert "lookup[openai.chat.2-http_500-always]" in replayed.stderr


def test_a_part_of_an_id_that_names_one_cell_is_enough(project: Project) -> None:
    assert project.run("replay", "chat.2-http_500-always").returncode == 1


def test_the_verdict_stands_below_the_list_of_failed_cells(project: Project) -> None:
    lines = project.tested.stdout.splitlines()
    [verdict] = [n for n, line in enumerate(lines) if "DON'T SHIP" in line]
    assert max(n for n, line in enumerate(lines) if line.startswith("FAILED ")) < verdict


def test_an_undecidable_gate_is_the_exit_code_though_the_discovery_failed(project: Project) -> None:
    (project.folder / "wrong.suite.yaml").write_text(SUITE.replace('reply.contains: "49.90"', 'reply.contains: "another price"'))
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--results", "wrong.jsonl", "--report", "wrong.html")
    tested = project.run("test", "wrong.suite.yaml", *options)
    assert "UNDECIDABLE  (exit 3)" in tested.stdout
    assert (tested.returncode, project.run("gate", "wrong.jsonl").returncode) == (3, 3), tested


def test_a_shipped_suite_is_played_with_the_settings_of_the_current_folder(project: Project) -> None:
    (project.folder / "pytest.ini").write_text("[pytest]\nagentlab_agent = bare_loop.py:gone\n")
    try:
        tested = project.run("test", "incidents", "--collect-only", "-q")
    finally:
        (project.folder / "pytest.ini").unlink()
    assert (tested.returncode, "'gone'" in tested.stdout + tested.stderr) == (2, True), tested


def test_what_cannot_be_collected_is_no_interrupt(project: Project) -> None:
    folder = project.folder / "broken"
    folder.mkdir()
    (folder / "lookup.suite.yaml").write_text(SUITE)
    (folder / "test_broken.py").write_text("1 / 0\n")
    tested = project.run("test", "broken", "-q", "-p", "no:cacheprovider", "--results", "broken.jsonl")
    assert (tested.returncode, "ZeroDivisionError" in tested.stdout) == (3, True), tested


TALKATIVE = """
import os

print("imported with", os.environ["SHOP_API_KEY"])
silent = build


def build():
    print("built with", os.environ["SHOP_API_KEY"], end="")
    return silent()
"""


def test_what_an_agent_prints_stays_out_of_the_results_of_a_command_and_holds_no_secret(project: Project) -> None:
    (project.folder / "talkative.py").write_text(BARE_LOOP.read_text().partition("if __name__")[0] + TALKATIVE)
    environment = {**os.environ, "SHOP_API_KEY": "a-key-that-is-told", "PYTHONHASHSEED": "0", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for line in (
        ["test", "lookup.suite.yaml", "--agent", "talkative.py:build", "-k", "control", "--results", "talk.jsonl", "-p", "no:randomly"],
        ["replay", CRASH, "--agent", "talkative.py:build", "--json"],
    ):
        command = [sys.executable, "-m", "agentlab.cli", *line]
        done = subprocess.run(command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False)
        assert "imported with [secret]\n" in done.stderr
        assert "a-key-that-is-told" not in done.stdout + done.stderr
    assert "built with [secret]" in done.stderr
    assert json.loads(done.stdout)["id"] == CRASH


def test_some_cells_alone_are_not_a_verdict(project: Project) -> None:
    narrowed = project.run("test", "lookup.suite.yaml", "-q", "-k", "control", "--results", "narrow.jsonl")
    assert narrowed.returncode == 0, narrowed
    assert "gate not evaluated" in narrowed.stdout
    assert project.run("gate", "narrow.jsonl").returncode == 3


def test_the_reference_agent_runs_once_without_key_or_network(project: Project) -> None:
    ran = project.run("run", "Refund order 5512, it arrived broken.", "--json")
    assert ran.returncode == 0, ran
    told = json.loads(ran.stdout)
    assert told["ending"] == "returned"
    assert [commit["tool"] for commit in told["commits"]] == ["refund"]


def test_a_prompt_that_a_session_has_too_is_played_as_a_single_run(project: Project) -> None:
    ran = project.run("run", "Where is my order 5512, and what did I pay for it?")
    assert ran.returncode == 0, ran
    assert "scenario look_up_order" in ran.stdout


def test_a_fault_without_a_place_is_told_where_it_can_go(project: Project) -> None:
    ran = project.run("run", "Refund order 5512, it arrived broken.", "--fault", "http_503")
    assert ran.returncode == 2, ran
    assert ran.stderr.startswith("Say where http_503 strikes, with --at POINT; it can as: openai.chat.1-http_503, ")


def test_the_reference_agent_answers_under_a_fault_and_says_which_layer_did(project: Project) -> None:
    ran = project.run("run", "Refund order 5512, it arrived broken.", "--fault", "all-providers-outage")
    assert ran.returncode == 0, ran
    assert "answered by" in ran.stdout
    assert "answered by full" not in ran.stdout
    asked = project.run("run", "What is your return policy?", "--fault", "all-providers-outage")
    assert "answered by cached, status degraded" in asked.stdout


def test_a_planted_key_is_nowhere(project: Project) -> None:
    key = "sk-planted-0123456789abcdef0123456789"
    environment = {**os.environ, "OPENAI_API_KEY": key, "PYTHONHASHSEED": "0", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "agentlab.cli", "test", "lookup.suite.yaml", "--results", "planted/results.jsonl", "-p", "no:randomly"]
    done = subprocess.run(command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    written = "".join(path.read_text() for path in (project.folder / "planted").iterdir())
    assert "body_truncated_json" in written
    assert key not in written + done.stdout + done.stderr
