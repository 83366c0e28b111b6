"""What counts as a failed tool result where the seam has not decided."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agentlab_faults.script.judge import error_shaped, failure_test, holds
from hypothesis import given
from hypothesis import strategies as st

FAILED: list[Any] = [
    "An error occurred while running the tool. Please try again.",
    '{"error":"Timed out after 30 seconds."}',
    "Tool 'refund' timed out after 30 seconds.",
    '{"error":[{"type":"json_invalid"}]}',
    "Error: RuntimeError('db')\n Please fix your mistakes.",
    "Error invoking tool 'refund' with kwargs {} with error:\n order_id: Field required\n Please fix the error and try again.",
    '{"error":"Unknown tool name: \'x\'. Available tools: y"}',
    "Error: x is not a valid tool, try one of [y].",
    "Tool error: Please check your input and try again. (db)",
    "Error executing tool bad",
    "Unknown tool: nope",
    "Request 'tools/call' timed out",
    "2 validation errors for refund",
    "RuntimeError: db connection lost",
    "requests.exceptions.ConnectionError: refused",
    "Traceback (most recent call last):\n ...",
    "  ❌ Error - no such order",
    "[ERROR] 500",
    "Failed to reach the backend",
    "Timed out",
    "timeout waiting for the database",
    "Invalid JSON in arguments",
    '"Error: quoted"',
    {"error": "backend unavailable"},
    {"errors": ["a"]},
    {"isError": True},
    {"ok": False},
    {"success": False, "why": "x"},
    {"status": "failed"},
    {"status": "TIMEOUT"},
]
FINE: list[Any] = [
    "KB: refunds use refund(order_id)",
    '{"refunded": "42", "n": 1}',
    "Error codes are explained on page 3.",
    "Failed payments are retried every night.",
    "Timeouts can be set in the console.",
    "The order shows an error report of 3 May.",
    "",
    "[old tool result cleared]",
    "{not json",
    {"error": None, "ok": True},
    {"errors": []},
    {"status": "shipped"},
    {"success": True},
    None,
    42,
    ["error"],
]


@pytest.mark.parametrize("value", FAILED, ids=str)
def test_what_tools_and_frameworks_write_for_a_failure_is_one(value: Any) -> None:
    assert error_shaped(value)
    if not isinstance(value, str):
        assert error_shaped(json.dumps(value))


@pytest.mark.parametrize("value", FINE, ids=str)
def test_what_merely_speaks_of_errors_is_none(value: Any) -> None:
    assert not error_shaped(value)


def test_a_scenario_may_say_what_a_failure_looks_like() -> None:
    failed = failure_test("^oops")
    assert failed("oops, no")
    assert not failed("Error: db")
    assert failure_test('"code": 7')({"code": 7})


@given(
    st.one_of(
        st.text(),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)),
    )
)
def test_the_test_has_an_answer_for_everything(value: Any) -> None:
    assert error_shaped(value) in {True, False}


VALUES = st.recursive(st.booleans() | st.integers() | st.text(min_size=1), lambda x: st.dictionaries(st.text(), x, min_size=1))


@given(VALUES)
def test_a_value_is_found_in_the_text_that_frames_it(value: Any) -> None:
    assert holds(f"Error log: {value}!", value)
    assert isinstance(value, str) or holds(f"Error log: {json.dumps(value)}!", value)


def test_no_value_is_in_no_text() -> None:
    assert not holds("None", None)
    assert not holds("Error: db", {"order": "5512"})


def test_a_text_of_endless_nesting_is_a_text() -> None:
    assert not error_shaped('{"a":' * 100_000)
