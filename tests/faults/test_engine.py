"""One run, played: what the agent saw, what it did, and what is proved about it. The agent is a bare loop on the real SDK."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import openai
import pytest
from agentlab_faults import (
    FAULT_FREE,
    Break,
    BreaksTool,
    Exchange,
    Injection,
    Pause,
    Played,
    Rate,
    Replaces,
    Row,
    Schedule,
    Served,
    Setup,
    Spoils,
    Strike,
    Talk,
    Tool,
    ToolCall,
    WireRequest,
    hook,
    play,
)
from agentlab_faults.catalogue import select
from agentlab_faults.journal import Answered, Requested
from agentlab_faults.script import Call, Say, ScriptSpec

PROMPT = "Refund order 5512."
SCRIPT = ScriptSpec(
    turns=(
        Call((("lookup_order", {"id": "5512"}),)),
        Call((("refund", {"order": "5512"}),)),
        Say("I refunded EUR 49.90 for order 5512."),
    )
)
TOOLS = {
    "lookup_order": Tool(name="lookup_order", returns={"total": 49.9}),
    "refund": Tool(name="refund", effect="write", identity=("order",), key="key"),
}
SETUP = Setup(scripts=(SCRIPT,), prompts=(PROMPT,), tools=TOOLS)
OFFERED: Any = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {field: {"type": "string"}}}}}
    for name, field in (("lookup_order", "id"), ("refund", "order"))
]


def lookup_order(id: str) -> dict[str, Any]:  # noqa: A002 - the wire's own name
    raise AssertionError("the lab must never run a tool whose body is fake")


def refund(order: str, key: str = "") -> dict[str, Any]:
    raise AssertionError("the lab must never run a tool whose body is fake")


@pytest.fixture(autouse=True)
def _seams() -> Iterator[None]:
    hooked = [hook(lookup_order), hook(refund)]
    yield
    for one in hooked:
        one.undo()


async def loop(prompt: str, **settings: Any) -> str:
    """The tool loop of every tutorial."""
    client = openai.AsyncOpenAI(**settings)
    messages: list[Any] = [{"role": "user", "content": prompt}]
    while True:
        answer = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=OFFERED)
        message = answer.choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            assert call.type == "function"
            run: Callable[..., Any] = {"lookup_order": lookup_order, "refund": refund}[call.function.name]
            result = run(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})


def talk_to(agent: Callable[[str], Any]) -> Callable[[Talk], None]:
    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        talk.reply(talk.settle(agent(PROMPT)))

    return conversation


def row(**more: Any) -> Row:
    settings: dict[str, Any] = {"boundary": "network", "scope": "call", "best": {"once": "recoverable"}, **more}
    words = {"family": "test", "category": "transient", "why": "-", "happens": "-", "agent_should": "-"}
    return Row(id="test_fault", rate=Rate(0.0, "-"), **words, **settings)  # type: ignore[arg-type]  # the words are valid ones


class Overloaded(Replaces):
    """503, retried by the SDK after 3 s."""

    row = row()

    def answer(self, request: WireRequest) -> Exchange:
        return Exchange(503, (("content-type", "application/json"), ("retry-after", "3")), (b"{}",))


class LosesAnswer(Spoils):
    """The connection is reset after the model has answered."""

    row = row()

    def spoil(self, served: Served) -> Exchange:
        return served.exchange.after(Break("ReadError", "reset"))


class Harmless(Spoils):
    """Changes nothing."""

    row = row()

    def spoil(self, served: Served) -> Exchange:
        return served.exchange


class Rewrapped(Spoils):
    """The same JSON with a header more."""

    row = row()

    def spoil(self, served: Served) -> Exchange:
        return served.exchange._replace(headers=(*served.exchange.headers, ("x-served-by", "edge-7")))


class NeverAnswers(Replaces):
    """Silence."""

    row = row()

    def answer(self, request: WireRequest) -> Exchange:
        return Exchange(before=(Pause(math.inf),))


class Raises(BreaksTool):
    """The tool raises."""

    row = row(kinds=frozenset({"tool"}))

    def strike(self, call: ToolCall) -> Strike:
        return Strike(runs=False, error=RuntimeError("warehouse down"))


class CommitsAndHangs(BreaksTool):
    """The tool's effect happens, its answer never comes."""

    row = row(kinds=frozenset({"tool"}))

    def strike(self, call: ToolCall) -> Strike:
        return Strike(runs=True, delay=math.inf)


class Twice(BreaksTool):
    """The call is delivered twice."""

    row = row(kinds=frozenset({"tool"}))

    def strike(self, call: ToolCall) -> Strike:
        return Strike(runs=True, twice=True)


