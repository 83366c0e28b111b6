"""The form of the model's words: response formats, forced tools, output tools, and the least value of a schema."""

from __future__ import annotations

import json
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from agentlab_faults.dialects.chat.reading import read
from agentlab_faults.script import Call, Called, Say, ScriptedModel, ScriptMissing, ScriptSpec, Serving
from agentlab_faults.script.fit import fit
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

PROMPT = "Which queue?"
TICKET = {"type": "object", "properties": {"queue": {"type": "string"}, "urgent": {"type": "boolean"}}, "required": ["queue", "urgent"]}


def tool(name: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters or {"type": "object", "properties": {}}}}


def ask(words: str | dict[str, Any], *turns: Call, **extra: Any) -> Serving:
    model = ScriptedModel([ScriptSpec(turns=(*turns, Say(words)))], [PROMPT])
    return model.serve(read({"model": "m", "messages": [{"role": "user", "content": PROMPT}], **extra}))


def exchange(call: Called, text: str = "x") -> list[dict[str, Any]]:
    wire = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    return [{"role": "assistant", "content": None, "tool_calls": [wire]}, {"role": "tool", "tool_call_id": call.id, "content": text}]


def schema_form(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "ticket", "schema": schema}}


def arguments(serving: Serving) -> Any:
    return json.loads(serving.tool_calls[0].arguments)


def test_plain_words_are_plain_text() -> None:
    assert ask("billing").content == "billing"


def test_an_object_without_a_form_is_json() -> None:
    assert ask({"queue": "billing"}).content == '{"queue":"billing"}'


def test_a_response_format_is_filled_from_an_object() -> None:
    assert json.loads(ask({"queue": "billing", "urgent": True}, response_format=schema_form(TICKET)).content or "") == {
        "queue": "billing",
        "urgent": True,
    }


def test_a_response_format_takes_a_text_into_its_text_fields() -> None:
    assert json.loads(ask("billing", response_format=schema_form(TICKET)).content or "") == {"queue": "billing", "urgent": False}


def test_a_response_format_wins_over_tools_that_stand_beside_it() -> None:
    serving = ask("billing", response_format=schema_form(TICKET), tools=[tool("search_kb")])
    assert serving.content is not None
    assert not serving.tool_calls


@pytest.mark.parametrize(
    ("words", "sent"), [("billing", {"text": "billing"}), ('{"a": 1}', {"a": 1}), ({"b": 2}, {"b": 2}), ("[1]", {"text": "[1]"})]
)
def test_any_json_object_is_what_json_object_gets(words: Any, sent: Any) -> None:
    assert json.loads(ask(words, response_format={"type": "json_object"}).content or "") == sent


def test_a_forced_tool_is_called() -> None:
    choice = {"type": "function", "function": {"name": "file_ticket"}}
    serving = ask("billing", tools=[tool("file_ticket", TICKET), tool("final_result")], tool_choice=choice)
    assert (serving.tool_calls[0].name, serving.finish_reason) == ("file_ticket", "tool_calls")
    assert arguments(serving) == {"queue": "billing", "urgent": False}


def test_a_forced_tool_of_the_script_is_the_next_call_of_it() -> None:
    steps = (Call((("look", {"n": 1}),)), Call((("act", {"n": 2}),)))
    serving = ask("done", *steps, tools=[tool("look"), tool("act")], tool_choice={"type": "function", "function": {"name": "act"}})
    assert [call.name for call in serving.tool_calls] == ["act"]


def test_an_output_tool_with_exactly_the_objects_members_is_called() -> None:
    serving = ask({"queue": "billing", "urgent": True}, tools=[tool("search_kb"), tool("answer", TICKET)])
    assert (serving.tool_calls[0].name, arguments(serving)) == ("answer", {"queue": "billing", "urgent": True})


def test_required_calls_final_result_and_not_a_tool_that_merely_stands_there() -> None:
    offered = [tool("final_result", TICKET), tool("check_stock"), tool("lookup")]
    serving = ask("billing", tools=offered, tool_choice="required")
    assert serving.tool_calls[0].name == "final_result"


def test_required_calls_the_last_tool_beside_the_script_if_none_is_called_final_result() -> None:
    step = Call((("lookup", {}),))
    model = ScriptedModel([ScriptSpec(turns=(step, Say("billing")))], [PROMPT])
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "tool_choice": "required"}
    body["tools"] = [tool("check_stock"), tool("emit", TICKET), tool("lookup")]
    call = model.serve(read(body)).tool_calls[0]
    assert call.name == "lookup"
    model.tool_ended(model.tool_started("lookup", {}, call.id), "ok", "x")
    body["messages"] += exchange(call)
    assert model.serve(read(body)).tool_calls[0].name == "emit"


def test_an_output_that_the_framework_sends_back_is_given_again_with_fresh_ids() -> None:
    model = ScriptedModel([ScriptSpec(turns=(Say("billing"),))], [PROMPT])
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "tools": [tool("final_result", TICKET)]}
    body["tool_choice"] = "required"
    first = model.serve(read(body)).tool_calls[0]
    body["messages"] += exchange(first, "1 validation error: fix the errors and try again.")
    second = model.serve(read(body)).tool_calls[0]
    assert (second.name, second.arguments) == (first.name, first.arguments)
    assert second.id != first.id


