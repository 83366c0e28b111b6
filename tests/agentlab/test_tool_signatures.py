"""What a tool's signature says: its schema, what it takes and gives, and which functions can be no tool."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from agentlab import Agent, Model, Tool, tool
from agentlab.errors import InvalidArgumentsError, InvalidResultError


@tool
async def book(room: str, nights: int = 1, kind: Literal["single", "double"] = "single") -> dict[str, Any]:
    """Book a room."""
    return {"room": room, "nights": nights, "kind": kind}


@tool(effect="write")
async def pay(amount: float, idempotency_key: str) -> dict[str, bool]:
    """Pay."""
    return {"ok": True}


def agent(*tools: Tool) -> Agent:
    return Agent("test", instructions="Help.", models=[Model(name="gpt-4o-mini")], tools=tools)


def test_a_function_that_yields_and_a_type_that_is_not_there_are_refused_with_the_tools_name() -> None:
    async def rows(n: int) -> Any:
        """Rows."""
        yield n

    def row(n: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821  # the point of the test
        """A row."""
        return str(n)

    for function, why in ((rows, "'rows' yields"), (row, "'row' has an annotation that cannot be read: name 'Nowhere' is not defined")):
        with pytest.raises(TypeError, match=why):
            agent(tool(function))


def test_the_schema_is_read_off_the_signature() -> None:
    schema = book.schema["function"]
    assert (schema["name"], schema["description"]) == ("book", "Book a room.")
    assert schema["parameters"] == {
        "type": "object",
        "additionalProperties": False,
        "required": ["room"],
        "properties": {
            "room": {"type": "string"},
            "nights": {"type": "integer", "default": 1},
            "kind": {"type": "string", "enum": ["single", "double"], "default": "single"},
        },
    }


def test_an_idempotency_key_is_not_shown_to_the_model() -> None:
    assert list(pay.schema["function"]["parameters"]["properties"]) == ["amount"]


@pytest.mark.parametrize(
    "arguments", [{}, {"room": 1}, {"room": "a", "nights": "many"}, {"room": "a", "extra": 1}, {"room": "a", "kind": "tent"}]
)
def test_arguments_that_do_not_fit_are_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentsError, match=r"room|nights|extra|kind"):
        book.validate(arguments)


def test_arguments_get_their_types_and_defaults() -> None:
    assert book.validate({"room": "a", "nights": "2"}) == {"room": "a", "nights": 2, "kind": "single"}


def test_numbers_must_be_finite() -> None:
    with pytest.raises(InvalidArgumentsError):
        pay.validate({"amount": float("nan")})


@pytest.mark.parametrize("result", ["text", 7, None, []])
def test_a_result_of_another_type_than_declared_is_found(result: Any) -> None:
    with pytest.raises(InvalidResultError, match="book"):
        book.check(result)
    assert book.check({"any": 1}) == {"any": 1}


def test_a_parameter_without_a_type_cannot_be_shown_to_a_model() -> None:
    def untyped(x) -> str:  # type: ignore[no-untyped-def]  # the point of the test
        return str(x)

    with pytest.raises(TypeError, match="untyped"):
        agent(Tool(untyped))


def test_what_no_name_can_be_given_to_is_no_parameter_of_a_tool() -> None:
    def lookup(order: str, /) -> str:
        return order

    with pytest.raises(TypeError, match="plain annotated parameter"):
        _ = tool(lookup).schema


def test_every_tool_has_a_timeout_without_asking() -> None:
    assert book.timeout == 10.0


@pytest.mark.parametrize("name", ["_x", "model_config", "model_fields"])
def test_a_parameter_that_pydantic_keeps_for_itself_is_refused(name: str) -> None:
    spoken: dict[str, Any] = {}
    exec(f"def f({name}: str) -> str:\n    'Do.'", spoken)  # noqa: S102  # the name is the parameter's, a few lines up
    with pytest.raises(TypeError, match=name):
        agent(Tool(spoken["f"]))
