"""The faults of tools: what each does round a tool's body, and what it makes of the body's result."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from agentlab_faults.catalogue import select
from agentlab_faults.catalogue.tools import UpstreamError
from agentlab_faults.fault import BreaksTool, Fault, Strike, ToolCall, all_faults
from hypothesis import given
from hypothesis import strategies as st

TOOL_FAULTS = [fault for fault in select(["*"]) if issubclass(fault, BreaksTool) and not fault.row.tools]
"""Those of a knowledge base are in `test_catalogue_semantic.py`."""
CALL = ToolCall("lookup_order", {"id": "42"}, 1)
RESULT = {"id": "42", "status": "shipped", "items": ["pen", "ink"], "total": 49.9}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def strike(name: str, **settings: Any) -> Strike:
    fault = all_faults()[name](**settings)
    assert isinstance(fault, BreaksTool)
    return fault.strike(CALL)


def returned(name: str, value: Any, **settings: Any) -> Any:
    """What the agent gets for the body's `value`."""
    struck = strike(name, **settings)
    assert (struck.runs, struck.error, struck.delay) == (True, None, 0.0)
    assert struck.rewrite is not None
    return struck.rewrite(copy.deepcopy(value))


def test_a_tool_that_raises_never_starts() -> None:
    struck = strike("tool_exception", message="disk full")
    assert (struck.runs, str(struck.error)) == (False, "lookup_order: disk full")


def test_a_tool_that_hangs_never_starts() -> None:
    assert strike("tool_timeout") == Strike(runs=False, delay=math.inf)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_tool_tells_the_status_of_the_service_behind_it(status: int) -> None:
    struck = strike("tool_http_429_5xx", status=status)
    assert isinstance(struck.error, UpstreamError)
    assert (struck.runs, struck.error.status) == (False, status)
    assert str(status) in str(struck.error)


def test_a_lost_confirmation_comes_after_the_effect() -> None:
    assert strike("tool_partial_success") == Strike(runs=True, delay=math.inf)
    reset = strike("tool_partial_success", lost="reset")
    assert (reset.runs, type(reset.error)) == (True, ConnectionResetError)


def test_a_doubled_delivery_runs_the_body_twice() -> None:
    assert strike("tool_duplicate_effect") == Strike(runs=True, twice=True)


SHOWN: dict[str, Callable[[Any], bool]] = {
    "tool_empty_result": lambda got: got == {},
    "tool_huge_result": lambda got: got["status"] == "shipped" and len(json.dumps(got)) > 1_000_000,
    "tool_wrong_schema": lambda got: "status" not in got and "shipped" in json.dumps(got),
    "tool_partial_result": lambda got: got == {"id": "42", "status": "shipped"},
    "tool_stale_result": lambda got: got == RESULT | {"status": "pending"},
    "tool_plausible_wrong": lambda got: got == RESULT | {"id": "53", "total": 50.9},
    "tool_prompt_injection": lambda got: "ignore all earlier instructions" in got.get("note", "") and got["status"] == "shipped",
}


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_a_result_shows_its_fault(name: str) -> None:
    assert SHOWN[name](returned(name, RESULT))
    assert not SHOWN[name](RESULT)


def test_every_fault_of_tools_is_tried_here() -> None:
    by_hand = {"tool_exception", "tool_timeout", "tool_http_429_5xx", "tool_partial_success", "tool_duplicate_effect"}
    assert {fault.row.id for fault in TOOL_FAULTS} == by_hand | set(SHOWN)


@pytest.mark.parametrize("fault", [fault for fault in TOOL_FAULTS if fault.row.id in SHOWN], ids=lambda fault: fault.row.id)
@given(value=values)
def test_any_result_can_be_rewritten_and_is_still_json(fault: type[Fault], value: Any) -> None:
    rewritten = returned(fault.row.id, value, **({"characters": 50} if fault.row.id == "tool_huge_result" else {}))
    json.dumps(rewritten, allow_nan=False)


@given(value=values)
def test_a_wrong_value_keeps_the_shape_of_the_right_one(value: Any) -> None:
    def shape(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: shape(inner) for key, inner in part.items()}
        return [shape(inner) for inner in part] if isinstance(part, list) else type(part)

    assert shape(returned("tool_plausible_wrong", value)) == shape(value)


@pytest.mark.parametrize("value", ["shipped", [], ["pen"], {"total": 3}])
def test_a_result_without_a_state_is_never_called_old(value: Any) -> None:
    assert returned("tool_stale_result", value) == value


@pytest.mark.parametrize(("value", "empty"), [({"a": 1}, {}), ([1], []), ("text", ""), (3, None), (None, None)])
def test_an_empty_result_keeps_its_type_where_it_can(value: Any, empty: Any) -> None:
    assert returned("tool_empty_result", value) == empty
