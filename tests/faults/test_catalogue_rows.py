"""Every typed decision of the catalogue against one golden file, and the laws that the rows keep.

After a decision was changed on purpose: `UPDATE_GOLDEN=1 pytest tests/faults/test_catalogue_rows.py`, then read the diff.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any, get_args

import pytest
from agentlab_faults.catalogue import Mode, all_modes, select, singles
from agentlab_faults.catalogue.rates import Group, Harm, often
from agentlab_faults.fault import Best, BreaksMcp, BreaksQueue, BreaksStore, BreaksTool, Fault, Replaces, Row, Shape, Spoils, all_faults
from agentlab_faults.points import Point, PointKind
from agentlab_faults.schedule import Injection, Window
from hypothesis import given
from hypothesis import strategies as st

PATH = Path(__file__).parent / "golden" / "catalogue.json"
GOLDEN: dict[str, Any] = json.loads(PATH.read_text())
FAULTS = select(["*"])
KINDS = (Replaces, Spoils, BreaksTool, BreaksQueue, BreaksStore, BreaksMcp)
ORDER: tuple[Best, ...] = ("recoverable", "needs_fallback", "fatal")
"""From the best reachable outcome down."""


def settings(fault: Fault) -> dict[str, Any]:
    """The settings as JSON has them, endlessness in a word."""
    return {name: "for ever" if value == math.inf else value for name, value in fault.model_dump().items()}


def narrowed(row: Row) -> dict[str, Any]:
    """The commands and methods, and the transport, that the fault is for, where it is not for all."""
    found: dict[str, Any] = {"methods": sorted(row.methods)} if row.methods else {}
    return found if row.transport == "any" else found | {"transport": row.transport}


def decided(fault: type[Fault]) -> dict[str, Any]:
    """The fault's row as plain data."""
    row = fault.row
    return {
        "boundary": row.boundary,
        "family": row.family,
        "category": row.category,
        "outcome_unknown": row.outcome_unknown,
        "scope": row.scope,
        "best": dict(row.best),
        "why": row.why,
        "applies_to": {"kinds": sorted(row.kinds), "answer": row.answer, "effect": row.effect}
        | narrowed(row)
        | ({"apis": sorted(row.apis)} if row.apis is not None else {})
        | ({"streamed": row.streamed} if row.streamed != "any" else {})
        | ({"at": "an event"} if row.at_event else {})
        | ({"needs": sorted(row.needs)} if row.needs else {})
        | ({"tools": list(row.tools)} if row.tools else {})
        | ({"unready": row.unready} if row.unready else {}),
        "simulates": (fault.__doc__ or "").strip(),
        "happens": row.happens,
        "agent_should": row.agent_should,
        "rate": [row.rate.share, row.rate.source],
        "weight": row.weight,
        "acts_by": next(kind.__name__ for kind in KINDS if issubclass(fault, kind)),
        "settings": settings(fault()),
    }


def decided_mode(mode: Mode) -> dict[str, Any]:
    """The mode as plain data."""
    rows = [
        {
            "fault": injection.fault.row.id,
            "settings": settings(injection.fault),
            "kind": injection.kind,
            "primary": injection.primary,
            "window": "all the run" if injection.window == Window() else [injection.window.start, injection.window.end],
            "every": injection.every,
        }
        | ({"burst": dataclasses.asdict(injection.burst)} if injection.burst else {})
        | ({"ramp": dataclasses.asdict(injection.ramp)} if injection.ramp else {})
        for injection in mode.injections
    ]
    return {"summary": mode.summary, "happens": mode.happens, "best": mode.best, "why": mode.why, "rows": rows}


def test_the_golden_file_keeps_every_decision() -> None:
    now = {
        "faults": {fault.row.id: decided(fault) for fault in FAULTS},
        "modes": {name: decided_mode(mode) for name, mode in all_modes().items()},
    }
    if os.environ.get("UPDATE_GOLDEN"):
        PATH.write_text(json.dumps(GOLDEN | now, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    kept = {key: GOLDEN[key] for key in now}
    assert json.dumps(now) == json.dumps(kept)


def test_every_fault_of_the_wire_catalogue_is_either_built_or_listed_as_missing() -> None:
    missing = {name: boundary for boundary, names in GOLDEN["not_built"].items() for name in names}
    assert not set(missing) & set(all_faults())
    by_boundary = {boundary: len(names) for boundary, names in GOLDEN["not_built"].items()}
    for fault in FAULTS:
        by_boundary[fault.row.boundary] = by_boundary.get(fault.row.boundary, 0) + 1
    assert by_boundary == GOLDEN["wire_catalogue"]["faults"]


def test_what_is_missing_where_the_rest_is_built_has_a_reason() -> None:
    for boundary in {fault.row.boundary for fault in FAULTS}:
        assert all(len(reason) > 20 for reason in GOLDEN["not_built"].get(boundary, {}).values())


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.row.id for fault in FAULTS])
def test_a_row_says_all_that_it_must(fault: type[Fault]) -> None:
    row = fault.row
    for sentence in (row.why, row.happens, row.agent_should, fault.__doc__ or ""):
        assert sentence.endswith(".")
        assert len(sentence) > 4
    assert row.best
    assert set(row.best) <= set(get_args(Shape))
    assert 0 < row.rate.share < 0.05
    assert row.rate.source.startswith("own estimate: ")
    assert 0.5 <= row.weight <= 10
    assert (row.scope == "tool") == (row.boundary == "tool") == (row.kinds == {"tool"})


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.row.id for fault in FAULTS])
def test_striking_longer_is_never_easier(fault: type[Fault]) -> None:
    bests = [fault.row.best[shape] for shape in get_args(Shape) if shape in fault.row.best]
    if "undetectable" in bests:
        assert set(bests) == {"undetectable"}
    else:
        assert bests == sorted(bests, key=ORDER.index)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.row.id for fault in FAULTS])