def test_failure_is_told_in_the_form_asked_for_too() -> None:
    model = ScriptedModel([ScriptSpec(turns=(Call((("act", {}),)), Say("done")), retries=0)], [PROMPT])
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "tools": [tool("act")]}
    body["response_format"] = schema_form(TICKET)
    call = model.serve(read(body)).tool_calls[0]
    model.tool_ended(model.tool_started("act", {}, call.id), "raised")
    body["messages"] += exchange(call)
    assert json.loads(model.serve(read(body)).content or "")["queue"] == "I could not complete this: a tool kept failing."


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "act"}}])
def test_a_call_that_must_be_made_and_is_not_in_the_script_is_the_labs_failure(choice: Any) -> None:
    model = ScriptedModel([ScriptSpec(turns=(Call((("act", {}),)), Say("done")))], [PROMPT])
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "tools": [tool("act")], "tool_choice": choice}
    call = model.serve(read(body)).tool_calls[0]
    model.tool_ended(model.tool_started("act", {}, call.id), "ok", "x")
    body["messages"] += exchange(call)
    with pytest.raises(ScriptMissing, match="none left"):
        model.serve(read(body))


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(BaseModel):
    kind: Literal["leaf"]
    label: str = Field(min_length=3, max_length=9)


class Tree(BaseModel):
    kind: Literal["tree"]
    left: Tree | Leaf
    right: Tree | None
    colours: list[Colour] = Field(min_length=2)


class Wide(BaseModel):
    count: int = Field(ge=3)
    above: int = Field(gt=3)
    below: int = Field(le=-2)
    step: int = Field(ge=4, multiple_of=5)
    share: float = Field(gt=0, lt=1)
    pair: tuple[int, str]
    table: dict[str, int]
    maybe: int | None
    note: str | None
    either: Annotated[Leaf | Tree, Field(discriminator="kind")]
    extra: str = "kept out unless given"


@pytest.mark.parametrize("model", [Leaf, Tree, Wide])
@pytest.mark.parametrize("words", ["billing", "", {"label": "abc"}, {"count": 7, "note": "n"}, None])
def test_the_least_value_is_one_that_the_schema_accepts(model: type[BaseModel], words: Any) -> None:
    adapter = TypeAdapter(model)
    adapter.validate_json(json.dumps(fit(words, adapter.json_schema())))


def test_members_that_are_given_are_kept() -> None:
    value = fit({"queue": "billing", "urgent": True}, TICKET)
    assert value == {"queue": "billing", "urgent": True}
    strict = {**TICKET, "additionalProperties": False}
    assert fit({"queue": "q", "colour": "red"}, strict) == {"queue": "q", "urgent": False}


def test_a_pattern_that_the_words_do_not_have_is_the_labs_failure() -> None:
    with pytest.raises(ScriptMissing, match="write the script's `say` as an object"):
        fit("billing", {"type": "string", "pattern": "^[0-9]+$"})


@pytest.mark.parametrize("form", ["date-time", "date", "time", "email", "uuid", "uri", "ipv4"])
def test_formats_have_a_value_of_their_own(form: str) -> None:
    assert fit("billing", {"type": "string", "format": form}) != "billing"


LEAVES = st.one_of(
    st.just({"type": "string"}),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.builds(lambda low: {"type": "integer", "minimum": low}, st.integers(-9, 9)),
    st.builds(lambda high: {"type": "integer", "maximum": high}, st.integers(-9, 9)),
    st.builds(lambda low: {"type": "number", "exclusiveMinimum": low}, st.integers(-9, 9)),
    st.builds(lambda words: {"enum": words}, st.lists(st.text(max_size=3), min_size=1, max_size=3)),
)


def wider(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    members = st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    return st.one_of(
        members.map(lambda found: {"type": "object", "properties": found, "required": sorted(found), "additionalProperties": False}),
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 2)),
        st.lists(inner, min_size=1, max_size=2).map(lambda branches: {"anyOf": branches}),
    )


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """A judge for the schemas above, written from the specification."""
    if "enum" in schema:
        return value in schema["enum"]
    if "anyOf" in schema:
        return any(accepts(branch, value) for branch in schema["anyOf"])
    kind = schema["type"]
    if kind == "object":
        return (
            isinstance(value, dict)
            and set(value) == set(schema["required"])
            and all(accepts(schema["properties"][k], v) for k, v in value.items())
        )
    if kind == "array":
        return isinstance(value, list) and len(value) >= schema["minItems"] and all(accepts(schema["items"], item) for item in value)
    if kind in {"integer", "number"}:
        low, over, high = schema.get("minimum"), schema.get("exclusiveMinimum"), schema.get("maximum")
        fits = isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
        return fits and (low is None or value >= low) and (over is None or value > over) and (high is None or value <= high)
    return isinstance(value, {"string": str, "boolean": bool, "null": type(None)}[kind])


@given(
    schema=st.recursive(LEAVES, wider, max_leaves=6),
    words=st.one_of(st.text(max_size=5), st.none(), st.dictionaries(st.text("abc"), st.integers())),
)
def test_whatever_the_schema_the_value_fits_it(schema: dict[str, Any], words: Any) -> None:
    assert accepts(schema, fit(words, schema))
