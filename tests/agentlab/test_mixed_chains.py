"""A chain of several providers: one goes on where another stopped, in the middle of a run, and each one's failure is kept."""

from __future__ import annotations

import importlib.util
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agentlab_faults import Schedule, Setup, Talk, play
from agentlab_faults.catalogue import select
from agentlab_faults.exchange import Exchange
from agentlab_faults.played import Played
from agentlab_faults.played import Tool as LabTool
from agentlab_faults.schedule import Injection
from agentlab_faults.script import Call, Say, ScriptSpec

from agentlab import AllModelsFailedError, ModelFailedError, Reply, tool
from agentlab.agent import Agent
from agentlab.models import Api, Model
from agentlab.providers import Provider

from .conftest import Wire
from .talking import APIS, MODELS

EXAMPLE = Path(__file__).parents[2] / "examples" / "three_providers.py"
PROMPT = "Where are my orders 1 and 2?"
ANSWER = "Order 1 was delivered, order 2 is on its way."
SETUP = Setup(
    scripts=(
        ScriptSpec(
            turns=(
                Call((("lookup_order", {"id": "1"}), ("lookup_order", {"id": "2"}))),
                Call((("lookup_order", {"id": "3"}),)),
                Say(ANSWER),
            )
        ),
    ),
    prompts=(PROMPT,),
    tools={"lookup_order": LabTool(name="lookup_order", returns={"status": "delivered"})},
    deadline=120.0,
)
POINTS: dict[str, str] = {
    "openai-chat": "openai.chat",
    "openai-responses": "openai.responses",
    "anthropic": "anthropic.messages",
    "google": "gemini.generate",
    "google 3": "gemini.generate",
}


@tool
async def lookup_order(id: str) -> dict[str, str]:  # noqa: A002  # the name that a model sees
    """Look an order up."""
    return {"id": id}


def run(build: Callable[[], Agent], schedule: Schedule | None = None) -> Played:
    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        talk.reply(talk.settle(build()(PROMPT)))

    clean = play(conversation, SETUP)
    assert clean.replies[0].text == ANSWER
    return clean if schedule is None else play(conversation, SETUP, schedule, clean=clean.clean)


def down(*points: str, name: str = "http_503") -> Schedule:
    (fault,) = select([name])
    return Schedule("down", tuple(Injection(fault=fault(), at=point, shape="always") for point in points))


def chain(*names: str, stream: bool = False) -> Callable[[], Agent]:
    models = [replace(MODELS[name], stream=stream, timeout=8.0) for name in names]
    return lambda: Agent("orders", instructions="Look orders up.", models=models, tools=[lookup_order])


PAIRS = [pair for pair in itertools.permutations(MODELS, 2) if MODELS[pair[0]].api != MODELS[pair[1]].api]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_another_provider_goes_on_in_the_middle_of_a_run(first: str, second: str, stream: bool) -> None:
    one_host = first.startswith("openai") and second.startswith("openai")
    outage = down(f"{POINTS[first]}.2", name="http_404_model_gone" if one_host else "http_503")
    played = run(chain(first, second, stream=stream), outage)
    (reply,) = played.replies
    assert isinstance(reply, Reply)
    assert (reply.text, reply.status, played.problems) == (ANSWER, "complete", ())
    assert [step.model for step in reply.steps] == [MODELS[first].name, MODELS[second].name, MODELS[second].name]
    assert [action.input["id"] for step in reply.steps for action in step.actions] == ["1", "2", "3"]


def example() -> Any:
    spec = importlib.util.spec_from_file_location("three_providers", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("outage", "model"),
    [
        ((), "claude-haiku-4-5"),
        (("anthropic.messages.3",), "gemini-2.5-flash"),
        (("anthropic.messages.2", "gemini.generate.1"), "gpt-4.1-mini"),
        (("anthropic.messages.1", "gemini.generate.2"), "gpt-4.1-mini"),
    ],
    ids=["none", "one", "two at once", "two after each other"],
)
def test_the_example_answers_as_long_as_one_of_three_is_there(outage: tuple[str, ...], model: str) -> None:
    (reply,) = run(example().build, down(*outage) if outage else None).replies
    assert (reply.text, reply.steps[-1].model) == (ANSWER, model)


def test_the_example_shows_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        talk.settle(example().main(PROMPT))
        talk.reply("")

    play(conversation, SETUP)
    called = "".join(f"[lookup_order {{'id': '{n}'}}]\n" for n in (1, 2, 3))
    assert capsys.readouterr().out == f"{called}{ANSWER}\n[complete, by claude-haiku-4-5]\n"


