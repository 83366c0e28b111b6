"""The agent on the real SDK: models that fail, or answer with what is no answer, and when the next one is asked."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from agentlab_faults.exchange import Exchange, Pause

from agentlab import Agent, AllModelsFailedError, Bounds, Model, Reply, tool
from agentlab.errors import BreakerOpenError, ModelFailedError

from .conftest import Wire, call, error, raw, refused, say, silent
from .test_agent import FINE, LOOK, agent, ask

BAD_ANSWERS = {
    "refused": refused(),
    "500": error(500),
    "429": error(429, "rate_limit_exceeded"),
    "html": raw(b"<html>login</html>", content_type="text/html"),
    "html as json": raw(b"<html>"),
    "cut json": raw(b'{"choices": [{"mess'),
    "null": raw(b"null"),
    "empty object": raw(b"{}"),
    "empty": raw(b""),
    "not utf-8": raw(b'{"choices": "\xff"}'),
    "deep": raw(b"[" * 100_000 + b"]" * 100_000),
    "error in 200": raw(b'{"error": {"message": "overloaded"}}'),
    "no choices": raw(b'{"choices": []}'),
    "null message": raw(b'{"choices": [{"message": null, "finish_reason": "stop"}]}'),
    "null content": say(None),
    "blank content": say("  "),
    "list content": say([{"type": "text", "text": "x"}]),
    "number content": say(7),
    "unfinished": say("There are", finish="pause"),
    "announced calls": say("Let me look.", finish="tool_calls"),
    "call without function": raw(
        b'{"choices": [{"message": {"content": null, "tool_calls": [{"id": "x", "function": null}]}, "finish_reason": "tool_calls"}]}'
    ),
    "ten megabytes": say("x" * 1_000_000),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_an_answer_that_is_none_is_asked_for_again(wire: Wire, bad: Exchange) -> None:
    wire.primary(bad, LOOK, bad, say(FINE))
    wire.fallback(say("The fallback was not needed."))
    reply = ask(wire, agent())
    assert (reply.text, reply.status) == (FINE, "complete")
    assert set(wire.asked) == {"api.openai.com"}


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_model_that_never_answers_makes_room_for_the_fallback_and_is_left_alone(wire: Wire, bad: Exchange) -> None:
    wire.primary(bad)
    wire.fallback(LOOK, say(FINE))
    reply = ask(wire, agent())
    assert (reply.text, reply.status, reply.answered_by) == (FINE, "complete", "full")
    assert wire.asked[-2:] == ["llm.fallback.example"] * 2
    assert wire.asked.count("api.openai.com") <= 6
    assert reply.steps[-1].seconds == 1.0


@pytest.mark.parametrize(
    "once",
    [error(401, "invalid_api_key"), error(429, "insufficient_quota"), error(404, "model_not_found"), error(422), error(400), error(403)],
    ids=["key", "quota", "gone", "unprocessable", "bad request", "forbidden"],
)
def test_what_cannot_be_helped_by_trying_again_goes_to_the_fallback_at_once(wire: Wire, once: Exchange) -> None:
    wire.primary(once)
    wire.fallback(say(FINE))
    assert ask(wire, agent()).text == FINE
    assert wire.asked == ["api.openai.com", "llm.fallback.example"]
    assert wire.now == 2.0


@pytest.mark.parametrize("seconds", ["30", "300", "86400"])
def test_a_longer_wait_than_the_deadline_allows_goes_to_the_fallback_at_once(wire: Wire, seconds: str) -> None:
    wire.primary(error(429, "rate_limit_exceeded", (("retry-after", seconds),)))
    wire.fallback(say(FINE))
    assert ask(wire, agent()).text == FINE
    assert wire.now == 2.0


def test_a_model_that_asked_for_a_pause_gets_it_over_the_next_turns(wire: Wire) -> None:
    wire.primary(error(429, "rate_limit_exceeded", (("retry-after", "300"),)), say("I am back."))
    wire.fallback(say(FINE))
    helper = agent()
    ask(wire, helper)

    async def later(seconds: float) -> None:
        await asyncio.sleep(seconds)

    wire.run(later(200))
    ask(wire, helper)
    assert wire.asked == ["api.openai.com", "llm.fallback.example", "llm.fallback.example"]
    wire.run(later(200))
    assert ask(wire, helper).text == "I am back."


LIMITED = error(429, "rate_limit_exceeded")


def lone(**options: Any) -> Agent:
    return Agent("helper", instructions="Be brief.", models=[Model(name="gpt-4o-mini")], **options)


def test_a_lone_model_that_is_rate_limited_is_asked_five_times_more_before_its_breaker_opens(wire: Wire) -> None:
    wire.primary(*[LIMITED] * 5, say(FINE))
    assert ask(wire, lone()).text == FINE
    wire.requests.clear()
    wire.primary(*[LIMITED] * 6, say(FINE))
    helper = lone(degrade=False)
    reply = ask(wire, helper)
    assert (reply.status, len(wire.asked)) == ("incomplete", 6)
    assert isinstance(ask(wire, helper).error, AllModelsFailedError)
    assert len(wire.asked) == 6  # it gave up, so that it is left alone now


def test_a_server_that_fails_is_asked_three_times_more(wire: Wire) -> None:
    wire.primary(error(500))
    ask(wire, lone())
    assert len(wire.asked) == 4


def test_a_storm_of_rate_limits_opens_the_breaker_for_all_calls_at_the_fourth_of_them(wire: Wire) -> None:
    wire.primary(LIMITED)
    one = lone()

    async def arrivals() -> list[Reply]:
        return await asyncio.gather(*(one.new_conversation()("Hi") for _ in range(20)))

    replies = wire.run(arrivals())
    assert {reply.answered_by for reply in replies} == {"safety_net"}
    assert len(wire.asked) == 20  # which were all under way before the first answer: none of them is tried again


def test_a_probe_that_is_rate_limited_is_not_tried_again(wire: Wire) -> None:
    wire.primary(error(500))
    helper = lone()
    ask(wire, helper)

    async def later() -> None:
        await asyncio.sleep(31)

    wire.run(later())
    wire.requests.clear()
    wire.primary(LIMITED, say(FINE))
    assert ask(wire, helper).answered_by == "safety_net"
    assert len(wire.asked) == 1


def test_a_silent_model_does_not_eat_the_deadline(wire: Wire) -> None:
    wire.primary(silent())
    wire.fallback(LOOK, say(FINE))
    assert ask(wire, agent()).text == FINE
    assert wire.now < 20


def test_a_body_that_drips_is_cut_by_the_time_for_the_whole_attempt(wire: Wire) -> None:
    wire.primary(raw(*[part for _ in range(1000) for part in (b" ", Pause(5.0))]))
    wire.fallback(say(FINE))
    assert ask(wire, agent()).text == FINE
    assert wire.now < 20


def test_without_a_fallback_a_model_gets_all_of_its_retries(wire: Wire) -> None:
    wire.primary(error(503), error(503), error(503), LOOK, silent(), say(FINE))
    assert ask(wire, agent(fallback=False)).text == FINE


def test_a_context_error_is_answered_with_a_smaller_request(wire: Wire) -> None:
    @tool
    async def read(page: int) -> str:
        """Read a page."""
        return f"{page} " * 2000

    calls = [call(("read", {"page": n}), ids=(f"call_{n}",)) for n in range(2)]
    wire.primary(*calls, error(400, "context_length_exceeded"), say(FINE))
    assert ask(wire, agent(fallback=False, tools=[read])).text == FINE
    before, after = (sum(len(json.dumps(m)) for m in wire.messages(n)) for n in (-2, -1))
    assert after < before * 0.6
    assert wire.messages(-1)[:2] == wire.messages(-2)[:2]


def test_the_only_result_is_made_smaller_at_once_since_the_same_call_again_would_fail_again(wire: Wire) -> None:
    @tool
    async def read() -> str:
        """Read it all."""
        return "word " * 4000

    wire.primary(call(("read", {}), ids=("call_r",)), error(400, "context_length_exceeded"), say(FINE))
    wire.fallback(say("The fallback was not needed."))
    assert ask(wire, agent(tools=[read])).text == FINE
    assert [len(wire.messages(n)[-1]["content"]) > 1000 for n in (-2, -1)] == [True, False]


def test_a_result_that_its_cut_would_make_longer_is_no_smaller_request(wire: Wire) -> None:
    @tool
    async def read(part: int) -> str:
        """Read a part."""
        return "a" * 210 if part == 1 else "word " * 4000

    parts = [call(("read", {"part": part}), ids=(f"call_{part}",)) for part in (1, 2)]
    wire.primary(*parts, error(400, "context_length_exceeded"), say(FINE))
    wire.fallback(say("The fallback was not needed."))
    assert ask(wire, agent(tools=[read])).text == FINE
    assert len(wire.messages()[-1]["content"]) < 1000


def test_a_failure_is_counted_in_words(wire: Wire) -> None:
    wire.primary(error(400))
    assert "gpt-4o-mini failed once (permanent: BadRequestError)" in str(ask(wire, lone()).error)


def test_a_context_error_that_stays_is_not_asked_for_ever(wire: Wire) -> None:
    wire.primary(error(400, "context_length_exceeded"))
    wire.fallback(say(FINE))
    assert ask(wire, agent()).text == FINE
    assert wire.asked == ["api.openai.com"] * 2 + ["llm.fallback.example"]


def test_a_cut_answer_is_asked_for_again_with_more_room(wire: Wire) -> None:
    wire.primary(say("There are", finish="length"), say(FINE))
    assert ask(wire, agent(fallback=False)).text == FINE
    assert [body["max_completion_tokens"] for _, body, _ in wire.requests] == [1024, 2048]


def test_a_cut_tool_call_is_never_run(wire: Wire) -> None:
    wire.primary(call(("look", '{"item": "app'), finish="length"), LOOK, say(FINE))
    reply = ask(wire, agent(fallback=False))
    assert [action.input for step in reply.steps for action in step.actions] == [{"item": "apples"}]


@pytest.mark.parametrize("filtered", [say("", finish="content_filter"), error(400, "content_filter")], ids=["200", "400"])
def test_a_filtered_answer_is_not_asked_for_again_but_elsewhere(wire: Wire, filtered: Exchange) -> None:
    wire.primary(filtered)
    wire.fallback(say(FINE))
    assert ask(wire, agent()).text == FINE
    assert wire.asked == ["api.openai.com", "llm.fallback.example"]


def test_usage_that_is_missing_or_absurd_is_estimated(wire: Wire) -> None:
    wire.primary(say(FINE, prompt_tokens=-5, completion_tokens=0))
    usage = ask(wire, agent()).usage
    assert usage.estimated
    assert usage.input_tokens > 10
    assert usage.output_tokens > 1


def test_a_model_that_failed_is_not_asked_first_again_in_the_same_turn(wire: Wire) -> None:
    wire.primary(error(400))
    wire.fallback(LOOK, say(FINE))
    assert ask(wire, agent()).text == FINE
    assert wire.asked == ["api.openai.com", "llm.fallback.example", "llm.fallback.example"]


def test_what_a_provider_says_about_a_key_reaches_no_reply_and_no_error(wire: Wire) -> None:
    wire.primary(error(401, "invalid_api_key", message="Incorrect API key provided: sk-planted"))
    wire.fallback(error(401, "invalid_api_key", message="Incorrect API key provided: sk-planted"))
    reply = ask(wire, agent())
    assert "sk-planted" not in f"{reply.text} {reply.error} {reply!r}"


def test_our_own_deadline_says_nothing_against_a_model(wire: Wire) -> None:
    wire.primary(*[silent()] * 5, say(FINE))
    helper = agent(fallback=False, bounds=Bounds(seconds=2.0))
    for _ in range(5):
        assert ask(wire, helper).answered_by == "safety_net"
    assert ask(wire, helper).text == FINE
    assert len(wire.asked) == 6


def test_a_model_that_failed_before_our_deadline_cut_it_is_left_alone(wire: Wire) -> None:
    wire.primary(error(500), silent())
    helper = agent(fallback=False, bounds=Bounds(seconds=6.0))
    ask(wire, helper)
    assert ask(wire, helper).answered_by == "safety_net"
    assert len(wire.asked) == 2


@pytest.mark.parametrize("hung", [silent(), raw(*[Pause(0.2), b" "] * 100)], ids=["silent", "drip"])
def test_a_turn_ends_by_its_deadline(wire: Wire, hung: Exchange) -> None:
    wire.primary(hung)
    ask(wire, agent(fallback=False, bounds=Bounds(seconds=1.0)))
    assert wire.now <= 1.0


@pytest.mark.parametrize("degrade", [True, False])
def test_models_that_are_left_alone_are_the_error_of_the_reply(wire: Wire, degrade: bool) -> None:
    wire.primary(error(503))
    helper = agent(fallback=False, degrade=degrade)
    ask(wire, helper)
    asked = len(wire.asked)
    reply = ask(wire, helper)
    assert len(wire.asked) == asked
    assert isinstance(reply.error, AllModelsFailedError)
    assert isinstance(reply.error.failures["gpt-4o-mini"], BreakerOpenError)
    assert "None" not in reply.text
    assert reply.status == ("degraded" if degrade else "incomplete")
    assert degrade or "is left alone for another" in reply.text


def test_attempts_before_a_smaller_request_are_counted(wire: Wire) -> None:
    wire.primary(error(413))
    reply = ask(wire, agent(fallback=False))
    assert isinstance(reply.error, AllModelsFailedError)
    failure = reply.error.failures["gpt-4o-mini"]
    assert isinstance(failure, ModelFailedError)
    assert (len(wire.asked), failure.attempts, len(failure.causes)) == (3, 3, 3)


def test_after_a_context_error_less_is_asked_for_in_the_answer(wire: Wire) -> None:
    wire.primary(error(400, "context_length_exceeded"))
    ask(wire, agent(fallback=False))
    assert [body["max_completion_tokens"] for _, body, _ in wire.requests] == [1024, 512, 256]
