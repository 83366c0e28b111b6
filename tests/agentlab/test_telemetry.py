"""Spans and metrics of a run, breaker events, and neither content nor secrets in them unless content was asked for."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from agentlab_faults.exchange import Exchange
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from agentlab import Bounds, Model, Reply, tool
from agentlab.agent import Agent
from agentlab.telemetry import names

from .conftest import Wire, call, error, say
from .telemetry_capture import Told, told

__all__ = ["told"]

SECRET = "sk-planted-0123456789abcdef"


@tool
async def look(item: str) -> str:
    """Look."""
    return f"secret result {SECRET}"


@tool
async def broken(item: str) -> str:
    """Break."""
    raise ConnectionError("secret reason")


def run(wire: Wire, *texts: str, **options: Any) -> Agent:
    model = Model(name="gpt-4o-mini", base_url="https://api.openai.com/v1", price=(10.0, 100.0), temperature=0)
    agent = Agent("helper", instructions="secret instructions", models=[model], tools=[look, broken], **options)

    async def turns() -> None:
        for text in texts or ("secret question",):
            await agent(text)

    wire.run(turns())
    return agent


def test_a_run_is_a_tree_of_spans_by_the_conventions(wire: Wire, told: Told) -> None:
    wire.primary(call(("look", {"item": "secret"}), ids=("call_1",)), say("secret answer"))
    agent = run(wire)
    turn, first, chat, executed = (told.span(name) for name in ("invoke_agent helper", "step 1", "chat gpt-4o-mini", "execute_tool look"))
    assert [told.parent(span) for span in (turn, first, chat, executed)] == ["", "invoke_agent helper", "step 1", "step 1"]
    assert told.parent(told.spans[-3]) == "step 2"
    assert dict(chat.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.conversation.id": agent.conversation,
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.max_tokens": 1024,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.finish_reasons": ("tool_calls",),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
        "server.address": "api.openai.com",
        "server.port": 443,
        "agentlab.attempts": 1,
        "agentlab.breaker.name": "llm:gpt-4o-mini",
        "agentlab.breaker.state": "closed",
        "agentlab.layer": "full",
        "agentlab.usage.estimated": False,
    }
    ended = dict(turn.attributes or {})
    assert {name: ended[f"agentlab.{name}"] for name in ("status", "answered_by", "confidence", "steps")} == {
        "status": "complete",
        "answered_by": "full",
        "confidence": 0.9,
        "steps": 2,
    }
    assert (ended[names.INPUT_TOKENS], ended[names.OUTPUT_TOKENS]) == (200, 20)
    assert dict(executed.attributes or {})["gen_ai.tool.call.id"] == "call_1"


def test_the_conversation_is_on_every_span(wire: Wire, told: Told) -> None:
    wire.primary(call(("look", {"item": "x"})), say("Done."), error(503))
    agent = run(wire, "one", "two")
    assert len(told.spans) > 8
    assert {dict(span.attributes or {})[names.CONVERSATION_ID] for span in told.spans} == {agent.conversation}


def test_no_content_and_no_secret_is_told_by_default(wire: Wire, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    wire.primary(
        call(("look", {"item": "secret"}), ("broken", {"item": "secret"})),
        say("secret answer"),
        error(500, message=f"secret body {SECRET}"),
    )
    run(wire)
    run(wire)
    assert told.spans
    assert told.metrics()
    assert "secret" not in told.text()
    assert SECRET not in told.text()


@pytest.mark.parametrize("value", ["true", "SPAN_ONLY", "span_and_event"])
def test_content_is_told_when_it_was_asked_for_but_never_a_secret(
    wire: Wire, told: Told, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(names.CAPTURE_CONTENT, value)
    wire.primary(call(("look", {"item": "it"}), ids=("call_1",)), say("secret answer"))
    run(wire, f"secret question about {SECRET}")
    chats = [dict(span.attributes or {}) for span in told.spans if span.name.startswith("chat")]
    assert json.loads(str(chats[0][names.SYSTEM_INSTRUCTIONS])) == [{"type": "text", "content": "secret instructions"}]
    asked = json.loads(str(chats[1][names.INPUT_MESSAGES]))
    assert [message["role"] for message in asked] == ["user", "assistant", "tool"]
    assert asked[2]["parts"] == [{"type": "tool_call_response", "id": "call_1", "response": "secret result [secret]"}]
    assert json.loads(str(chats[1][names.OUTPUT_MESSAGES])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "secret answer"}], "finish_reason": "stop"}
    ]
    executed = dict(told.span("execute_tool look").attributes or {})
    assert (executed[names.TOOL_ARGUMENTS], executed[names.TOOL_RESULT]) == ('{"item": "it"}', "secret result [secret]")
    assert SECRET not in told.text()


@pytest.mark.parametrize("value", ["", "false", "NO_CONTENT", "EVENT_ONLY", "yes please"])
def test_no_other_value_allows_content(wire: Wire, told: Told, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(names.CAPTURE_CONTENT, value)
    wire.primary(say("secret answer"))
    run(wire)
    assert "secret" not in told.text()


def test_a_breaker_that_changes_is_an_event_and_a_metric(wire: Wire, told: Told) -> None:
    wire.primary(*[error(503)] * 4, say("Back."))
    agent = Agent("helper", instructions="", models=[Model(name="gpt-4o-mini")])
    states = []

    async def turns() -> None:
        await agent("one")
        states.append(told.points(names.BREAKER_GAUGE))
        await asyncio.sleep(31)
        await agent("two")
        states.append(told.points(names.BREAKER_GAUGE))

    wire.run(turns())
    events = [event for span in told.spans for event in span.events if event.name == "agentlab.breaker"]
    assert [dict(event.attributes or {}) for event in events] == [
        {"agentlab.breaker.name": "llm:gpt-4o-mini", "agentlab.breaker.state": state} for state in ("open", "half_open", "closed")
    ]
    assert states == [[({"agentlab.breaker.name": "llm:gpt-4o-mini"}, value)] for value in (2, 0)]


def test_attempts_are_counted_and_a_failed_call_has_its_error_type_and_no_message(wire: Wire, told: Told) -> None:
    wire.primary(error(503), error(401, message="bad key sk-123"))
    run(wire)
    chat = told.span("chat gpt-4o-mini")
    attributes = dict(chat.attributes or {})
    assert attributes["error.type"] == "ModelFailedError"
    assert attributes["agentlab.error.category"] == "auth"
    assert attributes["agentlab.attempts"] == 2
    assert chat.status.description is None


def test_a_tool_that_fails_has_an_error_and_its_attempts(wire: Wire, told: Told) -> None:
    wire.primary(call(("broken", {"item": "x"})), say("I could not do it."))
    run(wire)
    failed = dict(told.span("execute_tool broken").attributes or {})
    assert (failed["error.type"], failed["agentlab.attempts"], failed["agentlab.breaker.name"]) == ("ToolFailedError", 3, "tool:broken")
    [(attributes, (count, _))] = told.points(names.TOOL_DURATION)
    assert (attributes["error.type"], count) == ("ToolFailedError", 1)


def test_the_metrics_of_a_run_say_how_long_how_many_tokens_how_it_ended_and_what_it_cost(wire: Wire, told: Told) -> None:
    wire.primary(call(("look", {"item": "x"})), say("Done."))
    run(wire)
    assert told.points(names.RUNS) == [({"gen_ai.agent.name": "helper", "agentlab.status": "complete", "agentlab.answered_by": "full"}, 1)]
    [(_, (count, seconds))] = told.points(names.AGENT_DURATION)
    assert (count, round(seconds)) == (1, 2)
    assert {(attributes["gen_ai.token.type"], total) for attributes, (_, total) in told.points(names.TOKEN_USAGE)} == {
        ("input", 200),
        ("output", 20),
    }
    [(attributes, dollars)] = told.points(names.COST)
    assert attributes == {"gen_ai.agent.name": "helper", "gen_ai.request.model": "gpt-4o-mini"}
    assert dollars == pytest.approx((200 * 10 + 20 * 100) / 1e6)


def test_tokens_that_were_estimated_are_not_reported_as_used(wire: Wire, told: Told) -> None:
    wire.primary(say("Done.", prompt_tokens=0, completion_tokens=0, total_tokens=0))
    run(wire)
    assert names.TOKEN_USAGE not in told.metrics()
    assert dict(told.span("invoke_agent helper").attributes or {})[names.ESTIMATED] is True


def test_a_turn_that_does_not_finish_is_an_error_of_its_status(wire: Wire, told: Told) -> None:
    wire.primary(call(("look", {"item": "x"})))
    run(wire, bounds=Bounds(steps=1))
    assert dict(told.span("invoke_agent helper").attributes or {})["error.type"] == "max_steps_exceeded"
    [(attributes, _)] = told.points(names.RUNS)
    assert (attributes["agentlab.status"], attributes["agentlab.answered_by"]) == ("max_steps_exceeded", "safety_net")


def test_a_turn_that_its_caller_cancels_is_counted(wire: Wire, told: Told) -> None:
    wire.primary(say("Done."))
    agent = Agent("helper", instructions="", models=[Model(name="gpt-4o-mini")])

    async def cut() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(agent("one"), 0.5)

    wire.run(cut())
    [(attributes, value)] = told.points(names.RUNS)
    assert (attributes["agentlab.status"], value) == ("cancelled", 1)


def test_the_layers_that_worked_on_a_turn_are_events_of_its_span(wire: Wire, told: Told) -> None:
    wire.primary(error(503))
    run(wire)
    events = [
        dict(event.attributes or {})[names.LAYER] for event in told.span("invoke_agent helper").events if event.name == names.LAYER_EVENT
    ]
    assert events[0] == "full"
    assert events[-1] == "safety_net"


def test_what_the_provider_names_is_cut_and_cleaned_in_a_span(wire: Wire, told: Told) -> None:
    def odd(exchange: Exchange) -> Exchange:
        (pause, body) = exchange.body
        assert isinstance(body, bytes)
        named = {**json.loads(body), "model": "odd\ud800" + "x" * 50_000}
        return exchange._replace(body=(pause, json.dumps(named).encode()))

    wire.primary(odd(call(("look", {"item": "secret"}), ids=("i" * 50_000,))), odd(say("secret answer")))
    run(wire)
    model = dict(told.span("chat gpt-4o-mini").attributes or {})["gen_ai.response.model"]
    call_id = dict(told.span("execute_tool look").attributes or {})["gen_ai.tool.call.id"]
    assert (model, call_id) == ("odd\ufffd" + "x" * 196, "i" * 200)


class Broken(SpanProcessor):
    """A user's own, with a bug."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        raise RuntimeError(SECRET)

    def on_end(self, span: ReadableSpan) -> None:
        raise KeyError(SECRET)


class BrokenAtTheEnd(Broken):
    def on_start(self, span: Span, parent_context: Context | None = None) -> None: ...


@pytest.mark.parametrize("processor", [Broken, BrokenAtTheEnd])
def test_a_span_processor_that_breaks_does_not_reach_the_turn(
    wire: Wire, told: Told, processor: type[Broken], caplog: pytest.LogCaptureFixture
) -> None:
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(processor())
    wire.primary(call(("look", {"item": "x"}), ids=("call_1",)), say("Fine."))

    async def turn() -> Reply:
        return await Agent("helper", instructions="", models=[Model(name="m")], tools=[look])("Go.")

    reply: Reply = wire.run(turn())
    assert (reply.text, reply.status) == ("Fine.", "complete")
    assert "of the span 'invoke_agent helper' (" in caplog.text
    assert SECRET not in caplog.text
    assert told.points(names.RUNS) == [({"gen_ai.agent.name": "helper", "agentlab.status": "complete", "agentlab.answered_by": "full"}, 1)]
