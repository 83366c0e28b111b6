"""The telemetry against the GenAI conventions' own schema: names, types, allowed values, requirement levels, units and boundaries.

`genai_conventions.json` holds the conventions' facts, its source and commit. What begins with `agentlab.` is our own and not judged here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import Histogram
from opentelemetry.sdk.trace import ReadableSpan

from agentlab import Model, tool
from agentlab.agent import Agent
from agentlab.telemetry import names

from .conftest import Wire, call, error, say
from .telemetry_capture import Told, told
from .test_streams import words

__all__ = ["told"]

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "genai_conventions.json").read_text())
TYPES: Mapping[str, Any] = {"string": str, "int": int, "double": float, "boolean": bool}
ADDED = {names.CONVERSATION_ID}
"""Of the conventions' registry, but put on every span by us, where the conventions list it for some."""


@tool
async def look(item: str) -> str:
    """Look."""
    return "found"


@tool
async def broken(item: str) -> str:
    """Break."""
    raise ConnectionError


def wrong_type(name: str, value: Any) -> bool:
    kind = SCHEMA["attributes"][name]["type"]
    if kind == "string[]":
        return not (isinstance(value, tuple) and all(isinstance(item, str) for item in value))
    if kind == "any":  # on a span: JSON text
        return not (isinstance(value, str) and json.loads(f"[{value}]" if value.startswith(("{", "[")) else "[0]"))
    return type(value) is not TYPES[kind]


def problems(where: str, found: Mapping[str, Any], listed: Mapping[str, str]) -> list[str]:
    """What is wrong with these attributes by the conventions."""
    theirs = {name: value for name, value in found.items() if not name.startswith("agentlab.")}
    missing = [f"{where} lacks {name}" for name, level in listed.items() if level == "required" and name not in theirs]
    unknown = [f"{where} has {name}, which is not listed" for name in theirs if name not in {*listed, *ADDED}]
    known = [name for name in theirs if name in SCHEMA["attributes"]]
    types = [f"{where} has {name}={theirs[name]!r} of the wrong type" for name in known if wrong_type(name, theirs[name])]
    allowed = {name: SCHEMA["attributes"][name].get("values") for name in known}
    values = [f"{where} has {name}={theirs[name]!r}" for name in known if allowed[name] and theirs[name] not in allowed[name]]
    return [*missing, *unknown, *types, *values]


def span_problems(span: ReadableSpan) -> list[str]:
    found = dict(span.attributes or {})
    operation = found.get(names.OPERATION)
    if operation is None:
        wrong = [] if span.name.startswith("step ") else [f"{span.name} has no operation"]
        return [*wrong, *problems(span.name, found, {names.ERROR_TYPE: "conditionally_required"})]
    schema = SCHEMA["spans"][operation]
    subject = found.get(schema["name"].split("{")[1].rstrip("}"))
    told = [*problems(span.name, found, schema["attributes"])]
    if span.name != f"{operation} {subject}":
        told.append(f"{span.name} is not named as {schema['name']}")
    if span.kind.name.lower() != schema["kind"]:
        told.append(f"{span.name} is of kind {span.kind.name}")
    if (not span.status.is_ok) != (names.ERROR_TYPE in found):
        told.append(f"{span.name}: its status and its error.type disagree")
    return told


def play(wire: Wire, **model: Any) -> None:
    """A good turn with a tool, one with a failing tool, one with a retry, and one in an outage."""
    wire.primary(
        *(call(("look", {"item": "x"}), ids=("a",)), say("Good.")),
        *(call(("broken", {"item": "x"}), ids=("b",)), say("It failed.")),
        *(error(503), say("Good again."), error(401)),
    )
    url = "https://api.openai.com/v1"
    agent = Agent("helper", instructions="Help.", models=[Model(name="gpt-4o-mini", base_url=url, **model)], tools=[look, broken])

    async def turns() -> None:
        for text in ("one", "two", "three", "four"):
            await agent(text)

    wire.run(turns())


@pytest.mark.parametrize("content", ["", "true"])
def test_every_span_is_one_of_the_conventions(wire: Wire, told: Told, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setenv(names.CAPTURE_CONTENT, content)
    play(wire, temperature=0)
    assert {span.name.split()[0] for span in told.spans} == {"invoke_agent", "step", "chat", "execute_tool"}
    assert [problem for span in told.spans for problem in span_problems(span)] == []


def test_every_metric_is_one_of_the_conventions(wire: Wire, told: Told) -> None:
    play(wire)
    found = {name: metric for name, metric in told.metrics().items() if not name.startswith("agentlab.")}
    assert set(found) == {names.OPERATION_DURATION, names.AGENT_DURATION, names.TOOL_DURATION, names.TOKEN_USAGE}
    for name, metric in found.items():
        schema = SCHEMA["metrics"][name]
        assert metric.unit == schema["unit"]
        assert isinstance(metric.data, Histogram) == (schema["instrument"] == "histogram")
        for point in metric.data.data_points:
            assert problems(name, dict(point.attributes or {}), schema["attributes"]) == []
            assert set(schema["boundaries"]) <= set(getattr(point, "explicit_bounds", ()))


def test_a_streamed_answer_says_when_its_first_chunk_came(wire: Wire, told: Told) -> None:
    wire.primary(words("Good."))
    agent = Agent("helper", instructions="", models=[Model(name="gpt-4o-mini", stream=True)])

    async def turn() -> None:
        await agent("one")

    wire.run(turn())
    chat = dict(told.span("chat gpt-4o-mini").attributes or {})
    assert chat[names.REQUEST_STREAM] is True
    assert chat[names.RESPONSE_TIME_TO_FIRST_CHUNK] == pytest.approx(1.0, abs=0.1)
    assert [problem for span in told.spans for problem in span_problems(span)] == []
    [(attributes, (count, _))] = told.points(names.TIME_TO_FIRST_CHUNK)
    assert count == 1
    assert problems("first chunk", attributes, SCHEMA["metrics"][names.TIME_TO_FIRST_CHUNK]["attributes"]) == []


def test_what_is_wrong_is_found() -> None:
    listed = SCHEMA["spans"]["chat"]["attributes"]
    good = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
    assert problems("x", good, listed) == []
    bad = {"gen_ai.operation.name": "talk", "gen_ai.usage.input_tokens": "3", "gen_ai.prompt": "x"}
    assert len(problems("x", bad, listed)) == 4


def test_each_name_that_we_pin_and_call_the_conventions_is_in_them() -> None:
    pinned = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    theirs = {name for name in pinned if name.startswith(("gen_ai.", "error.", "server."))}
    assert theirs <= {*SCHEMA["attributes"], *SCHEMA["metrics"], *SCHEMA["events"]}
