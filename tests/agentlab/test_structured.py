"""Structured output: strict schemas that every provider takes, answers read back, one that does not fit corrected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from agentlab_faults import intercept
from agentlab_faults.script.schemas import complaint
from agentlab_faults.sim import Simulation
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model

from agentlab import InvalidOutputError, Model, Reply
from agentlab.agent import Agent
from agentlab.client import ModelClient
from agentlab.structured import Structured

from .conftest import Wire, call, say
from .talking import MODELS, Dialects, said
from .test_agent import FALLBACK, LOOK, PRIMARY, look


class Line(BaseModel):
    """One line of a ticket."""

    text: str = Field(min_length=1, description="What it says.")
    weight: float | None = None


class Ticket(BaseModel):
    queue: Literal["billing", "returns"]
    urgent: bool = False
    lines: list[Line] = []


GOOD = {"queue": "billing", "urgent": True, "lines": [{"text": "Hello", "weight": None}]}


@pytest.fixture
def dialects() -> Iterator[Dialects]:
    intercept.install()
    with Simulation(seed=0, cap=1000.0) as simulation:
        provider = Dialects(simulation, said(json.dumps(GOOD)))
        with intercept.armed(provider):
            yield provider


@pytest.mark.parametrize("name", MODELS)
def test_each_provider_takes_the_form_and_reads_it_as_it_was_meant(dialects: Dialects, name: str) -> None:
    structured = Structured(Ticket)
    answer = dialects.ask(ModelClient(MODELS[name]), [{"role": "user", "content": "Sort this."}], form=structured.form)
    assert not dialects.refusals
    assert structured.read(answer.text) == Ticket.model_validate(GOOD)


KINDS = st.sampled_from([str, int, float, bool, str | None, list[str], Literal["a", "b"], Line, list[Line], Line | None])


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), KINDS, min_size=1, max_size=5))
def test_a_schema_of_declared_fields_is_strict(fields: dict[str, Any]) -> None:
    typed: Any = {name: (kind, ...) for name, kind in fields.items()}
    model = create_model("Drawn", **typed)
    assert complaint(Structured(model).form.schema, strict=True) is None


class Part(BaseModel):
    name: str
    parts: list[Part] = []


def test_a_model_that_refers_to_itself_has_an_object_at_its_root() -> None:
    structured = Structured(Part)
    assert (structured.form.schema["type"], complaint(structured.form.schema, strict=True)) == ("object", None)
    assert structured.read('{"name": "a", "parts": [{"name": "b", "parts": []}]}').parts[0].name == "b"


@pytest.mark.parametrize("kind", [dict[str, str], Any, tuple[int, str]])
def test_what_no_strict_schema_can_say_is_refused_when_the_agent_is_made(kind: Any) -> None:
    with pytest.raises(TypeError, match="Loose holds a"):
        Structured(create_model("Loose", field=(kind, ...)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be one JSON object"),
        ("I cannot.", "not valid JSON"),
        ('{"queue": "sales", "urgent": true, "lines": []}', "queue: Input should be 'billing' or 'returns'"),
        ('{"queue": "billing", "urgent": true, "lines": [{"text": "", "weight": 1}]}', "lines.0.text"),
    ],
)
def test_an_answer_that_does_not_fit_says_why(text: str, said: str) -> None:
    with pytest.raises(InvalidOutputError, match=said.replace(".", r"\.")):
        Structured(Ticket).read(text)


def ask(wire: Wire, *models: Model) -> Reply:
    asked = Agent("test", instructions="Sort.", models=models or [PRIMARY], tools=[look], output=Ticket)

    async def turn() -> Reply:
        return await asked("Sort this: my apples.")

    reply: Reply = wire.run(turn())
    return reply


def test_an_agent_answers_in_the_form_that_it_was_made_with(wire: Wire) -> None:
    wire.primary(LOOK, say(json.dumps(GOOD)))
    reply = ask(wire)
    assert (reply.status, reply.output) == ("complete", Ticket.model_validate(GOOD))
    assert wire.requests[0][1]["response_format"]["json_schema"]["strict"] is True


def test_an_answer_of_another_form_is_corrected_and_forgotten(wire: Wire) -> None:
    wire.primary(LOOK, say("It goes to billing."), say(json.dumps(GOOD)))
    reply = ask(wire)
    assert (reply.status, reply.output) == ("complete", Ticket.model_validate(GOOD))
    assert "cannot be used" in wire.messages()[-1]["content"]


def test_a_model_that_cannot_keep_the_form_is_set_aside_and_the_next_one_starts_clean(wire: Wire) -> None:
    wire.primary(say("It goes to billing."))
    wire.fallback(say(json.dumps(GOOD)))
    reply = ask(wire, PRIMARY, FALLBACK)
    assert (reply.status, reply.output, wire.asked.count("api.openai.com")) == ("complete", Ticket.model_validate(GOOD), 2)
    assert "It goes to billing." not in json.dumps(wire.messages())


def test_no_answer_of_the_form_is_no_answer(wire: Wire) -> None:
    wire.primary(say("It goes to billing."))
    reply = ask(wire)
    assert (reply.answered_by, reply.output) == ("safety_net", None)
    assert len(wire.asked) == 3
    assert "gave no answer of the form" in str(reply.error)


def test_a_correction_may_call_tools_first(wire: Wire) -> None:
    wire.primary(say("Billing."), call(("look", {"item": "apples"})), say(json.dumps(GOOD)))
    assert ask(wire).status == "complete"
