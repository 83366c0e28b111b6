"""Runs that are not whole: a suite left out, a cell that cannot be ended, results that cannot be written."""

from __future__ import annotations

from typing import Any

import pytest
from agentlab_reports import read_results

pytest_plugins = ["pytester"]

HOLDS = ("shop.suite.yaml", "[http_503, usage_zero]", "[usage_zero]")


def two_suites(shop: Any) -> None:
    shop.edit(*HOLDS)
    shop.write("other.suite.yaml", (shop.folder / "shop.suite.yaml").read_text())


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_run_narrowed_to_one_of_two_suites_is_not_judged(shop: Any, workers: tuple[str, ...]) -> None:
    two_suites(shop)
    result = shop.apart("-q", "-k", "shop.suite.yaml", *workers)
    suites = {suite.header.suite: suite for suite in read_results(shop.folder / ".agentlab/last/results.jsonl")}
    assert set(suites) == {"shop", "other"}
    assert suites["other"].cells == []
    assert suites["other"].header.narrowed == "-k shop.suite.yaml"
    planned = sum(suite.header.planned for suite in suites.values())
    result.stdout.fnmatch_lines(
        [f"gate not evaluated: the run was narrowed (-k shop.suite.yaml), {len(suites['shop'].cells)} of {planned} cells"]
    )
    assert not [line for line in result.outlines if "SHIP" in line]


def test_two_whole_suites_are_judged(shop: Any) -> None:
    two_suites(shop)
    result = shop.pytest("-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*SHIP*"])


DEAF = """
            while not answer.is_success:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
"""
"""Swallows all that the watchdog raises, so that only ending the process helps."""


def test_a_cell_that_cannot_be_ended_is_in_the_results_with_workers_too(shop: Any) -> None:
    shop.edit("agent.py", "            answer.raise_for_status()\n", DEAF)
    shop.edit("shop.suite.yaml", "[http_503, usage_zero]", "[http_503]")
    result = shop.apart("-q", "-n", "2", "--agentlab-watchdog=1", "-k", "greet and (control or openai.chat.1-http_503])", plain=True)
    cell = shop.cells()["greet[openai.chat.1-http_503]"]
    assert (cell["outcome"], cell["row"], cell["passed"]) == ("hang", 4, False)
    assert shop.cells()["greet[control]"]["outcome"] == "success"
    assert result.ret == 1
    assert not list(shop.folder.glob(".agentlab/plans/*"))


def test_a_worker_that_an_agent_ends_leaves_the_gate_undecidable(shop: Any) -> None:
    shop.edit("agent.py", "answer.raise_for_status()", "import os, signal; answer.is_success or os.kill(os.getpid(), signal.SIGKILL)")
    shop.edit("shop.suite.yaml", "[http_503, usage_zero]", "[http_503]")
    shop.edit("shop.suite.yaml", "  refund_order:", "  refund_order:\n    faults: [usage_zero]")
    result = shop.apart("-q", "-n", "1")
    assert result.ret == 16
    result.stdout.fnmatch_lines(["*UNDECIDABLE*"])
    assert "greet[openai.chat.1-http_503]" not in shop.cells()
    assert shop.cells()["greet[control]"]["passed"]


@pytest.mark.parametrize("option", ["results", "report"])
@pytest.mark.parametrize("place", ["/proc/nowhere/file", "x" * 300, "later/file"])
@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_a_file_that_cannot_be_made_is_one_sentence(shop: Any, option: str, place: str, workers: tuple[str, ...]) -> None:
    shop.edit("agent.py", "import json\n", "import json, pathlib\npathlib.Path('later').touch()\n")
    result = shop.apart("-q", "shop.suite.yaml", f"--agentlab-{option}={place}", "-k", "control", *workers)
    told = result.stdout.str() + result.stderr.str()
    assert result.ret == 4
    assert [line for line in result.errlines if line.startswith(f"ERROR: --agentlab-{option}:") and "cannot be written" in line]
    assert "INTERNALERROR" not in told
    assert "Traceback" not in told
