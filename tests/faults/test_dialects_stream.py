"""Streams: the real SDK puts a streamed answer together to the very answer that comes in one piece."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from agentlab_faults.catalogue import select, singles
from agentlab_faults.engine import play
from agentlab_faults.fault import all_faults
from agentlab_faults.journal import Answered
from agentlab_faults.played import Played, Setup, Talk
from agentlab_faults.points import WHERE
from agentlab_faults.script import Call, Say, ScriptSpec

PROMPT = "Refund order 5512."
SCRIPT = ScriptSpec(
    turns=(
        Call((("lookup_order", {"id": "5512"}), ("refund", {"order": "5512", "amount": 49.9})), say="Let me see: größer als."),
        Say("I refunded EUR 49.90 for order 5512."),
    )
)
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("lookup_order", "refund")
]


async def converse(*, stream: bool, usage: bool = True) -> list[dict[str, Any]]:
    """A loop over the real SDK; returns what it knows of each answer."""
    client = openai.AsyncOpenAI()
    messages: list[Any] = [{"role": "user", "content": PROMPT}]
    answers: list[dict[str, Any]] = []
    while not answers or answers[-1]["tool_calls"]:
        options: dict[str, Any] = {"model": "gpt-4o-mini", "messages": messages, "tools": TOOLS}
        if stream:
            chunks = await client.chat.completions.create(**options, stream=True, stream_options={"include_usage": usage})
            answers.append(put_together([chunk.model_dump() async for chunk in chunks]))
        else:
            completion = (await client.chat.completions.create(**options)).model_dump()
            message = completion["choices"][0]["message"]
            calls = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in message["tool_calls"] or ()]
            finish = completion["choices"][0]["finish_reason"]
            answers.append({"content": message["content"], "tool_calls": calls, "usage": completion["usage"], "finish": finish})
        calls = answers[-1]["tool_calls"]
        messages.append(
            {
                "role": "assistant",
                "content": answers[-1]["content"],
                "tool_calls": [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls],
            }
        )
        messages += [{"role": "tool", "tool_call_id": call_id, "content": "fine"} for call_id, _, _ in calls]
    return answers


def put_together(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    content, calls, usage, finish = "", {}, None, None
    for chunk in chunks:
        usage = chunk["usage"] or usage
        for choice in chunk["choices"]:
            content += choice["delta"].get("content") or ""
            finish = choice["finish_reason"] or finish
            for part in choice["delta"].get("tool_calls") or ():
                known = calls.setdefault(part["index"], [part["id"], part["function"]["name"], ""])
                known[2] += part["function"]["arguments"]
    return {"content": content or None, "tool_calls": [tuple(c) for c in calls.values()], "usage": usage, "finish": finish}


def played(**options: Any) -> tuple[Played, list[dict[str, Any]]]:
    told: list[dict[str, Any]] = []

    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        told.extend(asyncio.run(converse(**options)))
        talk.reply(told[-1]["content"])

    run = play(conversation, Setup(scripts=(SCRIPT,), prompts=(PROMPT,)))
    assert (run.ending, run.detail, run.error) == ("returned", "", None)
    return run, told


def test_a_stream_says_what_one_piece_says() -> None:
    (streamed, by_stream), (whole, in_one_piece) = played(stream=True), played(stream=False)
    assert by_stream == in_one_piece
    assert streamed.seconds == pytest.approx(whole.seconds)
    assert streamed.tokens == whole.tokens


def test_a_stream_tells_its_usage_only_to_those_who_ask() -> None:
    _, answers = played(stream=True, usage=False)
    assert [answer["usage"] for answer in answers] == [None, None]


def test_points_say_that_they_stream_and_in_how_many_events() -> None:
    run, _ = played(stream=True)
    assert [(point.name, point.streamed, point.chunks) for point in run.points] == [("openai.chat.1", True, 13), ("openai.chat.2", True, 7)]
    assert all(event.end == "delivered" for event in run.journal if isinstance(event, Answered))
    assert [point.chunks for point in played(stream=False)[0].points] == [0, 0]


@pytest.mark.parametrize(
    ("options", "planned"),
    [
        ({"stream": False}, ["usage_bogus", "usage_missing", "usage_zero"]),
        ({"stream": True}, ["stream_usage_missing", "usage_bogus", "usage_missing", "usage_zero"]),
        ({"stream": True, "usage": False}, []),
    ],
)
def test_faults_of_usage_are_planned_only_where_it_is_told(options: dict[str, Any], planned: list[str]) -> None:
    run, _ = played(**options)
    found = {injection.fault.row.id for schedule in singles(run.points, select(["*usage*"])) for injection in schedule.injections}
    assert sorted(found) == planned
    assert all("include_usage" in WHERE[trait] for name in planned for trait in all_faults()[name].row.needs)
