"""Suites under pytest: ids, selection, exit codes, results, and what a failing item says."""

from __future__ import annotations

import signal
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import agentlab_suites.items
import httpx2
import pytest
from agentlab_faults.catalogue.tool_results import StaleResult
from agentlab_reports import read_results

pytest_plugins = ["pytester"]

CRASHES = "refund_order[openai.chat.1-http_503]"
LOADED = (httpx2, agentlab_suites.items)
"""Loaded here, so that the runs inside the tests need not load them again."""


def test_a_cell_is_an_item_with_a_readable_id(shop: Any) -> None:
    result = shop.pytest("--collect-only", "-q")
    assert f"shop.suite.yaml::{CRASHES}" in result.outlines
    assert "shop.suite.yaml::refund_order[openai.chat.2-usage_zero-always]" in result.outlines
    assert "shop.suite.yaml::greet[control]" in result.outlines
    assert result.ret == 0
    assert not (shop.folder / ".agentlab").exists()


def test_a_failing_item_tells_its_story(shop: Any) -> None:
    result = shop.pytest(f"shop.suite.yaml::{CRASHES}")
    result.stdout.fnmatch_lines(
        [
            "crash (row 7): The agent raised HTTPStatusError:*",
            "*refund_order under http_503 at openai.chat.1, once*",
            "*expected*success*",
            "*agent saw*openai.chat.1 at 0.00 s: 503 (http_503)*",
            "*error*HTTPStatusError: Server error '503*",
            "*scenario*shop.suite.yaml:7*",
            f"Reproduce: agentlab replay '{CRASHES}'",
            "*gate not evaluated: the run was narrowed (node ids), 1 of *",
        ]
    )
    assert result.ret == 1


def test_a_whole_run_writes_results_and_report_and_is_refused(shop: Any) -> None:
    result = shop.pytest("-q")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*DON'T SHIP*", "Report: *report.html"])
    cells = shop.cells()
    assert {cell["outcome"] for cell in cells.values()} == {"success", "crash"}
    assert cells[CRASHES]["row"] == 7
    assert cells["refund_order[control]"]["schedule"] == ""
    [suite] = read_results(shop.folder / ".agentlab/last/results.jsonl")
    assert suite.header.planned == len(cells)
    assert suite.header.agent == "agent.py:build"
    assert suite.header.path == "shop.suite.yaml"
    assert (shop.folder / ".agentlab/last/report.html").read_text().startswith("<!doctype html>")


def test_a_suite_that_holds_is_green(shop: Any) -> None:
    shop.edit("shop.suite.yaml", "[http_503, usage_zero]", "[usage_zero]")
    result = shop.pytest("-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*SHIP*"])


@pytest.mark.parametrize(
    ("arguments", "cells", "told"),
    [
        (("-k", "greet and control"), 1, "-k greet and control"),
        (("-m", "chaos_control"), 2, "-m chaos_control"),
        (("shop.suite.yaml::greet",), 6, "node ids"),
        (("--agentlab-faults=usage_zero",), 8, "--agentlab-faults usage_zero"),
        (("--agentlab-faults=usage_zero", "--agentlab-faults=usage_zer*"), 8, "--agentlab-faults usage_zero,usage_zer*"),
    ],
)
def test_a_narrowed_run_is_not_judged(shop: Any, arguments: tuple[str, ...], cells: int, told: str) -> None:
    result = shop.pytest("-q", *arguments)
    result.stdout.fnmatch_lines([f"gate not evaluated: the run was narrowed ({told}), {cells} of *"])
    assert len(shop.cells()) == cells
    assert shop.header()["narrowed"]


def test_stopping_at_the_first_failure_is_not_judged(shop: Any) -> None:
    result = shop.pytest("-q", "-x")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["gate not evaluated: the run was narrowed (-x)*"])


def test_last_failed_runs_what_failed(shop: Any) -> None:
    run = shop._pytester.runpytest_inprocess
    first = run("-p", "no:randomly", "-q").parseoutcomes()
    again = run("-p", "no:randomly", "-q", "--lf")
    assert again.parseoutcomes()["failed"] == first["failed"]
    assert "passed" not in again.parseoutcomes()
    again.stdout.fnmatch_lines(["gate not evaluated: the run was narrowed (--lf)*"])


