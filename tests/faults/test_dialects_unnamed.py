"""Gemini's older models give their calls no ids: the script finds its place by tool, arguments and order, whatever gets lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agentlab_faults.catalogue import select
from agentlab_faults.engine import play
from agentlab_faults.played import Setup, Talk
from agentlab_faults.schedule import FAULT_FREE, Injection, Schedule
from agentlab_faults.script import Asked, Call, Say, ScriptedModel, ScriptSpec
from google import genai
from google.genai import errors, types

PROMPT = "Refund order 5512."
LOOKED: tuple[str, dict[str, Any]] = ("lookup_order", {"id": "5512"})
PAID: tuple[str, dict[str, Any]] = ("refund", {"order": "5512", "amount": 49.9})
SCRIPT = ScriptSpec(turns=(Call((LOOKED,)), Call((LOOKED, PAID)), Call((LOOKED,)), Say("Refunded.")))
ALL = [LOOKED, LOOKED, PAID, LOOKED]
FUNCTIONS = [types.FunctionDeclaration(name=name, parameters_json_schema={"type": "object"}) for name in ("lookup_order", "refund")]


def agent(log: list[Any], fails: set[int]) -> str:
    """A plain loop without ids, which asks again when an answer is of no use; the tool fails at the executions in `fails`."""
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=FUNCTIONS)])
    history: list[Any] = [types.Content(role="user", parts=[types.Part(text=PROMPT)])]
    with genai.Client() as client:
        for _ in range(20):
            try:
                answer = client.models.generate_content(model="gemini-2.5-flash", contents=history, config=config)
            except (ValueError, errors.APIError):
                continue
            calls = answer.function_calls or []
            if not calls and answer.text:
                return answer.text
            if not calls:
                continue
            history.append(types.Content(role="model", parts=[types.Part(function_call=c) for c in calls]))
            told = []
            for call in calls:
                log.append((call.name, dict(call.args or {})))
                result = {"error": "timed out"} if len(log) in fails else {"result": "fine"}
                told.append(types.Part.from_function_response(name=str(call.name), response=result))
            history.append(types.Content(role="user", parts=told))
    return "gave up"


def played(schedule: Schedule = FAULT_FREE, fails: set[int] | None = None) -> tuple[str, list[Any]]:
    log: list[Any] = []

    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        talk.reply(agent(log, fails or set()))

    run = play(conversation, Setup(scripts=(SCRIPT,), prompts=(PROMPT,), deadline=600.0), schedule)
    assert (run.ending, run.error, run.problems) == ("returned", None, ())
    assert bool(run.strikes) == bool(schedule.injections)
    return run.replies[0], log


def test_equal_calls_are_told_by_their_order() -> None:
    assert played() == ("Refunded.", ALL)


@pytest.mark.parametrize("name", ["http_503", "http_429_rate", "body_truncated_json", "content_empty_choices", "gemini_prompt_blocked"])
@pytest.mark.parametrize("point", [1, 2, 3, 4])
def test_a_lost_answer_shifts_nothing(name: str, point: int) -> None:
    [fault] = select([name])
    schedule = Schedule("", (Injection(fault=fault(), at=f"gemini.generate.{point}", shape="once"),))
    assert played(schedule) == ("Refunded.", ALL)


def test_a_call_that_failed_is_made_again() -> None:
    assert played(fails={1}) == ("Refunded.", [LOOKED, *ALL])


def test_of_equal_calls_the_last_that_arrived_are_meant() -> None:
    model = ScriptedModel((SCRIPT,), (PROMPT,))
    first = Asked([{"role": "user", "content": PROMPT}], callable={"lookup_order": {}, "refund": {}})
    lost, kept = model.serve(first).ids[0], model.serve(first).ids[0]
    model.spoiled([lost])
    call = {"id": "unnamed_0", "type": "function", "function": {"name": "lookup_order", "arguments": json.dumps(LOOKED[1])}}
    history = [*first.messages, {"role": "assistant", "content": "", "tool_calls": [call]}]
    asked = model.named(Asked(history, unnamed=frozenset({"unnamed_0"})))
    assert list(asked.shown()) == [kept]
    assert asked.unnamed == frozenset()
