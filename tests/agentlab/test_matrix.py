"""The matrix of docs/matrix.md, our half of it: the exact answer or an honest failure under each of 49 faults, never anything else."""

from __future__ import annotations

import os
from typing import get_args

import pytest

from benchmarks.frameworks.matrix import BARS, CASES, RUNAWAY, Case, cell, exists
from benchmarks.frameworks.wiring import OURS, Primary, Wiring


def test_there_are_49_faults_each_under_a_name_of_its_own() -> None:
    assert len(CASES) == len({case.name for case in CASES}) == 49


@pytest.mark.parametrize("fallback", [True, False], ids=["with a fallback", "alone"])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_can_be_recovered_is_and_the_rest_fails_honestly(case: Case, fallback: bool) -> None:
    found = cell(case, OURS, Wiring(fallback=fallback))
    assert found is not None
    lost = ("fallback" if fallback else "alone") in case.lost
    assert found.result in ({"degraded", "typed"} if lost else {"recovered"}), found.detail
    assert found.seconds <= 121.0
    assert found.requests <= RUNAWAY // 10


FEW = CASES if os.environ.get("AGENTLAB_FULL") else [CASES[10], CASES[30], CASES[39]]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("primary", get_args(Primary))
def test_the_same_holds_with_any_provider_first_and_for_streams(primary: Primary, stream: bool) -> None:
    for fallback in (False, True):
        wiring = Wiring(fallback=fallback, primary=primary, stream=stream)
        for case in FEW:
            found = cell(case, OURS, wiring)
            lost = ("fallback" if fallback else "alone") in case.lost
            if found is not None:
                assert found.result in ({"degraded", "typed"} if lost else {"recovered"}), (case.name, fallback, found.detail)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("primary", get_args(Primary))
def test_what_cannot_be_recovered_is_no_more_than_the_bars_allow(primary: Primary, stream: bool) -> None:
    there = [case for case in CASES if exists(case, OURS, Wiring(primary=primary, stream=stream))]
    for place, bar in (("fallback", BARS[True]), ("alone", BARS[False])):
        assert sum(place not in case.lost for case in there) >= bar
