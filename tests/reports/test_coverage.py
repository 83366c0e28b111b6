"""Coverage counts what struck, was seen and was judged, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from agentlab_reports import evaluate
from agentlab_reports.coverage import coverage_of, never_seen
from agentlab_reports.schema import Pair, Waiver
from agentlab_reports.views import boundaries

from .build import cell, fault, suite


def test_a_pair_that_struck_was_seen_and_judged_is_covered() -> None:
    found = coverage_of([suite([cell("http_500"), cell("http_503")])])
    assert (found.covered, found.applicable, found.share, found.uncovered) == (2, 2, 1.0, ())


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"outcome": "not_exercised", "fired": 0, "seen": 0, "why": "the call was never made"}, "the call was never made"),
        ({"outcome": "error", "why": "a request left"}, "the lab failed: a request left"),
        ({"judged": False}, "nothing to check the reply against"),
        ({"seen": 0}, "the fault struck, but the agent saw nothing of it"),
    ],
)
def test_a_pair_that_proves_nothing_is_listed_with_its_reason(fields: dict[str, Any], why: str) -> None:
    found = coverage_of([suite([cell("http_500", **fields)])])
    assert found.share == 0.0
    assert [row.why for row in found.uncovered] == [why]


def test_one_good_shape_covers_a_pair() -> None:
    cells = [cell("http_500", "not_exercised", schedule="openai.chat.1-http_500-x3"), cell("http_500")]
    assert coverage_of([suite(cells)]).share == 1.0


def test_coverage_goes_by_weight() -> None:
    pairs = [
        Pair(scenario="refund", point="openai.chat.1", fault="http_500", weight=3),
        Pair(scenario="refund", point="x", fault="y", weight=1),
    ]
    assert coverage_of([suite([cell("http_500")], pairs=pairs)]).share == 0.75


def test_pairs_that_were_never_played_count_against_it() -> None:
    pairs = [
        Pair(scenario="refund", point="openai.chat.1", fault="http_500"),
        Pair(scenario="refund", point="openai.chat.9", fault="http_500"),
        Pair(scenario="status", point="openai.chat.1", fault="http_500"),
        Pair(scenario="refund", point="", fault="store-down"),
    ]
    waivers = [Waiver(scenario="refund", fault="store-down", reason="no store yet", until="2027-01-01")]
    found = coverage_of([suite([cell("http_500")], pairs=pairs, waivers=waivers, discovery_errors={"status": "no reply"})])
    assert found.share == 0.25
    assert [row.why for row in found.uncovered] == [
        "no cell was played",
        "the scenario's fault-free run failed: no reply",
        "waived until 2027-01-01: no store yet",
    ]


def test_a_waiver_by_pattern_is_told_as_the_reason() -> None:
    pairs = [Pair(scenario="refund", point="", fault="store-down")]
    waivers = [Waiver(scenario="ref*", fault="store-*", reason="no store yet", until="2027-01-01")]
    assert coverage_of([suite([], pairs=pairs, waivers=waivers)]).uncovered[0].why == "waived until 2027-01-01: no store yet"


def test_a_mode_is_covered_by_its_own_cell() -> None:
    pairs = [Pair(scenario="refund", point="", fault="rate-limit-storm")]
    storm = cell("http_429", mode="rate-limit-storm", point="", schedule="rate-limit-storm")
    assert coverage_of([suite([storm], pairs=pairs)]).share == 1.0


def test_nothing_applicable_has_no_share() -> None:
    assert coverage_of([suite([])]).share is None


def test_a_fault_that_strikes_and_is_never_seen_anywhere_is_named() -> None:
    silent = [cell("same", "not_exercised", seen=0), cell("same", "not_exercised", seen=0, scenario="status"), cell("http_500")]
    assert never_seen([suite(silent)]) == ["same"]
    assert never_seen([suite([*silent, cell("same", scenario="third")])]) == []
    assert never_seen([suite([cell("armed", "not_exercised", fired=0, seen=0)])]) == []


def test_a_file_without_discovery_counts_its_own_cells_at_each_boundary() -> None:
    suites = [
        suite([cell("http_500", judged=False), cell("http_503")], pairs=[], faults={name: fault(name) for name in ("http_500", "http_503")})
    ]
    [(_, _, covered, applicable)] = boundaries(suites, evaluate(suites))
    assert (covered, applicable) == (1, 2)
