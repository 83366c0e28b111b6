"""The online evaluator: it scores a sample off the answer's path, tells telemetry, and never breaks or delays a run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agentlab import Agent, Model, Reply, Run
from agentlab.evaluation import Evaluator
from agentlab.telemetry import names

from .conftest import Wire, say
from .telemetry_capture import Told, told

__all__ = ["told"]

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "genai_conventions.json").read_text())


def agent(evaluator: Evaluator, share: float = 1.0) -> Agent:
    return Agent("helper", instructions="", models=[Model(name="m")], evaluator=evaluator, evaluate_share=share)


def ask(wire: Wire, asked: Agent, times: int = 1, *, wait: float = 100.0) -> list[Reply]:
    """The replies, and then as much time as evaluations need."""

    async def turns() -> list[Reply]:
        replies = [await asked("Is it open?") for _ in range(times)]
        await asyncio.sleep(wait)
        return replies

    wire.primary(say("Yes."))
    replies: list[Reply] = wire.run(turns())
    return replies


def events(told: Told) -> list[dict[str, Any]]:
    found = [record.log_record for record in told.logs.get_finished_logs() if record.log_record.event_name == names.EVALUATION_RESULT]
    return [dict(record.attributes or {}) for record in found]


def test_scores_are_events_in_the_runs_trace_and_a_metric(wire: Wire, told: Told) -> None:
    seen: list[Run] = []

    async def judge(run: Run) -> Mapping[str, float]:
        seen.append(run)
        return {"helpful": 4.5, "brief": 5}

    [reply] = ask(wire, agent(judge))
    assert [(run.agent, run.text, run.reply) for run in seen] == [("helper", "Is it open?", reply)]
    assert events(told) == [
        {"gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.score.value": 4.5},
        {"gen_ai.evaluation.name": "brief", "gen_ai.evaluation.score.value": 5.0},
    ]
    assert all(set(event) <= set(SCHEMA["events"][names.EVALUATION_RESULT]["attributes"]) for event in events(told))
    turn = told.span("invoke_agent helper").context
    assert turn is not None
    assert {record.log_record.span_id for record in told.logs.get_finished_logs()} == {turn.span_id}
    assert ({names.AGENT_NAME: "helper", names.EVALUATION_NAME: "helpful"}, (1, 4.5)) in told.points(names.SCORE)


def test_a_slow_evaluator_delays_nothing(wire: Wire, told: Told) -> None:
    async def slow(run: Run) -> Mapping[str, float]:
        await asyncio.sleep(30)
        return {"helpful": 3}

    ask(wire, agent(slow), 3, wait=0)
    assert wire.now == pytest.approx(3.0, abs=0.1)
    assert events(told) == []


def refuses(run: Run) -> Any:
    raise KeyError("a bug")


async def out_of_range(run: Run) -> Mapping[str, float]:
    return {"helpful": 7}


async def hangs(run: Run) -> Mapping[str, float]:
    await asyncio.sleep(1e6)
    return {}


def no_coroutine(run: Run) -> Any:
    return {"helpful": 3}


@pytest.mark.parametrize(
    ("evaluator", "why"),
    [(refuses, "KeyError"), (out_of_range, "InvalidScoreError"), (hangs, "TimeoutError"), (no_coroutine, "TypeError")],
)
def test_an_evaluator_that_fails_is_told_and_breaks_nothing(wire: Wire, told: Told, evaluator: Evaluator, why: str) -> None:
    [reply] = ask(wire, agent(evaluator))
    assert reply.status == "complete"
    assert events(told) == [{"gen_ai.evaluation.name": getattr(evaluator, "__name__", ""), "error.type": why}]


def test_the_sample_is_as_large_as_asked_for(wire: Wire, told: Told) -> None:
    seen: list[Run] = []

    async def judge(run: Run) -> Mapping[str, float]:
        seen.append(run)
        return {}

    ask(wire, agent(judge, 0.0), 20)
    assert seen == []
    ask(wire, agent(judge, 0.3), 100)
    assert 15 <= len(seen) <= 45


def test_no_more_than_four_are_under_way(wire: Wire, told: Told) -> None:
    running, most = 0, 0

    async def slow(run: Run) -> Mapping[str, float]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(50)
        running -= 1
        return {"helpful": 3}

    ask(wire, agent(slow), 10)
    assert most == 4
    assert len(events(told)) == 4


def test_closing_waits_a_little_and_then_cuts(wire: Wire, told: Told) -> None:
    async def closed() -> None:
        for evaluator in (soon, hangs):
            async with agent(evaluator) as asked:
                await asked("Is it open?")

    async def soon(run: Run) -> Mapping[str, float]:
        await asyncio.sleep(2)
        return {"helpful": 3}

    wire.primary(say("Yes."))
    wire.run(closed())
    assert len(events(told)) == 1
    assert wire.now == pytest.approx(1 + 2 + 1 + 5, abs=0.2)


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="evaluate_share is 10"):
        agent(out_of_range, 10)
