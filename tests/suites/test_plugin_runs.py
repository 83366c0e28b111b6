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
