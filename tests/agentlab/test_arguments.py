"""Arguments: valid JSON is never changed, only what can be read in one way is repaired, the rest is refused with a sentence."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab.arguments import parse_arguments
from agentlab.errors import InvalidArgumentsError
from agentlab.text import clean, clean_deep, without_thoughts

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=5)
WISH = {"city": "Paris"}


@given(value=OBJECTS, indent=st.none() | st.integers(0, 4), ascii_only=st.booleans(), repair=st.booleans())
def test_valid_json_is_never_changed(value: dict[str, Any], indent: int | None, ascii_only: bool, repair: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parse_arguments(text, repair=repair) == value


@given(value=OBJECTS)
def test_an_object_comes_through_its_wrappings(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    assert parse_arguments(f"```json\n{text}\n```") == value
    assert parse_arguments(json.dumps(text)) == value
    assert parse_arguments(repr(value)) == value


@given(value=OBJECTS, at=st.floats(0, 1))
def test_cut_arguments_are_never_guessed_at(value: dict[str, Any], at: float) -> None:
    text = json.dumps({"key": value, "last": [1]})
    cut = text[: 1 + int(at * (len(text) - 2))]
    with pytest.raises(InvalidArgumentsError):
        parse_arguments(cut)


@given(text=st.text(max_size=80))
def test_any_text_is_an_object_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidArgumentsError):
        assert isinstance(parse_arguments(text), dict)


@pytest.mark.parametrize(
    "text",
    [
        '{"city":"Paris",}',
        "{'city': 'Paris'}",
        'Sure! {"city":"Paris"} Hope it helps',
        '```json\n{"city":"Paris"}\n```',
        '"{\\"city\\":\\"Paris\\"}"',
        '\ufeff{"city":"Paris"}',
    ],
)
def test_what_models_write_instead_of_json_is_read(text: str) -> None:
    assert parse_arguments(text) == WISH


@pytest.mark.parametrize("text", ['{"city":"Paris",}', "{'city': 'Paris'}", 'Sure! {"city":"Paris"}', '```\n{"city":"Paris"}\n```'])
def test_without_repair_it_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentsError):
        parse_arguments(text, repair=False)


@pytest.mark.parametrize(
    "raw",
    [
        '{"city":"Par',
        '{"city":"a"}{"city":"b"}',
        '{"city":"a","city":"b"}',
        '{"n":NaN}',
        '{"n":Infinity}',
        '{"n":1e999}',
        "[1]",
        "null",
        "7",
        '"text"',
        [1],
        7,
        "[" * 100_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        '{"text": "x"' + " " * 300_000 + "}",
        "{'a': {1, 2}}",
        "{'a': __import__('os')}",
        "{1: 2}",
    ],
    ids=lambda raw: str(raw)[:20],
)
def test_what_can_be_read_in_two_ways_or_none_is_refused(raw: object) -> None:
    with pytest.raises(InvalidArgumentsError):
        parse_arguments(raw)


@pytest.mark.parametrize("raw", ["", "  ", None])
def test_no_arguments_are_an_empty_object(raw: str | None) -> None:
    assert parse_arguments(raw) == {}


def test_a_comma_inside_a_text_is_left_alone() -> None:
    assert parse_arguments('{"a": "x, }", "b": 1}') == {"a": "x, }", "b": 1}
    assert parse_arguments('{"a": "x, }", "b": 1,}') == {"a": "x, }", "b": 1}
    with pytest.raises(InvalidArgumentsError):
        parse_arguments('{"a": "x, }", "b": null,}')


@given(text=st.text())
def test_clean_text_can_be_sent_and_stored(text: str) -> None:
    cleaned = clean(text + "\ud83d\0")
    assert "\0" not in cleaned
    cleaned.encode()
    assert clean(cleaned) == cleaned


def test_cleaning_joins_pairs_and_reaches_every_depth() -> None:
    assert clean("\ud83d\ude00") == "😀"
    assert clean_deep({"a\0": ["b\0", {"c": "\ud83d"}], "n": 1}) == {"a": ["b", {"c": "\ufffd"}], "n": 1}


def test_thoughts_are_taken_out() -> None:
    assert without_thoughts("<think>hm\nhm</think>\nParis.") == "Paris."
    assert without_thoughts("<think>never closed") == ""
    assert without_thoughts("I think so.") == "I think so."


@pytest.mark.parametrize("depth", [70, 300, 600, 900, 2_000])
def test_nesting_that_no_tool_needs_is_refused(depth: int) -> None:
    nested: object = 1
    for _ in range(depth):
        nested = [nested]
    for raw in ('{"a":' + "[" * depth + "]" * depth + "}", {"a": nested}, "{'a':" + "[" * depth + "]" * depth + "}"):
        with pytest.raises(InvalidArgumentsError):
            parse_arguments(raw)


def test_reasonable_nesting_is_read() -> None:
    assert parse_arguments('{"a":' + "[" * 60 + "]" * 60 + "}")


@pytest.mark.parametrize("text", ['{"id": 1%s}', "{'id': 1%s}", '{"id": -1%s}', '{"id": [{"id": 1%s}],}'])
def test_a_number_that_python_does_not_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentsError):
        parse_arguments(text % ("0" * 5_000))


@pytest.mark.parametrize(
    "text",
    ["```" + " " * 150_000 + "x", "```" + "a" * 150_000, '{"a": 1,' + " " * 150_000, '{"a": "' + ",}" * 75_000, "```" * 60_000 + "x"],
    ids=["spaces", "words", "trailing", "commas", "fences"],
)
def test_reading_takes_no_more_than_linear_time(text: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidArgumentsError):
        parse_arguments(text)
    assert time.process_time() - began < 2.0