def test_what_must_not_be_retried_is_never_recoverable_alone(fault: type[Fault]) -> None:
    if fault.row.boundary == "provider-http" and fault.row.category in ("auth", "budget", "content_filter", "permanent"):
        assert "recoverable" not in fault.row.best.values()


def test_the_parts_of_a_group_are_no_more_than_the_group() -> None:
    shares: dict[str, float] = {}
    for fault in FAULTS:
        group = fault.row.rate.source.partition(" of ")[2]
        shares[group] = shares.get(group, 0.0) + fault.row.rate.share
    limits = (0.0165, 0.006, 0.003, 0.0015, 0.003, 0.027, 0.013, 0.003, 0.01, 0.01, 0.003, 0.001, 0.01)
    on_the_wire = ("rate limits", "overload", "timeouts", "budget", "bad content")
    elsewhere = ("failures of retrieval", "failures of a job", "store failures", "failures of MCP")
    groups = (*on_the_wire, "loud", "silent", "stalled", "wrong words", *elsewhere)
    allowed = dict(zip(groups, limits, strict=True))
    assert len(shares) == len(allowed)
    for group, share in shares.items():
        [limit] = [limit for start, limit in allowed.items() if group.startswith(start)]
        assert 0.9 * limit < share <= limit * (1 + 1e-9)  # a sum of decimals


@given(part=st.floats(1e-4, 1.0), smaller=st.floats(0.01, 1.0), harm=st.sampled_from(get_args(Harm)))
def test_a_rarer_fault_never_weighs_more(part: float, smaller: float, harm: Any) -> None:
    group = Group("calls", 0.01, "a test")
    assert often(group, part * smaller, harm=harm)["weight"] <= often(group, part, harm=harm)["weight"]


def reached(injection: Injection) -> Best:
    """How far an agent gets under one row of a mode: `always` where it stays, `once` where the next request passes."""
    best = injection.fault.row.best
    lasting = injection.lasts
    got = best["always"] if lasting else best["once"]
    return "fatal" if got == "needs_fallback" and lasting and injection.kind == "llm" and not injection.primary else got


@pytest.mark.parametrize("mode", all_modes().values(), ids=all_modes())
def test_a_modes_best_is_no_better_than_the_worst_of_its_rows(mode: Mode) -> None:
    rows = [reached(injection) for injection in mode.injections]
    if mode.best == "undetectable":
        assert set(rows) == {"undetectable"}
    else:
        assert ORDER.index(mode.best) >= max(ORDER.index(row) for row in rows)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.row.unready], ids=lambda fault: fault.row.id)
def test_what_cannot_fire_yet_says_why_and_is_never_offered(fault: type[Fault]) -> None:
    assert fault.row.boundary == "queue"
    assert fault.row.unready.endswith(".")
    everywhere = [Point("p.1", kind, target, 1) for kind in get_args(PointKind) for target in ("openai.chat", "search_docs")]
    assert singles(everywhere, [fault]) == []


def point(kind: Any, *, calls_tools: bool = False, effect: Any = "") -> Point:
    return Point("p.1", kind, "openai.chat" if kind == "llm" else "p", 1, calls_tools=calls_tools, effect=effect)


@pytest.mark.parametrize(
    ("name", "fits", "does_not"),
    [
        ("http_500", [point("llm"), point("llm", calls_tools=True)], [point("tool", effect="read")]),
        ("tool_args_empty", [point("llm", calls_tools=True)], [point("llm"), point("tool", effect="write")]),
        ("content_finish_length", [point("llm")], [point("llm", calls_tools=True)]),
        ("tool_exception", [point("tool", effect="read"), point("tool", effect="write")], [point("llm")]),
        ("tool_partial_success", [point("tool", effect="write"), point("tool", effect="external")], [point("tool", effect="read")]),
        ("tool_empty_result", [point("tool", effect="read")], [point("tool", effect="write"), point("tool", effect="external")]),
    ],
)
def test_a_fault_goes_only_to_points_that_it_can_act_on(name: str, fits: list[Point], does_not: list[Point]) -> None:
    row: Row = all_faults()[name].row
    assert [row.applies(one) for one in (*fits, *does_not)] == [True] * len(fits) + [False] * len(does_not)
