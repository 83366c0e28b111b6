"""Embeddings through the real SDKs: the same text has the same vector, like texts lie near each other, and faults of words stay away."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import openai
import pytest
from agentlab_faults.catalogue import select, singles
from agentlab_faults.dialects.embeddings.vectors import vector
from agentlab_faults.engine import play
from agentlab_faults.fault import all_faults
from agentlab_faults.played import Played, Setup, Talk
from agentlab_faults.points import Point
from agentlab_faults.schedule import FAULT_FREE, Injection, Schedule
from agentlab_faults.script import Say, ScriptSpec
from google import genai
from hypothesis import given
from hypothesis import strategies as st

SETUP = Setup(scripts=(ScriptSpec(turns=(Say("ok"),)),), prompts=("go",))
TEXTS = ["Refund my order", "I want my order refunded: refund", "The canteen opens at noon"]


def told(agent: Callable[[], Any], schedule: Schedule = FAULT_FREE, clean: Played | None = None) -> tuple[Any, Played]:
    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(talk.settle(agent()))

    run = play(conversation, SETUP, schedule, clean=clean.clean if clean else None)
    assert run.problems == ()
    return (run.error or run.replies[0]), run


def near(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def embed(**options: Any) -> Any:
    asked: Any = {"model": "text-embedding-3-small", "input": TEXTS} | options
    return await openai.AsyncOpenAI(max_retries=0).embeddings.create(**asked)


def test_openai_gets_a_vector_for_each_text_and_pays_for_the_prompt() -> None:
    answer, run = told(embed)
    assert [(one.index, len(one.embedding)) for one in answer.data] == [(0, 1536), (1, 1536), (2, 1536)]
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 0
    assert [(point.name, point.streamed, point.calls_tools) for point in run.points] == [("embeddings.1", False, False)]


def test_texts_that_share_words_lie_near_each_other() -> None:
    first, like, unlike = [one.embedding for one in told(embed)[0].data]
    assert near(first, like) > 0.5 > abs(near(first, unlike))


def test_floats_and_base64_are_the_same_numbers() -> None:
    floats, packed = (told(lambda form=form: embed(encoding_format=form))[0].data[0].embedding for form in ("float", "base64"))
    if isinstance(packed, str):  # asked for in so many words, the SDK leaves it packed
        import base64  # noqa: PLC0415
        import struct  # noqa: PLC0415

        packed = list(struct.unpack(f"<{len(floats)}f", base64.b64decode(packed)))
    assert packed == pytest.approx(floats, abs=1e-6)


def test_dimensions_are_as_asked_for() -> None:
    assert len(told(lambda: embed(dimensions=64))[0].data[0].embedding) == 64


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"dimensions": 5000}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
    ],
)
def test_what_openai_refuses_is_refused(options: dict[str, Any], param: str) -> None:
    error = told(lambda: embed(**options))[0]
    assert (error.status_code, error.param) == (400, param)


@pytest.mark.parametrize("contents", ["Refund my order", TEXTS], ids=["one", "several"])
def test_gemini_gets_its_vectors(contents: Any) -> None:
    async def agent() -> Any:
        options = genai.types.HttpOptions(async_client_args={"trust_env": False})
        client = genai.Client(api_key="key-test", http_options=options)
        config = genai.types.EmbedContentConfig(output_dimensionality=32)
        return await asyncio.to_thread(client.models.embed_content, model="gemini-embedding-001", contents=contents, config=config)

    answer = told(agent)[0]
    assert [len(one.values) for one in answer.embeddings] == [32] * (1 if isinstance(contents, str) else len(contents))
    assert answer.embeddings[0].values == pytest.approx(vector("Refund my order", 32))


@given(st.text(max_size=60), st.integers(1, 64))
def test_any_text_has_one_vector_of_length_one(text: str, dimensions: int) -> None:
    made = vector(text, dimensions)
    assert made == vector(text, dimensions)
    assert math.isclose(sum(number * number for number in made), 1.0, abs_tol=1e-4)


POINT = Point("embeddings.1", "llm", "embeddings", 1)


def test_only_the_network_and_the_providers_refusals_can_break_them() -> None:
    offered = [schedule.injections[0].fault.row for schedule in singles([POINT], select(["*"]))]
    assert {row.boundary for row in offered} == {"network", "provider-http"}
    assert not {row.id for row in offered} & {"http_400_tool_schema", "http_400_orphan_tool_call"}


@pytest.mark.parametrize("name", ["http_429_rate", "net_reset_mid_body"])
def test_a_fault_strikes_them(name: str) -> None:
    clean = told(embed)[1]
    schedule = Schedule(name, (Injection(fault=all_faults()[name](), at="embeddings.1"),))
    error, run = told(embed, schedule, clean)
    assert isinstance(error, openai.APIError)
    assert [strike.changed for strike in run.strikes] == [True]
