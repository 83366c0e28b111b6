"""The command line itself: help, errors in one sentence, the catalogue's commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from agentlab_faults.catalogue import all_modes
from agentlab_faults.fault import all_faults

from agentlab import cli
from agentlab.commands import demo

COMMANDS = ["demo", "explain", "faults", "faults list", "faults show", "gate", "replay", "report", "run", "schema", "test"]


def run(capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    """Run a command line in this process: its exit code, output and errors."""
    with pytest.raises(SystemExit) as ended:
        cli.main(line.split())
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "")
    assert (code, err) == (0, "")
    assert "agentlab demo" in out
    assert "Exit codes" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, f"{command} --help")
    assert code == 0
    assert "Example" in out
    assert f"agentlab {command}" in out


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("fautls", "'faults'"),
        ("faults lst", "'list'"),
        ("faults list --jsn", "'--json'"),
        ("faults show", "Missing argument"),
        ("faults show http_42_rate", "'http_429_rate'"),
        ("faults list htp_429_rat*", "'http_429_rate'"),
        ("faults list --boundary tols", "'tool'"),
        ("faults list --boundary", "requires an argument. See `agentlab faults list --help`."),
        ("test lookup.suite.yaml --shapes two", "Invalid value for '--shapes': 'two' is not one of 'all', 'one'."),
        ("explain ignored_retry", "'ignored_retry_after'"),
        ("report --outpt x", "'--output'"),
        ("gate --basline x", "'--baseline'"),
        ("--verson", "'--version'"),
    ],
)
def test_a_wrong_line_is_one_sentence_with_the_nearest_right_name(capsys: pytest.CaptureFixture[str], line: str, hint: str) -> None:
    code, out, err = run(capsys, line)
    assert (code, out) == (2, "")
    assert hint in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_failure_of_our_own_is_a_sentence_and_a_traceback_only_with_debug(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli, "app", broken)
    code, _, err = run(capsys, "faults")
    assert code == 3
    assert "ZeroDivisionError" in err
    assert err.count("\n") == 1
    code, _, err = run(capsys, "faults --debug")
    assert code == 3
    assert "Traceback" in err
    assert "raise ZeroDivisionError" in err


def test_a_key_in_an_error_is_masked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    key = "correct-horse-battery-staple"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    for line in (f"faults show {key}", f"faults show {key} --debug"):
        _, _, err = run(capsys, line)
        assert key not in err
    assert "[secret]" in err


def test_the_catalogue_is_listed_with_every_fault_and_below_them_every_mode(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "faults list")
    assert code == 0
    faults, modes = out.split("\n\n")
    assert [line.split()[0] for line in faults.splitlines()] == ["FAULT", *all_faults()]
    assert [line.split()[0] for line in modes.splitlines()] == ["MODE", *all_modes()]


def test_the_catalogue_as_json_can_be_read_by_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "faults list http_429* --json")
    entries = json.loads(out)
    assert {entry["boundary"] for entry in entries} == {"provider-http"}
    assert all(entry["id"].startswith("http_429") for entry in entries)


def test_as_json_faults_and_modes_are_each_a_list_of_their_own() -> None:
    def ids(*options: str) -> list[str]:
        listed = subprocess.run(
            [sys.executable, "-m", "agentlab.cli", "faults", "list", "--json", *options], capture_output=True, check=True
        )
        return [entry["id"] for entry in json.loads(listed.stdout)]

    assert len(ids()) == 231
    assert ids("--modes") == list(all_modes())


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("rate-limit-* --json", "Only modes are named 'rate-limit-*': add --modes."),
        ("http_* --modes", "Only faults are named 'http_*': leave out --modes."),
        ("http_* --boundary tool", "but 'http_429_rate' is elsewhere: leave out --boundary."),
        ("--boundary tool --modes", "leave out --boundary or --modes."),
    ],
)
def test_a_list_that_would_be_empty_is_refused_with_the_reason(capsys: pytest.CaptureFixture[str], line: str, advice: str) -> None:
    code, out, err = run(capsys, f"faults list {line}")
    assert (code, out) == (2, "")
    assert err.endswith(f"{advice}\n")


def test_the_help_of_the_list_names_each_boundary_and_how_many_faults_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "faults list --help")
    counts = Counter(fault.row.boundary for fault in all_faults().values())
    told = dict(line.split()[:2] for line in out.partition("Boundaries:\n")[2].splitlines())
    assert told == {boundary: str(count) for boundary, count in counts.items()}


@pytest.mark.parametrize(
    ("mode", "strikes"),
    [
        ("all-providers-outage", ["http_503: every request to a model, for the whole run"]),
        ("provider-brownout", ["http_529_overloaded: every second request to a model, for the whole run"]),
        (
            "outage-then-storm",
            [
                "http_503: every request to a model of the first provider, in the first 3 s",
                "http_429_rate (retry_after: 3.0): every request to a model of the first provider, from 3 s to 9 s",
            ],
        ),
        (
            "flapping-provider",
            [
                "net_conn_refused: every request to a model of the first provider, in spells of about 2 s with about 4 s between them",
            ],
        ),
        (
            "brownout-ramp",
            ["http_529_overloaded: a share of the requests to a model that goes from 40% to 70% within 60 s, for the whole run"],
        ),
        ("store-full", ["redis_oom: every command to the store that it can act on, for the whole run"]),
    ],
)
def test_a_mode_is_shown_with_where_and_when_its_faults_strike(capsys: pytest.CaptureFixture[str], mode: str, strikes: list[str]) -> None:
    _, out, _ = run(capsys, f"faults show {mode}")
    assert [line.strip() for line in out.partition("strikes")[2].splitlines()] == strikes


@pytest.mark.parametrize("name", ["http_429_rate", "primary-provider-outage"])
def test_a_fault_is_shown_with_what_it_simulates_and_what_an_agent_should_do(capsys: pytest.CaptureFixture[str], name: str) -> None:
    _, out, _ = run(capsys, f"faults show {name}")
    assert out.startswith("id")
    for word in ("simulates", "best", "why", "happens"):
        assert f"\n{word}" in out


def test_the_schema_of_suites_is_json_with_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "schema")
    schema = json.loads(out)
    assert "scenarios" in schema["properties"]
    assert schema["properties"]["faults"]["examples"] == [list(all_faults())]


def test_a_finding_is_explained_with_its_usual_fix(capsys: pytest.CaptureFixture[str]) -> None:
    _, listed, _ = run(capsys, "explain")
    codes = [line.split()[0] for line in listed.splitlines()[1:]]
    assert codes
    for code in codes:
        _, out, _ = run(capsys, f"explain {code}")
        assert "Usual fix:" in out


def test_the_command_line_starts_without_loading_the_lab_or_an_sdk() -> None:
    code = "import sys, agentlab.cli; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split())
    assert loaded & {"agentlab_faults", "agentlab_suites", "agentlab_reports", "openai", "httpx", "httpx2"} == set()


def test_ctrl_c_while_the_command_line_is_loaded_is_as_quiet_as_later() -> None:
    code = (
        "import sys, runpy\n"
        "class Stops:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stops())\n"
        "runpy.run_module('agentlab', run_name='__main__')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


def test_a_demo_that_is_stopped_says_nothing_of_results_that_it_could_not_write(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")  # or the command starts itself anew
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "_arguments", lambda *_: [])
    monkeypatch.setattr(demo, "run_pytest", lambda *_, **__: 130)
    code, out, err = run(capsys, "demo")
    assert (code, out, err.strip()) == (130, "", "")
