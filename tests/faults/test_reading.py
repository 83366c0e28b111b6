"""Equal bytes are read once, and what else a front door looks at still counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agentlab_faults.dialects import ANTHROPIC_MESSAGES, CHAT, GEMINI, RESPONSES, Dialect
from agentlab_faults.exchange import Timeouts, WireRequest
from agentlab_faults.reading import reading

USER = [{"role": "user", "content": "Hello"}]
CONTENTS = [{"role": "user", "parts": [{"text": "Hello"}]}]
TALK = {"model": "m", "messages": USER}
CHAT_URL = "https://api.openai.com/v1/chat/completions"


def sent(body: Any, url: str, **headers: str) -> WireRequest:
    host, _, path = url.removeprefix("https://").partition("/")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WireRequest("httpx2", "POST", url, host, f"/{path}", named, json.dumps(body).encode(), Timeouts(), sync=True)


def test_equal_bytes_are_read_once() -> None:
    one, two = (reading(CHAT, json.dumps(TALK).encode(), {}) for _ in range(2))
    assert one is two
    assert one.asked() is two.asked()
    assert reading(RESPONSES, json.dumps(TALK).encode(), {}) is not one


def test_a_long_body_is_not_kept() -> None:
    content = json.dumps(TALK | {"user": "u" * 70_000}).encode()
    one, two = (reading(CHAT, content, {}) for _ in range(2))
    assert one is not two
    assert (one.body, one.fingerprint) == (two.body, two.fingerprint)


def test_a_request_that_goes_on_from_an_earlier_answer_is_read_with_what_is_remembered() -> None:
    content = json.dumps({"model": "m", "input": USER, "previous_response_id": "resp_1"}).encode()
    first = reading(RESPONSES, content, {"resp_1": [{"role": "user", "content": "One"}]})
    other = reading(RESPONSES, content, {"resp_1": [{"role": "user", "content": "Two"}]})
    assert [item["content"] for item in first.body["input"]] == ["One", "Hello"]
    assert [item["content"] for item in other.body["input"]] == ["Two", "Hello"]
    assert first.fingerprint != other.fingerprint


VERSIONED = {"x_api_key": "k", "anthropic_version": "2023-06-01"}
GEMINI_URL = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"
MESSAGES_URL = "https://api.anthropic.com/v1/messages"


@pytest.mark.parametrize(
    ("dialect", "body", "good", "bad"),
    [
        (CHAT, TALK, (CHAT_URL, {"authorization": "Bearer sk-1"}), (CHAT_URL, {"authorization": "Bearer None"})),
        (CHAT, TALK, (CHAT_URL, {"authorization": "Bearer sk-1"}), (CHAT_URL, {})),
        (
            CHAT,
            TALK,
            ("https://x.openai.azure.com/v1/chat/completions", {"api_key": "k", "authorization": "Bearer t"}),
            ("https://x.openai.azure.com/v1/chat/completions", {"api_key": "null", "authorization": "Bearer t"}),
        ),
        (
            CHAT,
            {"messages": USER},
            ("https://x.openai.azure.com/openai/deployments/d/chat/completions", {"api_key": "k"}),
            (CHAT_URL, {"authorization": "Bearer sk-1"}),
        ),
        (RESPONSES, {"model": "m", "input": "Hi"}, (CHAT_URL, {"authorization": "Bearer sk-1"}), (CHAT_URL, {"authorization": "sk-1"})),
        (ANTHROPIC_MESSAGES, TALK | {"max_tokens": 9}, (MESSAGES_URL, VERSIONED), (MESSAGES_URL, {"x_api_key": "k"})),
        (GEMINI, {"contents": CONTENTS}, (f"{GEMINI_URL}?key=k", {}), (GEMINI_URL, {})),
        (GEMINI, {"contents": CONTENTS}, (GEMINI_URL, {"x_goog_api_key": "k"}), (GEMINI_URL, {"x_goog_api_key": "$KEY"})),
    ],
)
def test_a_body_that_passed_once_is_refused_behind_another_head(
    dialect: Dialect, body: Any, good: tuple[str, dict[str, str]], bad: tuple[str, dict[str, str]]
) -> None:
    accepted, refused = (sent(body, url, **headers) for url, headers in (good, bad))
    read = reading(dialect, accepted.body, {})
    for _ in range(2):
        assert read.refusal(accepted, serial=1) is None
        assert read.refusal(refused, serial=1) is not None