def at(point: str, fault: Any, **more: Any) -> Schedule:
    return Schedule(f"{point}-test", (Injection(fault=fault, at=point, **more),))


def clean() -> Played:
    return play(talk_to(loop), SETUP)


def test_a_fault_free_run_finds_every_point() -> None:
    played = clean()
    assert (played.ending, played.replies) == ("returned", ("I refunded EUR 49.90 for order 5512.",))
    assert [(p.name, p.calls_tools, p.effect) for p in played.points] == [
        ("openai.chat.1", True, ""),
        ("tool.lookup_order.1", False, "read"),
        ("openai.chat.2", True, ""),
        ("tool.refund.1", False, "write"),
        ("openai.chat.3", False, ""),
    ]
    assert (played.seconds, played.requests, len(played.ledger.of("refund"))) == (3.0, 3, 1)
    assert played.models == ("gpt-4o-mini",)
    assert set(played.tool_schemas) == {"lookup_order", "refund"}


def test_an_sdk_retry_is_the_next_attempt_at_the_same_point() -> None:
    played = play(talk_to(loop), SETUP, at("openai.chat.2", Overloaded()), clean=clean().clean)
    asked = [(e.point, e.attempt, e.sdk_retry) for e in played.journal if isinstance(e, Requested)]
    assert asked == [("openai.chat.1", 1, 0), ("openai.chat.2", 1, 0), ("openai.chat.2", 2, 1), ("openai.chat.3", 1, 0)]
    assert (played.ending, played.seconds) == ("returned", 6.0)
    assert [(s.point, s.attempt, s.changed) for s in played.strikes] == [("openai.chat.2", 1, True)]
    assert [e.retry_after for e in played.journal if isinstance(e, Answered)] == [None, 3.0, None, None]


def test_a_lost_answer_is_served_again_without_shifting_the_conversation() -> None:
    played = play(talk_to(loop), SETUP, at("openai.chat.2", LosesAnswer()), clean=clean().clean)
    assert (played.replies, len(played.ledger.of("refund"))) == (("I refunded EUR 49.90 for order 5512.",), 1)


def test_a_fault_that_changes_nothing_is_not_seen() -> None:
    played = play(talk_to(loop), SETUP, at("openai.chat.2", Harmless()), clean=clean().clean)
    assert [s.changed for s in played.strikes] == [False]


def test_a_replacement_with_the_very_bytes_of_the_clean_answer_is_not_seen() -> None:
    first = clean()
    seen: list[Exchange] = []

    class Recorder(Spoils):
        """Keeps the clean answer."""

        row = row()

        def spoil(self, served: Served) -> Exchange:
            seen.append(served.exchange)
            return served.exchange

    play(talk_to(loop), SETUP, at("openai.chat.3", Recorder()), clean=first.clean)

    class Same(Replaces):
        """Answers with the clean bytes."""

        row = row()

        def answer(self, request: WireRequest) -> Exchange:
            return seen[0]

    played = play(talk_to(loop), SETUP, at("openai.chat.3", Same()), clean=first.clean)
    assert [s.changed for s in played.strikes] == [False]


ONE_ANSWER = Setup(scripts=(ScriptSpec(turns=(Say("hello"),)),), prompts=(PROMPT,))


async def ask(client: openai.AsyncOpenAI, prompt: str) -> str:
    answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])
    return answer.choices[0].message.content or ""


def test_a_replacement_with_the_clean_bytes_is_not_seen_at_a_later_attempt_either() -> None:
    seen: list[Exchange] = []

    class Recorder(Spoils):
        """Keeps the clean answer."""

        row = row()

        def spoil(self, served: Served) -> Exchange:
            seen.append(served.exchange)
            return served.exchange

    class Same(Replaces):
        """Answers with the clean bytes."""

        row = row()

        def answer(self, request: WireRequest) -> Exchange:
            return seen[0]

    async def asks_twice(prompt: str) -> str:
        client = openai.AsyncOpenAI()
        return await ask(client, prompt) + await ask(client, prompt)

    first = play(talk_to(asks_twice), ONE_ANSWER)
    play(talk_to(asks_twice), ONE_ANSWER, at("openai.chat.1", Recorder()), clean=first.clean)
    played = play(talk_to(asks_twice), ONE_ANSWER, at("openai.chat.1", Same(), shape="always"), clean=first.clean)
    assert [(s.attempt, s.changed) for s in played.strikes] == [(1, False), (2, False)]


