"""The chaos fixture and marker on ordinary tests."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import httpx2
import openai
import pytest
from agentlab_faults.catalogue import UnknownFault
from agentlab_faults.exchange import Break, Exchange, Pause, Timeouts
from agentlab_faults.fault import all_faults
from agentlab_faults.hurrying import hurried
from agentlab_suites.fixture import Chaos, _schedule

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "from the mock"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def mocked(seen: list[float] | None = None) -> httpx2.MockTransport:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if seen is not None:
            seen.append(time.monotonic())
        return httpx2.Response(200, json=ANSWER)

    return httpx2.MockTransport(answer)


def client(retries: int = 2, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(api_key="test-key", max_retries=retries, **options)


def ask(model: openai.OpenAI, text: str = "hello") -> str | None:
    return model.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}]).choices[0].message.content


def agent(text: str) -> str | None:
    return ask(client(), text)


async def async_agent(text: str) -> str | None:
    async with openai.AsyncOpenAI(api_key="test-key") as model:
        answer = await model.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content


@pytest.mark.parametrize(
    ("turn", "sentence"),
    [
        ("Hello.", "'script[0]' must be a mapping of keys, not 'Hello.'. A turn is {'say': 'Done.'} or"),
        ({"sya": "Hello."}, "'sya' is not a key under 'script[0]'. A turn is {'say': 'Done.'} or"),
    ],
)
def test_a_turn_that_is_none_is_told_in_a_sentence(chaos: Chaos, turn: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        chaos.run(agent, "hello", script=[turn])


def test_the_sdk_survives_one_rate_limit_over_the_tests_own_mock(chaos: Chaos) -> None:
    seen: list[float] = []
    with chaos.inject("http_429_rate", at="openai.chat.1") as run:
        began = time.monotonic()
        assert ask(client(http_client=httpx2.Client(transport=mocked(seen)))) == "from the mock"
        waited = time.monotonic() - began
    assert len(seen) == 1
    assert [strike.fault for strike in run.strikes] == ["http_429_rate"]
    assert waited > 0.4


def test_three_minutes_of_waiting_pass_in_virtual_time(chaos: Chaos) -> None:
    real = time.perf_counter
    began = real()
    with chaos.inject("net_read_timeout", shape="always", script="hi"):
        before = time.monotonic()
        with pytest.raises(openai.APITimeoutError):
            ask(client(timeout=60.0))
        assert time.monotonic() - before > 180
    assert real() - began < 5


def test_a_script_answers_what_no_fault_strikes(chaos: Chaos) -> None:
    with chaos.inject("http_503", at="openai.chat.2", script=[{"say": "first"}, {"say": "second"}]):
        model = client(retries=0)
        assert ask(model, "one") == "first"
        with pytest.raises(openai.InternalServerError):
            ask(model, "two")


def test_settings_of_the_fault_can_be_given(chaos: Chaos) -> None:
    with chaos.inject("retry_after_seconds", script="hi", retry_after=20):
        before = time.monotonic()
        assert ask(client()) == "hi"
        assert time.monotonic() - before >= 20


def test_a_spoiled_answer_needs_no_script(chaos: Chaos) -> None:
    with chaos.inject("content_empty_choices"), pytest.raises(IndexError):
        ask(client(http_client=httpx2.Client(transport=mocked())))


def test_an_injection_that_did_not_fire_fails_the_test(chaos: Chaos) -> None:
    with (
        pytest.raises(pytest.fail.Exception, match=r"openai\.chat\.2-http_503 did not fire.*Reached: openai\.chat\.1"),
        chaos.inject("http_503", at="openai.chat.2", script="hi"),
    ):
        ask(client())


def test_an_unknown_fault_is_refused_with_the_nearest_name(chaos: Chaos) -> None:
    with pytest.raises(UnknownFault, match="http_429_rate"), chaos.inject("http_429_rat"):
        pass


def test_a_block_that_raises_before_the_fault_says_its_own_reason_and_fails_at_the_end() -> None:
    chaos = Chaos()
    with pytest.raises(ZeroDivisionError), chaos.inject("http_503"):
        raise ZeroDivisionError
    with pytest.raises(pytest.fail.Exception, match=r"openai\.chat\.1-http_503 did not fire.*Reached: no call at all"):
        chaos.finish()


def test_a_block_that_raises_what_the_fault_made_it_raise_is_fine_at_the_end() -> None:
    chaos = Chaos()
    with pytest.raises(openai.InternalServerError), chaos.inject("http_503", shape="always"):
        ask(client(http_client=httpx2.Client(transport=mocked())))
    chaos.finish()


def test_a_block_that_skips_its_test_is_no_failure() -> None:
    chaos = Chaos()
    with pytest.raises(pytest.skip.Exception), chaos.inject("http_503"):
        pytest.skip("not here")
    chaos.finish()


def test_a_strike_that_changed_nothing_fails_the_test(chaos: Chaos) -> None:
    def lookup(order: str) -> None:
        """Gives nothing, which a fault cannot make any emptier."""

    def asks(text: str) -> str:
        return f"{text} {lookup('5512')}"

    unseen = r"tool\.lookup\.1-tool_stale_result struck, but changed nothing"
    with pytest.raises(pytest.fail.Exception, match=unseen):
        chaos.run(asks, "hello", fault="tool_stale_result", at="tool.lookup.1", tools=[lookup])
    with pytest.raises(pytest.fail.Exception, match=unseen), chaos.inject("tool_stale_result", at="tool.lookup.1", tools=[lookup]):
        lookup("5512")


def test_a_markers_fault_is_not_used_by_another_fault() -> None:
    marked = Chaos(_schedule(all_faults()["http_429_rate"](), "openai.chat.1", "once"))
    marked.run(agent, "hello", fault="http_503", script="Hello.")
    with pytest.raises(pytest.fail.Exception, match="http_429_rate was never injected"):
        marked.finish()
    marked.run(agent, "hello", fault="http_429_rate", script="Hello.")
    marked.finish()


async def test_an_async_test_skips_the_waits_of_a_fault(chaos: Chaos) -> None:
    began = time.monotonic()
    async with openai.AsyncOpenAI(api_key="k", max_retries=0, timeout=60.0) as model:
        with chaos.inject("net_read_timeout"), pytest.raises(openai.APITimeoutError):
            await model.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}])
    assert time.monotonic() - began < 5


def test_run_gives_the_agents_answer(chaos: Chaos) -> None:
    assert chaos.run(agent, "hello", fault="http_500", script="Hello to you.") == "Hello to you."
    assert chaos.played is not None
    assert chaos.played.requests == 2


def test_run_without_a_fault_is_a_plain_scripted_run(chaos: Chaos) -> None:
    assert chaos.run(async_agent, "hello", script="Hello to you.") == "Hello to you."


def test_run_raises_what_the_agent_raises(chaos: Chaos) -> None:
    with pytest.raises(openai.AuthenticationError):
        chaos.run(agent, "hello", fault="http_401_revoked_key")


def test_run_fails_for_an_agent_that_hangs(chaos: Chaos) -> None:
    async def hangs(text: str) -> str:
        await async_agent(text)
        await asyncio.Event().wait()
        return text

    with pytest.raises(pytest.fail.Exception, match="deadlock"):
        chaos.run(hangs, "hello", fault="http_500")


async def test_arun_plays_in_virtual_time_inside_an_async_test(chaos: Chaos) -> None:
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    assert await chaos.arun(async_agent, "hello", fault="retry_after_seconds", script="Hello.", retry_after=30) == "Hello."
    assert time.monotonic() - began < 10
    assert asyncio.get_running_loop() is loop
    assert asyncio.current_task() is not None
    await asyncio.sleep(0)


@pytest.mark.anyio
async def test_arun_works_under_anyio(chaos: Chaos) -> None:
    assert await chaos.arun(agent, "hello", fault="http_503", script="Hello.") == "Hello."


def test_a_tool_of_the_tests_own_can_be_broken(chaos: Chaos) -> None:
    def refund(order: str) -> str:
        return f"refunded {order}"

    with chaos.inject("tool_exception", at="tool.refund.1", tools=[refund]), pytest.raises(Exception, match=r".+"):
        refund("5512")
    assert refund("5512") == "refunded 5512"


@pytest.mark.chaos("http_50*", "http_503", points=["openai.chat.1"])
def test_a_marker_makes_one_test_for_each_fault(chaos: Chaos, request: pytest.FixtureRequest) -> None:
    assert "[openai.chat.1-http_50" in request.node.name
    assert chaos.run(agent, "hello", script="Hello.") == "Hello."


@pytest.mark.chaos("http_503", shape="always")
def test_a_marker_names_a_shape_and_inject_uses_it(chaos: Chaos) -> None:
    with chaos.inject(), pytest.raises(openai.InternalServerError):
        ask(client(http_client=httpx2.Client(transport=mocked())))


def test_waits_beyond_the_clients_timeout_become_its_timeout() -> None:
    exchange = Exchange(before=(Pause(5, "connect"),), body=(b"a", Pause(1), b"b", Pause(90), b"c"))
    quick = hurried(exchange, Timeouts(connect=10, read=60))
    assert quick.before == ()
    assert quick.body == (b"a", b"b", Break("ReadTimeout"))


def test_a_wait_without_end_cannot_be_hurried() -> None:
    with pytest.raises(ValueError, match=r"chaos\.arun"):
        hurried(Exchange(before=(Pause(float("inf")),)), Timeouts())


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def streaming_agent(text: str) -> str:
    events = client().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}], stream=True)
    return "".join(event.choices[0].delta.content or "" for event in events)


@pytest.mark.parametrize(
    ("played", "fault", "why"),
    [
        (streaming_agent, "body_html_200", "it was streamed, and the fault breaks answers in one piece"),
        (agent, "stream_html_200", "it was not streamed, and the fault breaks streams"),
        (agent, "tool_args_empty", "the fault finds nothing in it to break"),
    ],
)
def test_a_fault_that_does_not_fit_the_call_says_so(chaos: Chaos, played: Any, fault: str, why: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=f"the code came to that call, but {why}; `agentlab faults show {fault}`"):
        chaos.run(played, "hello", fault=fault)