def test_junit_carries_the_outcome(shop: Any) -> None:
    shop.pytest("-q", "--junitxml=out.xml", "-k", "openai.chat.1-http_503 and refund_order")
    tree = ET.parse(shop.folder / "out.xml")  # noqa: S314 - pytest has just written it
    [case] = [case for case in tree.iter("testcase") if case.get("name") == CRASHES]
    properties = {item.get("name"): item.get("value") for item in case.iter("property")}
    assert properties["agentlab.outcome"] == "crash"
    assert properties["agentlab.point"] == "openai.chat.1"
    assert properties["agentlab.fault"] == "http_503"


def test_two_processes_give_the_same_bytes_as_one(shop: Any) -> None:
    one = shop.apart("-q", "--agentlab-results=one.jsonl", PYTHONHASHSEED="1")
    two = shop.apart("-q", "-n", "2", "--agentlab-results=two.jsonl", PYTHONHASHSEED="2")
    assert (one.ret, two.ret) == (1, 1)
    assert (shop.folder / "one.jsonl").read_bytes() == (shop.folder / "two.jsonl").read_bytes()
    two.stdout.fnmatch_lines(["*DON'T SHIP*"])
    assert not list(shop.folder.glob(".agentlab/plans/*"))


def test_another_seed_is_in_the_header(shop: Any) -> None:
    shop.pytest("-q", "--agentlab-seed=7", "-k", "control")
    assert shop.header()["seed"] == 7


def test_one_shape_of_each_pair_may_be_played(shop: Any) -> None:
    shop.edit("shop.suite.yaml", "[http_503, usage_zero]", "[usage_zero, http_429_rate]")
    assert shop.pytest("-q", "--agentlab-results=all.jsonl").ret == 1
    result = shop.pytest("-q", "--agentlab-shapes=one", "--agentlab-results=one.jsonl", "--agentlab-baseline=all.jsonl")
    [every], [one] = read_results(shop.folder / "all.jsonl"), read_results(shop.folder / "one.jsonl")
    assert (every.header.shapes, every.header.left_out, one.header.shapes) == ("all", 0, "one")
    assert {cell.id for cell in one.cells} < {cell.id for cell in every.cells}
    assert one.header.left_out == len(every.cells) - len(one.cells) > 0
    assert one.header.pairs == every.header.pairs
    assert {(c.scenario, c.point, *c.faults) for c in one.cells} == {(c.scenario, c.point, *c.faults) for c in every.cells}
    assert {cell.shape for cell in one.cells} == {"", "once", "x3", "always"}
    result.stdout.fnmatch_lines(
        [
            "*? Baseline of this suite: the baseline was played with --shapes all, this run with --shapes one",
            "Left out *--agentlab-shapes all*",
        ]
    )
    assert result.ret == 1


def test_settings_may_stand_in_the_ini_file(shop: Any) -> None:
    shop._pytester.makeini("[pytest]\nagentlab_seed = 9\nagentlab_results = out/r.jsonl\nasyncio_default_fixture_loop_scope = function\n")
    shop.pytest("-q", "-k", "control")
    assert shop.header("out/r.jsonl")["seed"] == 9
    assert (shop.folder / "out/report.html").exists()


def test_a_baseline_that_was_better_is_compared_with(shop: Any) -> None:
    shop.edit(
        "agent.py", "answer.raise_for_status()", "answer = answer if answer.is_success else httpx2.post(URL, json=body, headers=headers)"
    )
    assert shop.pytest("-q", "--agentlab-results=base.jsonl", "-k", "not always and not x3").ret == 0
    shop.write(
        "agent.py", Path(shop.folder / "agent.py").read_text().replace("answer = answer if answer.is_success else ", "answer = answer or ")
    )
    result = shop.pytest("-q", "--agentlab-baseline=base.jsonl")
    assert result.ret == 1


def test_the_last_run_is_a_baseline_though_its_file_is_written_anew(shop: Any) -> None:
    """Read at the end, it would be this very run, and nothing would ever have got worse."""
    only = ("faults: [http_503]", "allow: [success, degraded_honest]", "scenarios:")
    suite = (shop.folder / "shop.suite.yaml").read_text()
    shop.write("shop.suite.yaml", "\n".join(["version: 1", "agent: agent.py:build", *only, suite[suite.index("  greet:") :]]))
    shop.edit("agent.py", "answer.raise_for_status()", "if not answer.is_success: return 'Good day, sorry, I could not do more.'")
    assert shop.pytest("-q").ret == 0
    shop.edit("agent.py", "Good day, sorry", "Sorry")
    result = shop.pytest("-q", "--agentlab-baseline=.agentlab/last/results.jsonl")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*regressed greet?openai.chat.1-http_503?*"])


