"""`agentlab report` and `agentlab gate`: exit codes from results alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agentlab_reports import write_results
from agentlab_reports.schema import CellLine, Control, GateSettings, Header, Outcome, Pair, ScenarioInfo, SuiteResults

from agentlab import cli


def results(path: Path, *outcomes: Outcome, planned: int | None = None, suite: str = "orders") -> Path:
    """A results file with one control and a cell for each outcome."""
    header = Header(
        suite=suite,
        planned=len(outcomes) + 1 if planned is None else planned,
        control=Control(passed=1, total=1),
        scenarios=[ScenarioInfo(name="lookup")],
        gate=GateSettings(),
        pairs=[Pair(scenario="lookup", point=f"openai.chat.{n}", fault="http_500") for n, _ in enumerate(outcomes, 1)],
    )
    cells = [CellLine(suite=suite, id="lookup[]", scenario="lookup", schedule="", outcome="success", row=8, why="It passed.", passed=True)]
    for n, outcome in enumerate(outcomes, 1):
        cells.append(
            CellLine(
                suite=suite,
                id=f"lookup[openai.chat.{n}-http_500]",
                scenario="lookup",
                schedule=f"openai.chat.{n}-http_500",
                faults=["http_500"],
                point=f"openai.chat.{n}",
                shape="once",
                boundary="provider-http",
                family="server error",
                outcome=outcome,
                row=8,
                why="As the test says.",
                passed=outcome == "success",
                fired=1,
                seen=1,
                replay=f"agentlab replay 'lookup[openai.chat.{n}-http_500]'",
            )
        )
    write_results(path, [SuiteResults(header=header, cells=cells)])
    return path


def run(capsys: pytest.CaptureFixture[str], *line: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(word) for word in line])
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


@pytest.mark.parametrize(
    ("outcomes", "planned", "expected", "word"),
    [
        (("success", "success"), None, 0, "SHIP"),
        (("success", "silent_wrong"), None, 1, "DON'T SHIP"),
        (("success", "success"), 9, 3, "UNDECIDABLE"),
    ],
)
def test_the_gate_s_exit_code_is_its_decision(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, outcomes: tuple[Outcome, ...], planned: int | None, expected: int, word: str
) -> None:
    code, out, err = run(capsys, "gate", results(tmp_path / "results.jsonl", *outcomes, planned=planned))
    assert (code, err) == (expected, "")
    assert word in out


def test_a_cell_that_got_worse_than_the_baseline_is_refused_and_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    old = results(tmp_path / "old.jsonl", "success", "success")
    new = results(tmp_path / "new.jsonl", "success", "clean_failure")
    code, out, _ = run(capsys, "gate", new, "--baseline", old)
    assert code == 1
    assert "lookup[openai.chat.2-http_500]" in out
    assert run(capsys, "gate", old, "--baseline", old)[0] == 0


def test_the_verdict_as_json_says_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "gate", results(tmp_path / "results.jsonl", "duplicate_effect"), "--json")
    verdict = json.loads(out)
    assert (code, verdict["decision"], verdict["exit_code"]) == (1, "dont_ship", 1)


def test_a_report_is_written_whatever_the_verdict_and_shards_are_merged(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shards = [results(tmp_path / "a.jsonl", "hang"), results(tmp_path / "b.jsonl", "success", suite="other")]
    page = tmp_path / "report.html"
    code, out, err = run(capsys, "report", *shards, "-o", page)
    assert (code, err) == (0, "")
    assert "DON'T SHIP" in out
    assert str(page) in out
    assert page.read_text().lower().startswith("<!doctype html>")


def test_results_that_cannot_be_read_are_one_sentence_and_nothing_is_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"kind": "header"\n')
    page = tmp_path / "report.html"
    for line in (["report", broken, "-o", page], ["gate", broken], ["gate", tmp_path / "absent.jsonl"]):
        code, out, err = run(capsys, *line)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert ".jsonl" in err
    assert not page.exists()


def test_without_results_the_next_step_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "gate")
    assert code == 2
    assert "agentlab test" in err


def test_a_report_that_cannot_be_written_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "report", results(tmp_path / "results.jsonl", "success"), "-o", tmp_path / "no" / "such" / "report.html")
    assert code == 2
    assert "cannot be written" in err


def test_colours_stay_out_of_a_pipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, out, _ = run(capsys, "gate", results(tmp_path / "results.jsonl", "silent_wrong"))
    assert "\x1b" not in out