def test_every_sdk_is_loaded_before_the_first_request_and_not_in_the_middle_of_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(Provider, "load", lambda provider: loaded.append(provider.sdk))
    agent = example().build()
    assert loaded == []
    run(lambda: agent)
    assert loaded == ["anthropic", "google.genai", "openai"]


def test_when_all_are_down_each_failure_is_kept() -> None:
    (reply,) = run(example().build, down("anthropic.messages.1", "gemini.generate.1", "openai.responses.1")).replies
    assert isinstance(reply.error, AllModelsFailedError)
    assert list(reply.error.failures) == ["claude-haiku-4-5", "gemini-2.5-flash", "gpt-4.1-mini"]
    for failure, kind in zip(reply.error.failures.values(), ("ServiceUnavailableError", "ServerError", "InternalServerError"), strict=True):
        assert isinstance(failure, ModelFailedError)
        assert {type(cause).__name__ for cause in failure.causes} == {kind}
        assert failure.category == "transient"
    assert reply.status == "degraded"


def test_a_known_dead_provider_is_skipped_without_delay() -> None:
    def conversation(talk: Talk) -> None:
        agent = example().build()
        for prompt in (PROMPT, PROMPT):
            talk.turn(prompt)
            talk.reply(talk.settle(agent(prompt)))

    setup = replace(SETUP, prompts=(PROMPT, PROMPT), scripts=(ScriptSpec(turns=(Say("One."), Say("Two."))),))
    clean = play(conversation, setup)
    first, second = play(conversation, setup, down("anthropic.messages.1"), clean=clean.clean).replies
    assert (first.steps[0].model, second.steps[0].model) == ("gemini-2.5-flash", "gemini-2.5-flash")
    assert first.steps[0].seconds > second.steps[0].seconds == 1.0


TOO_LONG: dict[Api, tuple[str, Any]] = {
    "openai-chat": ("api.openai.com", {"error": {"message": "x", "code": "context_length_exceeded"}}),
    "openai-responses": ("api.openai.com", {"error": {"message": "x", "code": "context_length_exceeded"}}),
    "anthropic": (
        "api.anthropic.com",
        {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}},
    ),
    "google": (
        "generativelanguage.googleapis.com",
        {"error": {"code": 400, "message": "The input token count (9) exceeds", "status": "INVALID_ARGUMENT"}},
    ),
}


@pytest.mark.parametrize("api", APIS)
def test_what_is_too_long_for_a_provider_is_asked_in_fewer_words(wire: Wire, api: Api) -> None:
    host, body = TOO_LONG[api]
    asked: list[str] = []
    fine = {
        "openai-chat": {"choices": [{"message": {"content": "Fine."}, "finish_reason": "stop"}]},
        "openai-responses": {"status": "completed", "output": [{"type": "message", "content": [{"type": "output_text", "text": "Fine."}]}]},
        "anthropic": {"content": [{"type": "text", "text": "Fine."}], "stop_reason": "end_turn"},
        "google": {"candidates": [{"content": {"parts": [{"text": "Fine."}]}, "finishReason": "STOP"}]},
    }
    long = {
        "openai-chat": {
            "choices": [
                {"message": {"tool_calls": [{"id": "a", "function": {"name": "read", "arguments": "{}"}}]}, "finish_reason": "tool_calls"}
            ]
        },
        "openai-responses": {
            "status": "completed",
            "output": [{"type": "function_call", "call_id": "a", "name": "read", "arguments": "{}"}],
        },
        "anthropic": {"content": [{"type": "tool_use", "id": "a", "name": "read", "input": {}}], "stop_reason": "tool_use"},
        "google": {"candidates": [{"content": {"parts": [{"functionCall": {"name": "read", "args": {}}}]}, "finishReason": "STOP"}]},
    }

    @tool
    async def read() -> str:
        """Read it all."""
        return "word " * 2000

    def answer(request: Any) -> Exchange:
        asked.append(json.dumps(request))
        status, told = (200, long[api]) if len(asked) == 1 else (400, body) if len(asked) < 3 else (200, fine[api])
        return Exchange(status, (("content-type", "application/json"),), (json.dumps(told).encode(),))

    wire.hosts[host] = [answer]
    agent = Agent("reader", instructions="Read.", models=[Model(name=MODELS[api].name, api=api)], tools=[read])

    async def turn() -> Reply:
        return await agent("What does it say?")

    reply = wire.run(turn())
    assert (reply.text, reply.status) == ("Fine.", "complete")
    assert len(asked[2]) < len(asked[1]) * 0.6
    assert all("What does it say?" in request for request in asked)
