"""Spans by the GenAI conventions, breaker events, and neither content nor secrets in them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Iterator

import pytest
from agentlab_faults.exchange import Exchange
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agentlab import Model, tool
from agentlab.agent import Agent

from .conftest import Wire, call, error, say


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


@tool
async def look(item: str) -> str:
    """Look."""
    return "secret result"


def run(wire: Wire) -> None:
    agent = Agent("helper", instructions="secret instructions", models=[Model(name="gpt-4o-mini")], tools=[look])

    async def turn() -> None:
        await agent("secret question")

    wire.run(turn())


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_run_is_a_tree_of_spans_by_the_conventions(wire: Wire, spans: InMemorySpanExporter) -> None:
    wire.primary(call(("look", {"item": "secret"}), ids=("call_1",)), say("secret answer"))
    run(wire)
    found = by_name(spans)
    agent, chat, executed = found["invoke_agent helper"], found["chat gpt-4o-mini"], found["execute_tool look"]
    assert agent.context is not None
    assert all(span.parent is not None and span.parent.span_id == agent.context.span_id for span in (chat, executed))
    assert dict(agent.attributes or {})["agentlab.status"] == "complete"
    assert dict(chat.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
    }
    assert dict(executed.attributes or {})["gen_ai.tool.call.id"] == "call_1"


def test_no_content_reaches_a_span(wire: Wire, spans: InMemorySpanExporter) -> None:
    wire.primary(call(("look", {"item": "secret"})), say("secret answer"), error(500, message="secret body"))
    run(wire)
    run(wire)
    assert "secret" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_a_breaker_that_changes_is_an_event_on_the_span(wire: Wire, spans: InMemorySpanExporter) -> None:
    wire.primary(*[error(503)] * 4, say("Back."))
    agent = Agent("helper", instructions="", models=[Model(name="gpt-4o-mini")])

    async def turns() -> None:
        await agent("one")
        await asyncio.sleep(31)
        await agent("two")

    wire.run(turns())
    events = [event for span in spans.get_finished_spans() for event in span.events]
    assert [(event.name, dict(event.attributes or {})) for event in events] == [
        ("agentlab.breaker", {"agentlab.breaker.name": "llm:gpt-4o-mini", "agentlab.breaker.state": state})
        for state in ("open", "half_open", "closed")
    ]


def test_a_failed_call_has_its_error_type_and_no_message(wire: Wire, spans: InMemorySpanExporter) -> None:
    wire.primary(error(401, message="bad key sk-123"))
    run(wire)
    chat = by_name(spans)["chat gpt-4o-mini"]
    assert dict(chat.attributes or {})["error.type"] == "ModelFailedError"
    assert chat.status.description is None


def test_what_the_provider_names_is_cut_and_cleaned_in_a_span(wire: Wire, spans: InMemorySpanExporter) -> None:
    def odd(exchange: Exchange) -> Exchange:
        (pause, body) = exchange.body
        assert isinstance(body, bytes)
        named = {**json.loads(body), "model": "odd\ud800" + "x" * 50_000}
        return dataclasses.replace(exchange, body=(pause, json.dumps(named).encode()))

    wire.primary(odd(call(("look", {"item": "secret"}), ids=("i" * 50_000,))), odd(say("secret answer")))
    run(wire)
    found = by_name(spans)
    model = dict(found["chat gpt-4o-mini"].attributes or {})["gen_ai.response.model"]
    call_id = dict(found["execute_tool look"].attributes or {})["gen_ai.tool.call.id"]
    assert (model, call_id) == ("odd\ufffd" + "x" * 196, "i" * 200)
