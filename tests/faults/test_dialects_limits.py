"""Counting tokens, the model's window and the account's rates, as each real SDK meets them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from agentlab_faults.dialects.limits import Limits
from agentlab_faults.engine import play
from agentlab_faults.played import Played, Setup, Talk
from agentlab_faults.script import Say, ScriptSpec
from google import genai
from google.genai import errors

LONG = "Where is my order? " * 100
"""1900 characters: some 475 tokens."""
SCRIPT = ScriptSpec(turns=(Say("It is on its way."),))
Ask = Callable[[str], Any]


def chat(prompt: str) -> str:
    client = openai.OpenAI(max_retries=0)
    return str(client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": prompt}]).choices[0].message.content)


def responses(prompt: str) -> str:
    return openai.OpenAI(max_retries=0).responses.create(model="gpt-4o", input=prompt).output_text


def messages(prompt: str) -> str:
    client = anthropic.Anthropic(max_retries=0)
    answer = client.messages.create(model="claude-sonnet-5", max_tokens=50, messages=[{"role": "user", "content": prompt}])
    return "".join(block.text for block in answer.content if block.type == "text")


def contents(prompt: str) -> str:
    with genai.Client() as client:
        return str(client.models.generate_content(model="gemini-2.5-flash", contents=prompt).text)


ASKS: dict[str, Ask] = {"chat": chat, "responses": responses, "messages": messages, "contents": contents}


def told(act: Callable[[], Any], limits: Limits | None = None) -> tuple[Played, Any]:
    """What the act returned or raised under the limits."""
    outcome: list[Any] = []

    def conversation(talk: Talk) -> None:
        talk.turn(LONG)
        try:
            outcome.append(act())
        except (openai.APIError, anthropic.APIError, errors.APIError) as error:
            outcome.append(error)
        talk.reply("")

    run = play(conversation, Setup(scripts=(SCRIPT,), prompts=(LONG,), limits=limits))
    assert (run.ending, run.error, run.problems) == ("returned", None, ())
    return run, outcome[0]


WINDOW = {
    "chat": (openai.BadRequestError, "maximum context length is 300 tokens"),
    "responses": (openai.BadRequestError, "exceeds the context window of this model"),
    "messages": (anthropic.BadRequestError, "prompt is too long"),
    "contents": (errors.ClientError, "exceeds the maximum number of tokens allowed"),
}


@pytest.mark.parametrize("name", ASKS)
def test_a_prompt_over_the_window_is_refused_in_the_providers_words(name: str) -> None:
    kind, words = WINDOW[name]
    _, error = told(lambda: ASKS[name](LONG), Limits(context=300))
    assert type(error) is kind
    assert words in str(error)
    assert told(lambda: ASKS[name]("Hi."), Limits(context=300))[1] == "It is on its way."


def test_anthropic_counts_the_answers_room_into_the_window() -> None:
    _, error = told(lambda: messages("Hi."), Limits(context=40))
    assert "input length and `max_tokens` exceed context limit" in str(error)


def three_times(ask: Ask, *, wait: float = 0.0) -> Any:
    for _ in range(2):
        ask("Hi.")
    time.sleep(wait)
    return ask("Hi.")


@pytest.mark.parametrize("name", ASKS)
def test_one_request_too_many_in_a_minute_is_a_429_that_passes(name: str) -> None:
    limits = Limits(requests_per_minute=2)
    _, error = told(lambda: three_times(ASKS[name]), limits)
    assert getattr(error, "status_code", getattr(error, "code", 0)) == 429
    assert told(lambda: three_times(ASKS[name], wait=60.0), limits)[1] == "It is on its way."


@pytest.mark.parametrize("name", ["chat", "responses", "messages"])
def test_the_429_says_when_to_come_back(name: str) -> None:
    _, error = told(lambda: three_times(ASKS[name]), Limits(requests_per_minute=2))
    assert error.response.headers["retry-after"] == "58"
    again = {"messages": "anthropic-ratelimit-requests-reset"}.get(name, "x-ratelimit-reset-requests")
    assert error.response.headers[again] == ("2023-11-14T22:14:20Z" if name == "messages" else "58s")


@pytest.mark.parametrize(
    ("limits", "quota_id", "metric", "delay"),
    [
        (Limits(requests_per_minute=2), "GenerateRequestsPerMinutePerProjectPerModel", "requests", "58s"),
        (Limits(tokens_per_minute=1), "GenerateContentInputTokensPerModelPerMinute", "input_token_count", "60s"),
    ],
)
def test_googles_429_says_so_in_its_body(limits: Limits, quota_id: str, metric: str, delay: str) -> None:
    _, error = told(lambda: three_times(contents), limits)
    [quota, _, again] = error.details["error"]["details"]
    [violation] = quota["violations"]
    assert (violation["quotaId"], again["retryDelay"]) == (quota_id, delay)
    assert violation["quotaMetric"] == f"generativelanguage.googleapis.com/generate_content_free_tier_{metric}"


@pytest.mark.parametrize("name", ASKS)
def test_tokens_of_a_minute_are_counted_too(name: str) -> None:
    def twice() -> Any:
        ASKS[name](LONG)
        return ASKS[name](LONG)

    _, error = told(twice, Limits(tokens_per_minute=700))
    assert getattr(error, "status_code", getattr(error, "code", 0)) == 429


def counted_by_anthropic() -> int:
    client = anthropic.Anthropic()
    return client.messages.count_tokens(model="claude-sonnet-5", messages=[{"role": "user", "content": LONG}]).input_tokens


def counted_by_google() -> int:
    with genai.Client() as client:
        return int(client.models.count_tokens(model="gemini-2.5-flash", contents=LONG).total_tokens or 0)


def counted_by_openai() -> int:
    return openai.OpenAI().responses.input_tokens.count(model="gpt-4o", input=LONG).input_tokens


@pytest.mark.parametrize("count", [counted_by_anthropic, counted_by_google, counted_by_openai])
def test_counting_is_answered_and_is_no_call_of_a_model(count: Callable[[], int]) -> None:
    run, tokens = told(count)
    assert 475 <= tokens <= 520
    assert (run.requests, run.points) == (0, ())
