"""openai-agents' own traces stay where they are made."""

from __future__ import annotations

from typing import Any

import pytest
from agentlab_faults import Setup, Talk, intercept, play
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.script import Say, ScriptSpec
from agents import Agent, OpenAIChatCompletionsModel, Runner, set_trace_processors
from agents.tracing import TracingProcessor, get_trace_provider
from agents.tracing.processors import default_processor
from openai import AsyncOpenAI


class Mine(TracingProcessor):
    """A user's own."""

    def __init__(self) -> None:
        self.traces: list[str] = []

    def on_trace_start(self, trace: Any) -> None:
        self.traces.append(trace.name)

    def on_trace_end(self, trace: Any) -> None:
        pass

    def on_span_start(self, span: Any) -> None:
        pass

    def on_span_end(self, span: Any) -> None:
        pass

    def shutdown(self) -> None:
        pass

    def force_flush(self) -> None:
        pass


def flushed() -> list[str]:
    """Where the traces go that wait."""
    posted: list[str] = []

    def answer(request: WireRequest) -> tuple[Exchange, None]:
        posted.append(request.url)
        return Exchange(202, (("content-type", "application/json"),), (b"{}",)), None

    with intercept.armed(answer):
        get_trace_provider().force_flush()
    return posted


def test_what_is_traced_in_a_run_is_seen_by_the_users_processors_and_never_posted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-real-one-0123456789abcdef")
    mine = Mine()
    set_trace_processors([default_processor(), mine])
    flushed()

    def conversation(talk: Talk) -> None:
        agent = Agent(name="desk", model=OpenAIChatCompletionsModel("gpt-4o-mini", AsyncOpenAI()))
        talk.turn("Hello.")
        talk.reply(talk.settle(Runner.run(agent, "Hello.")).final_output)

    try:
        played = play(conversation, Setup(prompts=("Hello.",), scripts=(ScriptSpec(turns=(Say("Good day."),)),)))
        assert played.replies == ("Good day.",)
        assert mine.traces == ["Agent workflow"]
        assert flushed() == []
    finally:
        set_trace_processors([default_processor()])
