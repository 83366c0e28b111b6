"""The ledger: which effects are the same one, and text that is equal for equal values, whatever they are."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from agentlab_faults.ledger import Ledger, canonical, plain
from hypothesis import given
from hypothesis import strategies as st


class _Nameless:
    """Its str() holds its address."""


class _Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def _cycle() -> Any:
    inside: dict[Any, Any] = {}
    inside["again"] = [inside]
    return inside


CYCLE = _cycle()


def _deep() -> Any:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [None, True, 1.5]}, '{"a": [null, true, 1.5], "b": 1}'),
        ({1: "a", "b": 2}, '{"1": "a", "b": 2}'),
        ({1: "a", "1": "b"}, '{"1": "a", "1": "b"}'),
        ({("a", 1): 2}, "{\"('a', 1)\": 2}"),
        ({None: 1, True: 2, "x": {2: 3}}, '{"null": 1, "true": 2, "x": {"2": 3}}'),
        ({"c", "b", "a"}, '["a", "b", "c"]'),
        ({("k",): {"c", "b", "a"}}, '{"(\'k\',)": ["a", "b", "c"]}'),
        (MappingProxyType({"a": 1}), '{"a": 1}'),
        (CYCLE, '{"again": ["<dict>"]}'),
        (_Broken(), '"<_Broken>"'),
        ({("k",): _Broken()}, '{"(\'k\',)": "<_Broken>"}'),
    ],
)
def test_every_value_has_its_text(value: Any, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize("make", [_deep, lambda: 10**5000, lambda: {1: 10**5000, "a": 1}], ids=["deep", "long", "long within"])
def test_what_is_too_big_to_be_written_raises_nothing(make: Callable[[], Any]) -> None:
    value = make()
    assert canonical(value)
    assert plain(value)


def test_no_text_holds_the_address_of_an_object() -> None:
    assert "0x" not in canonical({"a": _Nameless(), "b": [_Nameless().__str__, object()]})
    assert canonical(_Nameless()) == canonical(_Nameless())


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text() | st.tuples(st.integers()) | st.none(), inner),
    max_leaves=10,
)


@given(_values)
def test_text_raises_nothing_and_is_the_same_each_time(value: Any) -> None:
    assert canonical(value) == canonical(value)
    assert plain(value) == plain(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (5512, "5512"),
        (5512.0, 5512),
        (49.9, "49.9"),
        (49.90, Decimal("49.90")),
        (-0.0, 0),
        (1e30, 10**30),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
        ([1, {"a": 2}], ["1", {"a": "2"}]),
    ],
)
def test_the_same_effect_written_in_two_ways_is_a_duplicate(one: Any, other: Any) -> None:
    ledger = Ledger()
    for value in (one, other):
        ledger.commit("refund", {"order": value}, identity=["order"], key="", seconds=0.0)
    assert len(ledger.duplicates()) == 1


@pytest.mark.parametrize(("one", "other"), [("5512", "05512"), ("1.10", "1.1"), (49.9, 49.91), (None, "None"), (1, True), (100, 1)])
def test_other_effects_are_no_duplicates(one: Any, other: Any) -> None:
    ledger = Ledger()
    for value in (one, other):
        ledger.commit("refund", {"order": value}, identity=["order"], key="", seconds=0.0)
    assert ledger.duplicates() == []


def test_a_key_suppresses_a_repeat_of_its_own_tool_and_identity_only() -> None:
    ledger = Ledger()
    commits = [("refund", "1"), ("refund", "1"), ("refund", "2"), ("cancel", "1")]
    happened = [ledger.commit(tool, {"order": order}, identity=["order"], key="k", seconds=0.0) for tool, order in commits]
    assert happened == [True, False, True, True]
    assert (len(ledger.of("refund")), len(ledger.of("cancel")), ledger.suppressed) == (2, 1, 1)
