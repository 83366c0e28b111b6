"""Cells at the events of a stream, from the plan to the report: an agent that streams, with a retry of its own or without."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agentlab_faults.points import CHUNK
from agentlab_reports import evaluate, read_results, render_html
from agentlab_reports.coverage import coverage_of
from agentlab_suites.fixture import Chaos

pytest_plugins = ["pytester"]

AGENT = """
import asyncio
import openai


def build(tries=3):
    async def once(client, text):
        said, finish = "", None
        stream = await client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": text}], stream=True
        )
        async for chunk in stream:
            for choice in chunk.choices:
                said += choice.delta.content or ""
                finish = choice.finish_reason or finish
        if finish != "stop":
            raise ValueError("the stream was cut")
        return said

    async def agent(text):
        client = openai.AsyncOpenAI(max_retries=0)
        for n in range(tries):
            try:
                return await asyncio.wait_for(once(client, text), 20)
            except (ValueError, TimeoutError, openai.APIError):
                await asyncio.sleep(2**n)
        return "I am sorry, I could not answer."

    return agent


def naive():
    async def agent(text):
        said = ""
        async for chunk in await openai.AsyncOpenAI().chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": text}], stream=True
        ):
            said += "".join(choice.delta.content or "" for choice in chunk.choices)
        return said or "nothing came"

    return agent


def hasty():
    async def agent(text):
        stream = await openai.AsyncOpenAI().chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": text}], stream=True
        )
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                return "Good day, I think: " + chunk.choices[0].delta.content

    return agent
"""

SUITE = """\
version: 1
agent: agent.py:build
faults: [stream_cut_clean, stream_reset_midway, stream_slow_first_token]
scenarios:
  greet:
    prompt: Hello.
    script:
      - say: Good day to you.
    expect:
      - reply.contains: Good day
"""


@pytest.fixture
def streaming(shop: Any) -> Any:
    shop.write("agent.py", AGENT)
    shop.write("shop.suite.yaml", SUITE)
    return shop


def once(cells: dict[str, Any]) -> dict[str, str]:
    return {name: cell["outcome"] for name, cell in cells.items() if cell["shape"] == "once"}


def test_cells_lie_at_the_first_a_middle_and_the_last_event(streaming: Any) -> None:
    streaming.pytest("-q")
    cells = streaming.cells()
    faults = ("stream_reset_midway", "stream_cut_clean")
    struck = {f"greet[openai.chat.1.chunk.{n}-{fault}]": "success" for fault in faults for n in (1, 4, 6)}
    assert once(cells) == {**struck, "greet[openai.chat.1-stream_slow_first_token]": "success"}
    assert all(cell["fired"] and cell["seen"] for cell in cells.values() if cell["shape"])
    assert {cell["point"] for cell in cells.values()} >= {"openai.chat.1.chunk.4", "openai.chat.1"}


def test_a_strike_at_an_event_counts_for_its_point(streaming: Any) -> None:
    streaming.pytest("-q")
    results = read_results(streaming.folder / ".agentlab/last/results.jsonl")
    assert {pair.point for pair in results[0].header.pairs} == {"openai.chat.1"}
    covered = coverage_of(results)
    assert (covered.covered, covered.applicable, covered.uncovered) == (3, 3, ())
    verdict = evaluate(results, None)
    assert verdict.pairs == 3
    assert "openai.chat.1.chunk.4" in render_html(results, verdict, None)


def test_an_agent_that_takes_a_cut_stream_for_a_whole_one_is_seen(streaming: Any) -> None:
    streaming.pytest("-q", "--agentlab-agent=agent.py:naive", "--agentlab-faults=stream_cut_clean")
    cells = once(streaming.cells())
    assert cells["greet[openai.chat.1.chunk.1-stream_cut_clean]"] == "silent_wrong"
    assert cells["greet[openai.chat.1.chunk.6-stream_cut_clean]"] == "success"


def test_what_an_agent_did_not_stay_to_see_was_not_exercised(streaming: Any) -> None:
    streaming.pytest("-q", "--agentlab-agent=agent.py:hasty", "--agentlab-faults=stream_reset_midway")
    cells = streaming.cells()
    assert cells["greet[openai.chat.1.chunk.6-stream_reset_midway]"]["outcome"] == "not_exercised"
    assert cells["greet[openai.chat.1.chunk.6-stream_reset_midway]"]["seen"] == 0
    assert cells["greet[openai.chat.1.chunk.1-stream_reset_midway]"]["seen"] == 1


def test_any_event_can_be_named(streaming: Any) -> None:
    streaming.pytest("-q", "--agentlab-faults=openai.chat.1.chunk.3-stream_dup_chunk")
    assert set(once(streaming.cells())) == {"greet[openai.chat.1.chunk.3-stream_dup_chunk]"}
    streaming.pytest("-q", "shop.suite.yaml::greet[openai.chat.1.chunk.2-stream_garbage_chunk-x3]")
    assert list(streaming.cells()) == ["greet[openai.chat.1.chunk.2-stream_garbage_chunk-x3]"]


def test_an_event_that_no_stream_has_is_refused(streaming: Any) -> None:
    result = streaming.pytest("-q", "--agentlab-faults=openai.chat.1.chunk.first-stream_dup_chunk")
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*names no event of a stream*"])


def test_the_chaos_fixture_strikes_an_event(chaos: Chaos) -> None:
    namespace: dict[str, Any] = {}
    exec(AGENT, namespace)  # noqa: S102 - the agent of this file
    said = chaos.run(namespace["naive"](), "Hello.", fault="stream_cut_clean", at=f"openai.chat.1{CHUNK}3", script="Good day to you.")
    assert said == "Good d"


def test_the_same_seed_gives_the_same_bytes(streaming: Any) -> None:
    streaming.pytest("-q")
    first = json.dumps(streaming.cells())
    streaming.pytest("-q")
    assert json.dumps(streaming.cells()) == first
