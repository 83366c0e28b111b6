"""The ten behaviours that the runtime promises, each under its name, on the real SDK in virtual time. Details have tests of their own."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from agentlab_faults.exchange import Exchange, Pause

from agentlab import Agent, Bounds, InMemoryStore, Model, Reply, Tool, Withdrawn, tool

from .conftest import Wire, answer, call, error, raw, refused, say, silent
from .telemetry_capture import Told, told  # noqa: F401  # a fixture

PRIMARY = Model(name="gpt-4o-mini", timeout=8.0, connect_timeout=3.0)
FALLBACK = Model(name="backup", base_url="https://llm.fallback.example/v1", limit_field="max_tokens", timeout=8.0)
FINE = "There are 3 apples."
LOOK = call(("look", {"item": "apples"}), ids=("call_l",))
PAY = call(("pay", {"amount": 5}), ids=("call_p",))


@tool
async def look(item: str) -> str:
    """Look."""
    return f"{item}: 3"


def payer(keys: list[str], *failures: Exception) -> Tool:
    """A payment that fails in these ways after it was made, and honours its key."""
    left = list(failures)

    async def pay(amount: float, idempotency_key: str) -> str:
        """Pay."""
        keys.append(idempotency_key)
        if left:
            raise left.pop(0)
        return "paid"

    return Tool(pay, effect="write")


def agent(*tools: Tool, fallback: bool = False, **options: Any) -> Agent:
    options.setdefault("bounds", Bounds(seconds=45.0))
    models = options.pop("models", [PRIMARY, FALLBACK] if fallback else [PRIMARY])
    return Agent("test", instructions="Help.", models=models, tools=tools or (look,), **options)


def ask(wire: Wire, asked: Agent, text: str = "How many apples?") -> Reply:
    async def turn() -> Reply:
        return await asked(text)

    reply: Reply = wire.run(turn())
    return reply


NO_ANSWERS = {
    "length": say("There are", "length"),
    "filtered": say("There are", "content_filter"),
    "no finish": say("There are", ""),
    "empty": say(""),
    "blank": say("  \n"),
    "nothing": answer({"content": None}, "stop"),
    "calls that are not there": answer({"content": "I will look."}, "tool_calls"),
}


@pytest.mark.parametrize("bad", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_1_no_silent_wrong_answer(wire: Wire, bad: Exchange) -> None:
    wire.primary(bad)
    reply = ask(wire, agent(degrade=False))
    assert (reply.status, reply.confidence) == ("incomplete", 0.0)
    assert "There are" not in reply.text


@pytest.mark.parametrize("cut", [b"", b"data: [DONE]\n\n"], ids=["no terminator", "no finish reason"])
def test_1_no_silent_wrong_answer_of_a_stream_that_was_not_terminated(wire: Wire, cut: bytes) -> None:
    begun = (
        b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"There"}}]}\n\n'
    )
    wire.primary(raw(begun + cut, content_type="text/event-stream"))
    reply = ask(wire, agent(degrade=False, models=[Model(name="gpt-4o-mini", timeout=8.0, stream=True)]))
    assert reply.status == "incomplete"


@pytest.mark.parametrize("hung", [silent(), raw(Pause(float("inf"))), raw(*[Pause(0.2), b" "] * 1_000)], ids=["connect", "read", "drip"])
def test_2_one_deadline(wire: Wire, hung: Exchange) -> None:
    wire.primary(hung)
    reply = ask(wire, agent(degrade=False, bounds=Bounds(seconds=5.0), models=[Model(name="gpt-4o-mini", timeout=600.0)]))
    assert (reply.status, reply.resume is not None) == ("timeout", True)
    assert wire.now <= 5.05


@pytest.mark.parametrize("blocking", [False, True])
def test_3_a_timeout_on_every_tool_by_default_is_fed_back_and_the_worker_cancelled(wire: Wire, blocking: bool) -> None:
    cancelled: list[bool] = []

    @tool(name="hang")
    async def hang() -> str:
        """Hang."""
        try:
            await asyncio.sleep(1e6)
        finally:
            cancelled.append(True)
        return "never"

    @tool(name="hang")
    def block() -> str:
        """Block."""
        time.sleep(1e6)
        return "never"

    wire.primary(call(("hang", {}), ids=("call_h",)), say("It does not answer."))
    reply = ask(wire, agent(block if blocking else hang))
    assert (reply.status, "hang is unavailable: it did not answer in time" in wire.messages()[-1]["content"]) == ("degraded", True)
    assert blocking or cancelled
    assert wire.now < 45.0


def test_4_one_retry_owner_classified(wire: Wire) -> None:
    wire.primary(error(500), say(FINE))
    assert ask(wire, agent()).text == FINE
    assert len(wire.asked) == 2  # the SDK has not tried again by itself
    wire.requests.clear()
    wire.primary(error(401, "invalid_api_key"))
    ask(wire, agent())
    assert len(wire.asked) == 1


INVALID = {
    "truncated": raw(b'{"choices": [{"mess'),
    "html": raw(b"<html>", content_type="text/html"),
    "error body": raw(b'{"error": {"message": "overloaded"}}'),
    "no choices": raw(b'{"choices": []}'),
    "null message": raw(b'{"choices": [{"index": 0, "message": null, "finish_reason": "stop"}]}'),
}


@pytest.mark.parametrize("bad", INVALID.values(), ids=INVALID.keys())
def test_5_invalid_200s_are_transient(wire: Wire, bad: Exchange) -> None:
    wire.primary(bad, say(FINE))
    reply = ask(wire, agent())
    assert (reply.text, reply.status, len(wire.asked)) == (FINE, "complete", 2)


def test_6_a_breaker_remembers_across_steps_and_runs(wire: Wire) -> None:
    wire.primary(refused())
    wire.fallback(LOOK, say(FINE), say("Still 3."))
    helper = agent(fallback=True)
    assert ask(wire, helper).text == FINE
    asked = wire.asked.count("api.openai.com")
    assert ask(wire, helper, "And now?").text == "Still 3."
    assert wire.asked.count("api.openai.com") == asked


FAULTY = {
    "bad json": call(("look", "{item: }"), ids=("a",)),
    "wrong schema": call(("look", {"thing": 1}), ids=("a",)),
    "unknown tool": call(("search", {"item": "apples"}), ids=("a",)),
    "truncated": call(("look", '{"item": "app'), ids=("a",)),
    "missing id": call(("look", {"item": "apples"}), ids=(None,)),
    "one id twice": call(("look", {"item": "apples"}), ("look", {"item": "pears"}), ids=("a", "a")),
}


@pytest.mark.parametrize("bad", FAULTY.values(), ids=FAULTY.keys())
def test_7_model_faults_are_repaired_with_their_own_small_budget(wire: Wire, bad: Exchange) -> None:
    wire.primary(bad, LOOK, say(FINE))
    reply = ask(wire, agent())
    assert (reply.text, reply.status) == (FINE, "complete")
    for _, body, _ in wire.requests:
        ids = [made["id"] for message in body["messages"] for made in message.get("tool_calls", ())]
        assert len(set(ids)) == len(ids) == sum(message["role"] == "tool" for message in body["messages"])


@pytest.mark.parametrize("circle", [1, 2], ids=["the same call again and again", "ping-pong"])
def test_7_a_model_that_goes_in_circles_is_stopped(wire: Wire, circle: int) -> None:
    items = [call(("look", {"item": f"{n % circle}"}), ids=(f"c{n}",)) for n in range(30)]
    wire.primary(*items)
    reply = ask(wire, agent(degrade=False, bounds=Bounds(steps=30, seconds=45.0)))
    assert reply.status == "max_steps_exceeded"
    assert len(wire.asked) < 10


def test_8_effects_at_most_once_across_retry_duplicate_fallback_and_resume(wire: Wire) -> None:
    keys: list[str] = []
    store = InMemoryStore()
    twice = call(("pay", {"amount": 5}), ("pay", {"amount": 5.0}), ids=("a", "b"))
    wire.primary(twice, error(400), error(400))
    wire.fallback(call(("pay", {"amount": 5}), ids=("c",)), error(400), say("Paid."))
    pay = payer(keys, TimeoutError())
    cut = ask(wire, agent(pay, fallback=True, checkpoints=store))
    assert (cut.effects, cut.resume is not None) == (("pay",), True)

    async def elsewhere() -> Reply:
        return await agent(pay, fallback=True, checkpoints=store).resume(str(cut.resume))

    assert wire.run(elsewhere()).text == "Paid."
    assert (len(keys), len(set(keys))) == (2, 1)


def test_9_every_step_is_checkpointed(wire: Wire) -> None:
    keys: list[str] = []
    store = InMemoryStore()
    wire.primary(PAY, silent(), say("Paid."))

    async def crash_and_go_on() -> Reply:
        task = asyncio.ensure_future(agent(payer(keys), checkpoints=store, conversation="c1")("Pay 5"))
        await asyncio.sleep(4)
        task.cancel()
        await asyncio.wait({task})
        other = agent(payer(keys), checkpoints=store, conversation="c1")
        return await other.resume(str(await other.unfinished()))

    assert wire.run(crash_and_go_on()).text == "Paid."
    assert len(keys) == 1


def test_9_a_broken_stream_restarts_before_visible_commitment(wire: Wire) -> None:
    head = b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    whole = head + b'"delta":{"content":"3."}}]}\n\n' + head + b'"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    wire.primary(raw(b": hello\n\n", content_type="text/event-stream"), raw(whole, content_type="text/event-stream"))

    async def watch() -> list[Any]:
        helper = agent(models=[Model(name="gpt-4o-mini", timeout=8.0, stream=True)])
        return [event async for event in helper.stream("How many?")]

    events = wire.run(watch())
    assert not any(isinstance(event, Withdrawn) for event in events)
    assert (events[-1].text, events[-1].status) == ("3.", "complete")


def test_10_declared_degradation_on_the_result_in_the_span_and_in_the_metric(wire: Wire, told: Told) -> None:  # noqa: F811  # the fixture
    wire.primary(error(503))
    reply = ask(wire, agent())
    assert (reply.status, reply.answered_by, reply.confidence) == ("degraded", "safety_net", 0.1)
    attributes = told.span("invoke_agent test").attributes
    assert attributes is not None
    assert (attributes["agentlab.answered_by"], attributes["agentlab.status"]) == ("safety_net", "degraded")
    [(counted, runs)] = told.points("agentlab.runs")
    assert ("safety_net" in counted.values(), "degraded" in counted.values(), runs) == (True, True, 1)