def test_discovery_that_fails_is_one_item_and_the_rest_goes_on(shop: Any) -> None:
    shop.edit("shop.suite.yaml", "reply.contains: Good day", "reply.contains: Good night")
    result = shop.pytest("-q", "-k", "greet or control")
    result.stdout.fnmatch_lines(["*greet?discovery?*", "silent_wrong (row 11): The reply does not contain 'Good night'*"])
    cells = shop.cells()
    assert set(cells) == {"greet[discovery]", "refund_order[control]"}
    assert "Good night" in shop.header()["discovery_errors"]["greet"]


def test_an_agent_that_never_calls_its_provider_is_never_green(shop: Any) -> None:
    shop.write("agent.py", "def refund(order): ...\ndef build():\n    return lambda text: 'I refunded order 5512. Good day.'\n")
    result = shop.pytest("-q")
    assert result.ret == 16
    assert {cell["outcome"] for cell in shop.cells().values()} == {"error"}
    result.stdout.fnmatch_lines(["error (row 1): The agent never called its provider*"])


def test_a_fault_that_changes_nothing_is_never_green(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not planned where that is known before; here it is not."""
    monkeypatch.setattr(StaleResult, "moves", lambda _self, _result: True)
    shop.edit("shop.suite.yaml", "[http_503, usage_zero]", "[tool_stale_result]")
    shop.edit("shop.suite.yaml", "{effect: write, identity: [order]}", "{effect: read}")
    shop.edit("shop.suite.yaml", "      - ledger.exactly: {refund: 1}\n    claims: {refund: [refunded]}\n", "")
    result = shop.pytest("-q")
    outcomes = {cell["outcome"] for name, cell in shop.cells().items() if "stale" in name}
    assert outcomes == {"not_exercised"}
    assert result.ret == 16
    assert result.parseoutcomes()["skipped"] == len([name for name in shop.cells() if "stale" in name])


@pytest.mark.parametrize(
    ("ends", "failure"),
    [
        ("raise ValueError('no database')", "the factory raised ValueError: no database"),
        ("import threading; threading.Event().wait()", "the factory does not return"),
    ],
)
def test_what_becomes_of_a_factory_is_told_where_its_tools_cannot_be_found(shop: Any, ends: str, failure: str) -> None:
    shop.edit("agent.py", "def refund(", "def pay_back(")
    shop.edit("agent.py", "    return agent\n", f"    {ends}\n")
    result = shop.pytest("-q")
    assert result.ret == 4
    told = f"makes no agent in which to look for it: {failure}. Mend that, or add where it is"
    result.stdout.fnmatch_lines([f"*The script calls 'refund', but 'agent.py:build' {told}*"])


def test_waived_cells_are_skipped_and_listed(shop: Any) -> None:
    shop.edit("shop.suite.yaml", "    prompt: Hello.", "    prompt: Hello.\n    skip: {http_503: {reason: not ours, until: 2999-01-01}}")
    result = shop.pytest("-q", "-rs", "-k", "greet")
    result.stdout.fnmatch_lines(["*waived until 2999-01-01: not ours*"])
    assert not [name for name in shop.cells() if "greet[openai.chat.1-http_503" in name]
    assert shop.header()["waivers"] == [{"fault": "http_503", "reason": "not ours", "scenario": "greet", "until": "2999-01-01"}]


def test_a_waiver_that_has_ended_waives_nothing(shop: Any) -> None:
    shop.edit("shop.suite.yaml", "    prompt: Hello.", "    prompt: Hello.\n    skip: {http_503: {reason: not ours, until: 2020-01-01}}")
    shop.pytest("-q", "-k", "greet")
    assert [name for name in shop.cells() if "greet[openai.chat.1-http_503" in name]


@pytest.mark.parametrize(
    ("file", "old", "new", "arguments", "sentence"),
    [
        ("shop.suite.yaml", "prompt: Hello", "promt: Hello", (), "shop.suite.yaml:17: 'promt' is not a key under 'scenarios.greet'"),
        (
            "shop.suite.yaml",
            "agent: agent.py:build\n",
            "",
            (),
            "shop.suite.yaml:1: The suite names no agent; add 'agent: module:attribute'",
        ),
        ("shop.suite.yaml", "agent.py:build", "agent.py:biuld", (), "agent.py has no attribute 'biuld'; did you mean 'build'?"),
        ("shop.suite.yaml", "agent.py:build", "agnet.py:build", (), "there is no file agnet.py; did you mean 'agent.py'?"),
        ("shop.suite.yaml", "agent.py:build", "../agent.py:build", (), "there is no file ../agent.py"),
        ("shop.suite.yaml", "agent.py:build", "no_such_module:build", (), "there is no module 'no_such_module'"),
        ("shop.suite.yaml", "agent.py:build", "agent.py", (), "names no attribute; write module:attribute"),
        ("agent.py", "import json", "import nothing_like_it", (), "importing agent.py raised ModuleNotFoundError"),
        ("agent.py", "import json", "raise SystemExit('no')", (), "importing agent.py raised SystemExit: no."),
        ("agent.py", "    return agent\n", "    return 5\n", (), "'agent.py:build' gave int, not an agent"),
        ("agent.py", "def refund(", "def pay_back(", (), "nothing of 'agent.py:build' by that name can be hooked"),
        (
            "shop.suite.yaml",
            "{effect: write, identity",
            "{effect: write, at: 'agent:nothing', identity",
            (),
            "cannot be found at 'agent:nothing'",
        ),
        ("agent.py", "x", "x", ("--agentlab-faults=http_999",), "No fault or mode is named 'http_999'"),
        ("agent.py", "x", "x", ("--agentlab-agent=agent.py:nothing",), "agent.py has no attribute 'nothing'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_4(shop: Any, file: str, old: str, new: str, arguments: tuple[str, ...], sentence: str) -> None:
    shop.edit(file, old, new)
    result = shop.pytest("-q", *arguments)
    assert result.ret == 4
    told = [line for line in result.outlines if sentence in line]
    assert told
    assert not [line for line in result.outlines if line.startswith(("Traceback", "E   "))]
    assert not (shop.folder / ".agentlab").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--agentlab-seed=abc",), "'abc' is not a whole number"),
        (("--agentlab-watchdog=-1",), "'-1' is not a whole number"),
        (("--agentlab-shapes=two",), "'two' is neither 'all' nor 'one'"),
        (("--agentlab-baseline=none.jsonl",), "there is no file"),
        (("--agentlab-baseline=agent.py",), "agent.py:2"),
        (("--agentlab-results=one", "--agentlab-report=./one"), "is where the results go; name another file."),
        (("--agentlab-results=agent.py/r.jsonl",), "cannot be written"),
        (("--agentlab-report=.",), "cannot be written"),
    ],
)
def test_a_bad_option_is_exit_4(shop: Any, arguments: tuple[str, ...], sentence: str) -> None:
    result = shop.pytest("-q", *arguments)
    assert result.ret == 4
    assert sentence in result.stderr.str() + result.stdout.str()


def test_a_bad_suite_is_exit_4_with_workers_too(shop: Any) -> None:
    shop.edit("shop.suite.yaml", "prompt: Hello", "promt: Hello")
    result = shop.apart("-q", "-n", "2")
    assert result.ret == 4
    assert not list(shop.folder.glob(".agentlab/last/*"))


def test_two_suites_of_one_name_are_refused(shop: Any) -> None:
    shop.write("b/shop.suite.yaml", (shop.folder / "shop.suite.yaml").read_text().replace("agent.py:build", "../agent.py:build"))
    result = shop.pytest("-q")
    assert result.ret == 4
    assert "is named 'shop' too" in result.stdout.str()


def test_the_real_tool_never_runs_by_accident(shop: Any) -> None:
    shop.edit("agent.py", "def refund(order):", "def pay_back(order):")
    shop.edit("agent.py", "refund(**", "pay_back(**")
    shop.edit("agent.py", 'raise RuntimeError("the real refund ran")', 'open("ran", "w")')
    assert shop.pytest("-q").ret == 4
    assert not (shop.folder / "ran").exists()


def test_a_secret_is_written_nowhere(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_API_KEY", "planted-secret-value-1")
    shop.edit(
        "agent.py",
        "answer.raise_for_status()",
        "import os; print(os.environ['SHOP_API_KEY']); assert answer.is_success, os.environ['SHOP_API_KEY'] + ' sk-proj-abcdefghijklmnop'",
    )
    result = shop.pytest()
    everything = result.stdout.str() + result.stderr.str() + "".join(path.read_text() for path in shop.folder.glob(".agentlab/last/*"))
    assert "[secret]" in everything
    assert "planted-secret-value-1" not in everything
    assert "sk-proj-abcdefghijklmnop" not in everything


def test_an_agent_that_spins_is_hung_and_the_rest_runs(shop: Any) -> None:
    shop.edit("agent.py", "answer.raise_for_status()", "while not answer.is_success: pass")
    shop.edit("shop.suite.yaml", "[http_503, usage_zero]", "[http_503]")
    shop.pytest("-q", "--agentlab-watchdog=1", "-k", "control or openai.chat.1-http_503]")
    cells = shop.cells()
    assert cells["greet[openai.chat.1-http_503]"]["outcome"] == "hang"
    assert cells["refund_order[control]"]["outcome"] == "success"


def test_the_plugin_is_silent_and_light_while_it_is_unused(shop: Any) -> None:
    (shop.folder / "shop.suite.yaml").unlink()
    shop.write(
        "test_nothing.py",
        "import sys\n\ndef test_nothing():\n    loaded = {name.split('.')[0] for name in sys.modules}\n"
        "    assert loaded & {'agentlab_faults', 'agentlab_reports', 'openai', 'httpx2', 'yaml', 'pydantic', 'jinja2'} == set()\n"
        "    assert {name for name in sys.modules if name.startswith('agentlab')} == {'agentlab_suites', 'agentlab_suites.plugin'}\n",
    )
    others = ("randomly", "xdist", "hypothesispytest", "pytest_httpx", "langsmith_plugin")
    result = shop.apart("-q", *(word for name in others for word in ("-p", f"no:{name}")), plain=True)
    assert result.ret == 0
    assert "agentlab" not in result.stdout.str()


@pytest.mark.parametrize(
    ("marker", "arguments", "sentence"),
    [
        ("('http_429_rat')", "chaos", "did you mean 'http_429_rate'?"),
        ("('http_429_rate')", "", "is marked chaos and does not use it"),
        ("()", "chaos", "write @pytest.mark.chaos('http_429[*]'"),
        ("('http_429_rate', shape='twice')", "chaos", "write @pytest.mark.chaos('http_429[*]'"),
        ("('tool_exception')", "chaos", "none of these faults can strike at openai.chat.1"),
    ],
)
def test_a_marker_that_cannot_be_used_is_one_sentence(shop: Any, marker: str, arguments: str, sentence: str) -> None:
    (shop.folder / "shop.suite.yaml").unlink()
    shop.write("test_marked.py", f"import pytest\n@pytest.mark.chaos{marker}\ndef test_it({arguments}): ...\n")
    result = shop.pytest("-q")
    result.stdout.fnmatch_lines([f"*{sentence}*"])
    assert result.ret != 0


def test_a_marked_test_that_injects_nothing_fails(shop: Any) -> None:
    (shop.folder / "shop.suite.yaml").unlink()
    shop.write("test_marked.py", "import pytest\n@pytest.mark.chaos('http_503')\ndef test_it(chaos): ...\n")
    result = shop.pytest("-q")
    result.stdout.fnmatch_lines(["*openai.chat.1-http_503 was never injected: use chaos.inject() or chaos.run(...) in the test.*"])
    assert result.ret == 1


def test_results_so_far_are_kept_while_the_run_goes_on(shop: Any) -> None:
    shop.edit("agent.py", "answer.raise_for_status()", "import os, signal; answer.is_success or os.kill(os.getpid(), signal.SIGKILL)")
    assert shop.apart("-q", "-p", "no:randomly").ret == -signal.SIGKILL
    [suite] = read_results(shop.folder / ".agentlab/last/results.jsonl")
    assert [cell.id for cell in suite.cells] == ["refund_order[control]"]
