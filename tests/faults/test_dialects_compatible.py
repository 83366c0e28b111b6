"""Parameters of their own, which APIs that are compatible with OpenAI's take and OpenAI's does not, through the real SDK."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from agentlab_faults.dialects import CHAT
from agentlab_faults.engine import play
from agentlab_faults.exchange import Timeouts, WireRequest
from agentlab_faults.played import Setup, Talk
from agentlab_faults.script import Say, ScriptSpec

PROMPT = "Hello?"
MESSAGES: list[Any] = [{"role": "user", "content": PROMPT}]
MINE: dict[str, Any] = {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}


def asked(base_url: str, what: str = "chat") -> str:
    """The reply, or the provider's refusal, to a request with parameters that OpenAI does not have."""

    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        client = openai.OpenAI(base_url=base_url, api_key="EMPTY", max_retries=0)
        try:
            if what == "chat":
                talk.reply(client.chat.completions.create(model="m", messages=MESSAGES, extra_body=MINE).choices[0].message.content)
            elif what == "responses":
                talk.reply(client.responses.create(model="m", input=PROMPT, extra_body=MINE).output_text)
            else:
                talk.reply(client.embeddings.create(model="m", input=PROMPT, extra_body=MINE).object)
        except openai.BadRequestError as error:
            talk.reply(error.message)

    played = play(conversation, Setup(scripts=(ScriptSpec(turns=(Say("Hi."),)),), prompts=(PROMPT,)))
    assert played.problems == ()
    return str(played.replies[0])


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8000/v1",
        "http://localhost:11434/v1",
        "https://openrouter.ai/api/v1",
        "https://api.deepseek.com",
        "https://llm.corp.example/openai/v1",
    ],
)
def test_a_compatible_api_takes_parameters_of_its_own(base_url: str) -> None:
    assert asked(base_url) == "Hi."


@pytest.mark.parametrize(("what", "answer"), [("responses", "Hi."), ("embeddings", "list")])
def test_so_do_its_other_calls(what: str, answer: str) -> None:
    assert asked("http://127.0.0.1:8000/v1", what) == answer


@pytest.mark.parametrize(
    "base_url", ["https://api.openai.com/v1", "https://eu.api.openai.com/v1", "https://lab.openai.azure.com/openai/v1"]
)
@pytest.mark.parametrize("what", ["chat", "responses", "embeddings"])
def test_openais_own_refuses_them(base_url: str, what: str) -> None:
    assert "Unknown parameter: 'top_k'." in asked(base_url, what)


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        ("gpt-5", True),
        ("o3-mini", True),
        ("ft:gpt-4o:acme", True),
        ("gpt-oss-20b", False),
        ("Qwen/Qwen3-8B", False),
        ("olmo", False),
        ("openai/gpt-5", False),
    ],
)
def test_on_the_labs_own_socket_the_models_name_decides(model: str, refused: bool) -> None:
    body = {"model": model, "messages": MESSAGES, "top_k": 20}
    headers = {"authorization": "Bearer EMPTY"}
    path = "/v1/chat/completions"
    request = WireRequest("socket", "POST", f"http://127.0.0.1:1{path}", "127.0.0.1", path, headers, b"", Timeouts(), sync=False)
    assert (CHAT.refuse(request, body, serial=1) is not None) == refused