def test_a_header_that_no_agent_reads_changes_nothing() -> None:
    played = play(talk_to(loop), SETUP, at("openai.chat.2", Rewrapped()), clean=clean().clean)
    assert [s.changed for s in played.strikes] == [False]


def test_a_strike_on_a_request_given_up_before_any_answer_was_due_is_not_seen() -> None:
    async def gives_up(prompt: str) -> str:
        left = asyncio.ensure_future(ask(openai.AsyncOpenAI(max_retries=0), prompt))
        await asyncio.sleep(0.5)
        left.cancel()
        return "never mind"

    first = play(talk_to(gives_up), ONE_ANSWER)
    played = play(talk_to(gives_up), ONE_ANSWER, at("openai.chat.1", NeverAnswers()), clean=first.clean)
    assert [strike.changed for strike in played.strikes] == [False]


def test_a_strike_on_a_request_still_under_way_at_the_end_is_not_seen() -> None:
    async def forgets(prompt: str) -> str:
        left = asyncio.ensure_future(ask(openai.AsyncOpenAI(max_retries=0), "summarise"))
        await asyncio.sleep(0.5)
        return f"done {left.done()}"

    first = play(talk_to(forgets), ONE_ANSWER)
    played = play(talk_to(forgets), ONE_ANSWER, at("openai.chat.1", NeverAnswers()), clean=first.clean)
    assert [strike.changed for strike in played.strikes] == [False]


def test_a_silence_that_the_agents_own_timeout_cuts_is_seen() -> None:
    async def impatient(prompt: str) -> str:
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(loop(prompt), 8)
        return "I could not do it."

    first = play(talk_to(impatient), SETUP)
    played = play(talk_to(impatient), SETUP, at("openai.chat.1", NeverAnswers()), clean=first.clean)
    assert [strike.changed for strike in played.strikes] == [True]


@pytest.mark.parametrize("swallow", [True, False])
def test_a_sync_agent_that_makes_its_own_of_everything_has_hung_all_the_same(swallow: bool) -> None:
    def converts(prompt: str) -> str:
        try:
            answer = openai.OpenAI(timeout=None).chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])
        except BaseException as error:
            if swallow:
                return "All done."
            raise RuntimeError("the agent's own error") from error
        return answer.choices[0].message.content or ""

    first = play(talk_to(converts), ONE_ANSWER)
    assert play(talk_to(converts), ONE_ANSWER, at("openai.chat.1", NeverAnswers()), clean=first.clean).ending == "deadline"


def test_a_provider_call_from_a_real_thread_makes_the_run_the_labs_failure() -> None:
    def threaded(prompt: str) -> str:
        def work() -> None:
            with contextlib.suppress(openai.OpenAIError):
                openai.OpenAI(max_retries=0).chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])

        thread = threading.Thread(target=work, name="asker")
        thread.start()
        thread.join()
        return "done"

    played = play(talk_to(threaded), SETUP)
    assert played.ending == "lab"
    assert "real thread (asker)" in played.problems[0]
    assert played.real_threads


def test_a_tool_that_raises_reaches_the_agent_as_raised() -> None:
    played = play(talk_to(loop), SETUP, at("tool.lookup_order.1", Raises()), clean=clean().clean)
    assert (played.ending, str(played.error)) == ("raised", "warehouse down")
    assert [(e.tool, e.end) for e in played.ledger.executions] == [("lookup_order", "raised")]


def test_an_effect_whose_answer_never_comes_is_committed_and_the_run_hangs() -> None:
    played = play(talk_to(loop), SETUP, at("tool.refund.1", CommitsAndHangs()), clean=clean().clean)
    assert (played.ending, played.seconds) == ("deadline", 132.0)
    assert len(played.ledger.of("refund")) == 1


def test_a_call_delivered_twice_without_a_key_is_a_duplicate_effect() -> None:
    played = play(talk_to(loop), SETUP, at("tool.refund.1", Twice()), clean=clean().clean)
    assert played.ledger.duplicates() == [("refund", '{"order": "5512"}')]


def test_a_repeat_under_the_same_key_is_suppressed() -> None:
    async def twice_with_key(prompt: str) -> str:
        refund("5512", key="k1")
        refund("5512", key="k1")
        refund("5512", key="k2")
        return await loop(prompt)

    ledger = play(talk_to(twice_with_key), SETUP).ledger
    assert (len(ledger.of("refund")), ledger.suppressed) == (3, 1)


def test_a_tool_that_was_not_declared_never_runs() -> None:
    def wire_money() -> None:
        raise AssertionError("ran")

    hooked = hook(wire_money)
    try:
        played = play(talk_to(lambda _: wire_money()), SETUP)
    finally:
        hooked.undo()
    assert played.ending == "lab"
    assert "'wire_money', which the suite does not declare" in played.problems[0]


