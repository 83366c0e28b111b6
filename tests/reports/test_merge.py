"""Shards of one run: in any order, grouped in any way, and twice, they make the same run."""

from __future__ import annotations

from typing import Any

import pytest
from agentlab_reports import ResultsError, dump_results, merge
from agentlab_reports.schema import Control, SuiteResults
from hypothesis import given, settings
from hypothesis import strategies as st

from .build import cell, control, suite

CELLS = [cell(fault, scenario=scenario) for fault in ("http_429", "http_500", "net_reset") for scenario in ("refund", "status")]
CELLS += [control("refund"), control("status")]

shards = st.builds(
    lambda cells, narrowed, extra, scenarios: [
        suite([CELLS[place] for place in sorted(cells)], planned=len(CELLS), narrowed=narrowed, extra=extra, scenarios=scenarios)
    ],
    st.sets(st.integers(0, len(CELLS) - 1)),
    st.sampled_from(["", "-k refund", "-x", "-k refund; -x"]),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 3)),
    st.just(suite(CELLS).header.scenarios),
)


untimed = settings(deadline=None)  # what is tested is a law, and the machine may be busy


def same(one: list[SuiteResults], other: list[SuiteResults]) -> bool:
    return dump_results(one) == dump_results(other)


@untimed
@given(shards, shards, shards)
def test_merging_is_associative(a: Any, b: Any, c: Any) -> None:
    assert same(merge(merge(a, b), c), merge(a, merge(b, c)))


@untimed
@given(shards, shards)
def test_merging_is_commutative(a: Any, b: Any) -> None:
    assert same(merge(a, b), merge(b, a))


@untimed
@given(shards)
def test_merging_a_shard_with_itself_changes_nothing(a: Any) -> None:
    assert same(merge(a, a), merge(a))


@untimed
@given(shards, shards)
def test_no_cell_is_lost_and_none_is_made_up(a: Any, b: Any) -> None:
    (merged,) = merge(a, b)
    assert {row.id for row in merged.cells} == {row.id for row in a[0].cells} | {row.id for row in b[0].cells}


def test_one_cell_with_two_outcomes_is_refused() -> None:
    with pytest.raises(ResultsError, match=r"cell 'refund\[openai\.chat\.1-http_500\]' stands at run 1 too, with other contents"):
        merge([suite([cell("http_500")])], [suite([cell("http_500", "crash")])])


@pytest.mark.parametrize(
    "field", [{"seed": 7}, {"shapes": "one"}, {"agent": "other:build"}, {"suite_hash": "beef"}, {"weights_hash": "beef"}, {"python": "2.7"}]
)
def test_shards_of_different_runs_are_refused(field: dict[str, Any]) -> None:
    with pytest.raises(ResultsError, match=f"another {next(iter(field))} here"):
        merge([suite([cell()])], [suite([cell()], **field)])


def test_reasons_for_narrowing_add_up() -> None:
    (merged,) = merge([suite([cell()], narrowed="-k a")], [suite([cell()], narrowed="-x; -k a")])
    assert merged.header.narrowed == "-k a; -x"


def test_a_part_of_a_run_never_looks_whole_because_shards_disagree_on_the_plan() -> None:
    (merged,) = merge([suite([cell("a")], planned=3)], [suite([cell("b")], planned=2)])
    assert merged.header.planned == 3
    assert merge([suite([cell("a")], planned=0)], [suite([cell("b")], planned=2)])[0].header.planned == 2


LATER = [None, 0, 1, 1.0, True, "x", [1], [1.0]]
headers = st.builds(
    lambda control, mood, version: [
        suite(
            [],
            control=Control(passed=1, total=1, **({} if control is None else {"later": control})),
            schema_version=version,
            **({} if mood is None else {"mood": mood}),
        )
    ],
    st.sampled_from(LATER),
    st.sampled_from(LATER),
    st.sampled_from(["1.0", "1.00", "1.7"]),
)


@untimed
@given(headers, headers, headers)
def test_fields_of_a_later_version_merge_in_any_order(a: Any, b: Any, c: Any) -> None:
    assert same(merge(a, b), merge(b, a))
    assert same(merge(merge(a, b), c), merge(a, merge(b, c)))
    assert same(merge(a, a), a)


def test_a_count_of_a_later_version_is_kept_whichever_shard_has_it() -> None:
    old, new = (
        suite([], control=Control(passed=1, total=2)),
        suite([], control=Control.model_validate({"passed": 2, "total": 2, "later": 3})),
    )
    for first, second in ((old, new), (new, old)):
        (merged,) = merge([first], [second])
        assert merged.header.control == Control.model_validate({"passed": 2, "total": 2, "later": 3})


def test_a_cell_is_another_one_if_an_unknown_field_differs_in_kind() -> None:
    with pytest.raises(ResultsError, match="with other contents"):
        merge([suite([cell(later=1)])], [suite([cell(later=True)])])
