"""Results files: what is written is read again, and what cannot be read is refused with its line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from agentlab_reports import ResultsError, append_line, dump_results, evaluate, read_results, render_html, summary, write_results
from agentlab_reports.schema import Counts, Finding, Fingerprint, ScenarioInfo, Span, SuiteResults
from pydantic import ValidationError

from . import sample
from .build import cell, control, suite


def lines(results: SuiteResults) -> list[dict[str, object]]:
    return [json.loads(line) for line in dump_results([results]).splitlines()]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    results = [sample.suite(shapes=["once"])]
    write_results(tmp_path / "deep" / "results.jsonl", results)
    assert read_results(tmp_path / "deep" / "results.jsonl") == results


def test_equal_results_are_equal_bytes_in_whatever_order_their_cells_came() -> None:
    one = suite([cell("http_500"), cell("http_503"), control()])
    other = SuiteResults(header=one.header, cells=one.cells[::-1])
    assert dump_results([one]) == dump_results([other])


def test_a_line_is_compact_with_sorted_keys() -> None:
    first = dump_results([suite([cell()])]).splitlines()[0].decode()
    keys = list(json.loads(first))
    assert keys == sorted(keys)
    assert ": " not in first.replace("agent: ", "")
    assert first == json.dumps(json.loads(first), sort_keys=True, separators=(",", ":"))


def test_lines_can_be_added_one_by_one(tmp_path: Path) -> None:
    results, path = suite([cell("http_500"), cell("http_503")]), tmp_path / "results.jsonl"
    append_line(path, results.header)
    for row in reversed(results.cells):
        append_line(path, row)
    assert read_results(path) == [results]


def test_a_header_may_come_after_its_cells(tmp_path: Path) -> None:
    results, path = suite([cell()]), tmp_path / "results.jsonl"
    append_line(path, results.cells[0])
    append_line(path, results.header)
    assert read_results(path) == [results]


def test_a_file_may_hold_several_suites(tmp_path: Path) -> None:
    both = [suite([cell(suite="b")], suite="b"), suite([cell(suite="a")], suite="a")]
    write_results(tmp_path / "results.jsonl", both)
    assert [found.header.suite for found in read_results(tmp_path / "results.jsonl")] == ["a", "b"]


def test_fields_of_a_later_minor_version_are_kept(tmp_path: Path) -> None:
    header, row = lines(suite([cell()]))
    header |= {"schema_version": "1.7", "mood": "fine"}
    row["timeline"] = [{"kind": "note", "start": 0, "end": 0, "label": "x", "colour": "red"}]
    (tmp_path / "new.jsonl").write_text(f"{json.dumps(header)}\n{json.dumps(row)}\n")
    write_results(tmp_path / "again.jsonl", read_results(tmp_path / "new.jsonl"))
    again = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert (again[0]["schema_version"], again[0]["mood"], again[1]["timeline"][0]["colour"]) == ("1.7", "fine", "red")


def test_what_an_agent_said_can_always_be_written(tmp_path: Path) -> None:
    said = cell(reply="half a pair: \ud83d, a null: \x00, a line\nand an end </script>")
    write_results(tmp_path / "results.jsonl", [suite([said])])
    (read,) = read_results(tmp_path / "results.jsonl")
    assert read.cells[0].reply == "half a pair: ?, a null: \x00, a line\nand an end </script>"


HEADER = dump_results([suite([])]).decode().strip()
CELL = dump_results([suite([cell()])]).decode().splitlines()[1]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("", 1, "no results"),
        ("\n\n", 1, "no results"),
        (f"{HEADER}\n{{'a': 1}}", 2, "not JSON"),
        (f"{HEADER}\n{CELL[:200]}", 2, "was the run that wrote it stopped?"),
        (f"{HEADER}\n" + '{"kind":"cell","x":' + "[" * 300 + "]" * 300 + "}", 2, "this line is not JSON (recursion limit exceeded"),
        (f"\ufeff{HEADER}", 1, "this line is not JSON (expected value at column 1)"),
        (f"{HEADER}\n[1, 2]", 2, "expected a JSON object, found list"),
        (f"{HEADER}\n{'[' * 100_000}", 2, "not JSON"),
        (f"{HEADER}\n\n{{}}", 3, "`kind` is None"),
        (f"{HEADER}\n" + '{"kind": "trial"}', 2, "`kind` is 'trial'"),
        (f"{HEADER}\n" + '{"kind": [1]}', 2, "`kind` is [1]"),
        (f"{HEADER}\n" + '{"kind": {"a": 1}}', 2, "`kind` is {'a': 1}"),
        (CELL, 1, "'shop', which has no header in this file"),
        (HEADER.replace('"schema_version":"1.0"', '"schema_version":"2.0","scenarios":7'), 1, "version 2.0, this agentlab reads version 1"),
        (HEADER.replace('"schema_version":"1.0"', '"schema_version":"soon"'), 1, "'soon' is not a version"),
        (HEADER.replace('"schema_version":"1.0"', f'"schema_version":"{"9" * 5000}.0"'), 1, "99... is not a version"),
        (HEADER.replace('"schema_version":"1.0"', f'"schema_version":"1.{"9" * 5000}"'), 1, "99... is not a version"),
        (HEADER.replace('"schema_version":"1.0"', '"schema_version":"\u0661.\u0660"'), 1, "is not a version"),
        (HEADER.replace('"seed":0', '"seed":"0"'), 1, "`seed` of this header is wrong"),
        (f"{HEADER}\n" + CELL.replace('"outcome":"success"', '"outcome":"fine"'), 2, "`outcome` of this cell is wrong"),
        (f"{HEADER}\n" + CELL.replace('"weight":1.0', '"weight":NaN'), 2, "`weight` of this cell is wrong"),
        (HEADER.replace('"extra":{}', '"extra":{"later":[1,NaN]}'), 1, "`extra.later` of this header is wrong: it holds a number"),
        (HEADER.replace('"seed":0', '"seed":0,"mood":NaN'), 1, "this header is wrong: `mood` holds a number that is not finite"),
        (f"{HEADER}\n" + CELL.replace('"weight":1.0', '"weight":1.0,"mood":{"x":1e999}'), 2, "`mood` holds a number that is not finite"),
        (f"{HEADER}\n" + CELL.replace('"deadline":120.0', '"deadline":-1'), 2, "`deadline` of this cell is wrong"),
        (f"{HEADER}\n" + CELL.replace(',"why":"every check holds"', ""), 2, "`why` of this cell is wrong: field required"),
        (f"{HEADER}\n{CELL}\n" + CELL.replace("every check holds", "it did not"), 3, "stands at"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line_and_one_sentence(tmp_path: Path, content: str, line: int, words: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(ResultsError) as refusal:
        read_results(path)
    assert str(refusal.value).startswith(f"{path}:{line}: ")
    assert words in refusal.value.sentence
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot read the results: No such file"):
        read_results(tmp_path / "none.jsonl")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ResultsError, match=r"results\.jsonl:1: this line is not JSON"):
        read_results(tmp_path / "results.jsonl")


HALF = "half a pair \ud83d"


def test_half_a_character_in_any_text_loses_nothing(tmp_path: Path) -> None:
    said = cell(
        answered_by=HALF,
        best_why=HALF,
        later=[HALF],
        findings=[Finding(code=HALF, severity="info", text=HALF)],
        timeline=[Span(kind="llm", start=0, end=1, label=HALF, fault=HALF)],
    )
    agent = Fingerprint(models=[HALF], tools={HALF: HALF})
    results = [suite([said], fingerprint=agent, extra={HALF: [HALF]}, discovery_errors={HALF: HALF})]
    assert "half a pair ?" in render_html(results, evaluate(results))
    write_results(tmp_path / "results.jsonl", results)
    assert read_results(tmp_path / "results.jsonl") == results
    assert results[0].header.fingerprint == Fingerprint(models=["half a pair ?"], tools={"half a pair ?": "half a pair ?"})


def test_text_that_is_whole_stays_as_it_is() -> None:
    words = "\N{PILE OF POO} e\u0301 \u202e \x00"
    said = cell(reply=words, findings=[Finding(code=words, severity="info", text=words)])
    assert (said.reply, said.findings[0].code) == (words, words)


@pytest.mark.parametrize("later", [math.nan, [1.0, -math.inf], {"x": {"y": math.inf}}])
def test_a_number_that_no_file_can_hold_is_refused_where_it_comes_in(later: object) -> None:
    with pytest.raises(ValidationError, match="`later` holds a number that is not finite"):
        cell(later=later)
    with pytest.raises(ValidationError, match="finite"):
        suite([], extra={"later": later})


def test_results_at_the_ends_of_every_range_are_judged_and_drawn() -> None:
    most = Counts(requests=10**12, tokens=10**12, clean_requests=1, clean_tokens=1, tool_runs=10**12, commits=10**12)
    spans = [Span(kind="llm", start=0, end=1e9, label="x"), Span(kind="commit", start=1e9, end=0, label="y")]
    for weight in (0.0, 5e-324, 1e-12, 1e6):
        cells = [
            cell("a", "crash", weight=weight, counts=most, deadline=1e9, virtual_seconds=1e9, timeline=spans, fired=10**12),
            cell("b", weight=weight, counts=Counts(clean_requests=10**12), deadline=5e-324, virtual_seconds=1e9, confidence=0.0),
        ]
        results = [suite([*cells, control()], scenarios=[ScenarioInfo(name="refund", weight=weight)])]
        verdict = evaluate(results, results)
        assert summary(verdict).startswith("\u2713 SHIP" if weight >= 1e-9 else "? UNDECIDABLE")
        assert render_html(results, verdict, results).endswith("</html>")


@pytest.mark.parametrize(
    "fields",
    [
        {"weight": 1e308},
        {"weight": -1.0},
        {"deadline": -1.0},
        {"virtual_seconds": 1e308},
        {"confidence": -5.0},
        {"fired": -1},
        {"seen": 10**400},
        {"counts": {"tokens": 10**400}},
        {"counts": {"clean_requests": 10**400}},
        {"timeline": [{"kind": "llm", "start": -1e308, "end": 0.0, "label": "x"}]},
    ],
)
def test_numbers_beyond_all_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cell(**fields)