def test_a_request_past_the_limit_stops_the_run() -> None:
    played = play(talk_to(loop), Setup(scripts=(SCRIPT,), prompts=(PROMPT,), tools=TOOLS, max_requests=2))
    assert (played.ending, played.detail) == ("stopped", "The agent made more than 2 provider requests.")


def test_an_agent_that_swallows_everything_is_stopped_all_the_same() -> None:
    async def stubborn(prompt: str) -> str:
        while True:
            with contextlib.suppress(BaseException):
                await loop(prompt, max_retries=0)

    played = play(talk_to(stubborn), Setup(scripts=(SCRIPT,), prompts=(PROMPT,), tools=TOOLS, max_requests=20))
    assert played.ending == "stopped"


def test_what_leaves_past_the_lab_makes_the_run_the_labs_failure() -> None:
    async def calls_home(prompt: str) -> str:
        with contextlib.suppress(httpx2.HTTPError):
            await httpx2.AsyncClient(timeout=1).get("https://example.com/")
        return await loop(prompt)

    played = play(talk_to(calls_home), SETUP)
    assert played.ending == "lab"
    assert "example.com" in played.problems[0]


def test_another_wire_api_is_refused_with_a_sentence() -> None:
    async def completions(prompt: str) -> str:
        return (await openai.AsyncOpenAI().completions.create(model="m", prompt=prompt)).choices[0].text

    played = play(talk_to(completions), SETUP)
    assert played.ending == "lab"
    assert "openai.completions" in played.problems[0]


@pytest.mark.parametrize("extra", [{"messages": 7}, {"tools": 7}, {"messages": [7]}, {"tools": [7]}])
def test_a_misshapen_request_is_refused_by_the_provider_and_never_breaks_the_lab(extra: dict[str, Any]) -> None:
    async def misshapen(prompt: str) -> str:
        return str(await openai.AsyncOpenAI().post("/chat/completions", cast_to=object, body=body))

    body = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], **extra}
    played = play(talk_to(misshapen), ONE_ANSWER)
    assert (played.ending, type(played.error)) == ("raised", openai.BadRequestError), played.problems


def test_a_sync_agent_on_the_sync_client_waits_in_virtual_time() -> None:
    def sync_agent(prompt: str) -> str:
        time.sleep(30)
        answer = openai.OpenAI().chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}])
        return answer.choices[0].message.content or ""

    started = time.perf_counter()
    played = play(talk_to(sync_agent), Setup(scripts=(ScriptSpec(turns=(Say("hello"),)),), prompts=(PROMPT,)))
    assert (played.replies, played.seconds) == (("hello",), 31.0)
    assert time.perf_counter() - started < 5


def test_the_key_placeholder_does_not_outlive_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert clean().ending == "returned"
    assert "OPENAI_API_KEY" not in os.environ


def test_two_runs_leave_the_same_journal() -> None:
    schedule = at("openai.chat.1", Overloaded(), shape="always")
    first, second = (play(talk_to(loop), SETUP, schedule, seed=7, clean=clean().clean).journal for _ in range(2))
    assert first == second


def test_requests_in_flight_at_the_end_are_abandoned_not_lost() -> None:
    async def impatient(prompt: str) -> str:
        asking = asyncio.ensure_future(loop(prompt))
        await asyncio.sleep(0.5)
        asking.cancel()
        return "never mind"

    played = play(talk_to(impatient), SETUP, FAULT_FREE)
    assert [e.end for e in played.journal if isinstance(e, Answered)] == ["abandoned"]


@pytest.mark.parametrize("start", [0.0, 0.3, 1.1, 2.3, 3.7, 4.6, 7.9])
def test_who_hangs_up_at_the_very_moment_of_a_strike_has_seen_it(start: float) -> None:
    async def breaks_off(prompt: str) -> str:
        await asyncio.sleep(start)
        body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": True}
        url, key = "https://api.openai.com/v1/chat/completions", {"authorization": "Bearer k"}
        async with httpx2.AsyncClient() as client, client.stream("POST", url, json=body, headers=key) as answer:
            async for _ in answer.aiter_bytes():
                return "that is no stream"
        return "not one byte"

    schedule = Schedule("t", (Injection(fault=select(["stream_keepalive_comment"])[0](), at="openai.chat.1"),))
    played = play(talk_to(breaks_off), ONE_ANSWER, schedule)
    assert [event.end for event in played.journal if isinstance(event, Answered)] == ["abandoned"], played.problems
    assert [strike.changed for strike in played.strikes] == [True]
