"""Anthropic and Gemini on Vertex AI: tokens instead of keys, the model in the path, and the same script behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from agentlab_faults.engine import play
from agentlab_faults.played import Setup, Talk
from agentlab_faults.script import Say, ScriptSpec
from google import genai
from google.auth.credentials import Credentials

PROMPT = "Where is my order?"
ASKED: Any = {"model": "claude-sonnet-5@20260101", "max_tokens": 100, "messages": [{"role": "user", "content": PROMPT}]}


class Token(Credentials):  # type: ignore[no-untyped-call, misc]
    """Credentials that have their token already."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "ya29.token"

    def refresh(self, request: Any) -> None:
        """Never asked for."""


def claude() -> tuple[str, str]:
    with anthropic.AnthropicVertex(project_id="p", region="us-east5", access_token="ya29.token") as client:
        message = client.messages.create(**ASKED)
    return "".join(block.text for block in message.content if block.type == "text"), message.model


def claude_streamed() -> tuple[str, str]:
    client = anthropic.AnthropicVertex(project_id="p", region="us-east5", access_token="ya29.token")
    with client, client.messages.stream(**ASKED) as stream:
        message = stream.get_final_message()
    return "".join(block.text for block in message.content if block.type == "text"), message.model


def vertex() -> Any:
    return genai.Client(vertexai=True, project="p", location="us-central1", credentials=Token())


def gemini() -> tuple[str, str]:
    with vertex() as client:
        answer = client.models.generate_content(model="gemini-2.5-flash", contents=PROMPT)
    return answer.text, answer.model_version


def gemini_streamed() -> tuple[str, str]:
    with vertex() as client:
        answers = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents=PROMPT))
    return "".join(answer.text for answer in answers), answers[-1].model_version


def gemini_counted() -> tuple[str, str]:
    with vertex() as client:
        assert client.models.count_tokens(model="gemini-2.5-flash", contents=PROMPT).total_tokens > 0
    return gemini()


@pytest.mark.parametrize(
    ("ask", "point", "model"),
    [
        (claude, "anthropic.messages.1", "claude-sonnet-5-20260101"),
        (claude_streamed, "anthropic.messages.1", "claude-sonnet-5-20260101"),
        (gemini, "gemini.generate.1", "gemini-2.5-flash"),
        (gemini_streamed, "gemini.generate.1", "gemini-2.5-flash"),
        (gemini_counted, "gemini.generate.1", "gemini-2.5-flash"),
    ],
)
def test_vertex_serves_the_script(ask: Callable[[], tuple[str, str]], point: str, model: str) -> None:
    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        talk.reply(ask())

    run = play(conversation, Setup(scripts=(ScriptSpec(turns=(Say("It is on its way."),)),), prompts=(PROMPT,)))
    assert (run.ending, run.error, run.problems) == ("returned", None, ())
    assert run.replies == (("It is on its way.", model),)
    assert [(found.name, found.model) for found in run.points] == [(point, model)]
