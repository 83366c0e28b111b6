"""Streams: what is shown while a turn is under way, and what a broken stream does before and after something was shown."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import aclosing
from typing import Any

import pytest
from agentlab_faults import Schedule, Setup, Talk, play
from agentlab_faults.catalogue import select, singles
from agentlab_faults.exchange import Break, Exchange, Part, Pause
from agentlab_faults.played import Tool as LabTool
from agentlab_faults.script import Call, Say, ScriptSpec
from hypothesis import given
from hypothesis import strategies as st

from agentlab import Bounds, Model, Reply, StreamEvent, TextDelta, ToolCalled, ToolReturned, UnsupportedContentError, Withdrawn, tool
from agentlab.agent import Agent
from agentlab.events import Screen
from agentlab.models import Api
from agentlab.text import clean, without_thoughts

from .conftest import Wire, say, silent
from .talking import APIS, MODELS

PRIMARY = Model(name="gpt-4o-mini", timeout=8.0, connect_timeout=3.0, stream=True, stall_timeout=4.0)
FALLBACK = Model(name="backup", base_url="https://llm.fallback.example/v1", limit_field="max_tokens", timeout=8.0, stream=True)
FINE = "There are 3 apples."


@tool
async def look(item: str) -> dict[str, Any]:
    """Look an item up."""
    return {"item": item, "stock": 3}


def chunk(finish: str | None = None, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'model': 'gpt-4o-mini', 'choices': [choice]})}\n\n".encode()


def stream(*parts: Part) -> Exchange:
    return Exchange(200, (("content-type", "text/event-stream"),), (Pause(1.0), *parts))


def words(text: str, *end: Part) -> Exchange:
    """The text in three pieces, and how it ends: well, unless said otherwise."""
    size = -(-len(text) // 3)
    pieces = [chunk(content=text[at : at + size]) for at in range(0, len(text), size)]
    return stream(*pieces, *(end or (chunk("stop"), b"data: [DONE]\n\n")))


LOOK = stream(
    chunk(tool_calls=[{"index": 0, "id": "call_a", "function": {"name": "look", "arguments": ""}}]),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"item": '}}]),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": '"apples"}'}}]),
    chunk("tool_calls"),
    b"data: [DONE]\n\n",
)


def agent(*models: Model, **options: Any) -> Agent:
    options.setdefault("bounds", Bounds(seconds=45.0))
    return Agent("test", instructions="Help.", models=models or (PRIMARY, FALLBACK), tools=[look], **options)


def watch(wire: Wire, watched: Agent, text: str = "How many apples?") -> list[StreamEvent]:
    async def turn() -> list[StreamEvent]:
        return [event async for event in watched.stream(text)]

    found: list[StreamEvent] = wire.run(turn())
    return found


def on_screen(events: list[StreamEvent]) -> dict[int, str]:
    """What stands on the screen at the end, by step."""
    shown: dict[int, str] = {}
    for event in events:
        if isinstance(event, TextDelta):
            shown[event.step] = shown.get(event.step, "") + event.text
        elif isinstance(event, Withdrawn):
            shown.pop(event.step)
    return shown


def test_words_come_as_they_are_written_and_the_reply_comes_last(wire: Wire) -> None:
    wire.primary(LOOK, words(FINE))
    *events, reply = watch(wire, agent())
    assert isinstance(reply, Reply)
    assert (reply.text, reply.status) == (FINE, "complete")
    called, returned, *deltas = events
    assert called == ToolCalled("look", {"item": "apples"}, 1)
    assert isinstance(returned, ToolReturned)
    assert (returned.tool, returned.error, returned.step) == ("look", "", 1)
    assert deltas == [TextDelta("There a", 2), TextDelta("re 3 ap", 2), TextDelta("ples.", 2)]


def test_a_model_that_does_not_stream_shows_its_answer_at_once(wire: Wire) -> None:
    wire.primary(say(FINE))
    events = watch(wire, agent(Model(name="gpt-4o-mini")))
    assert events[:-1] == [TextDelta(FINE, 1)]


HEAD = chunk(role="assistant", content="")
BROKEN: dict[str, tuple[Part, ...]] = {
    "reset": (Break("ReadError", "reset"),),
    "cut": (Break("RemoteProtocolError", "peer closed connection without sending complete message body"),),
    "ended without its end": (b"",),
    "stalled": (Pause(float("inf")),),
    "an error": (b'data: {"error": {"message": "boom", "type": "server_error", "code": null}}\n\n',),
    "garbage": (b"data: {not json\n\n",),
    "half an event": (b'data: {"choices": [{"del',),
    "cut at its maximum": (chunk("length"),),
    "filtered": (chunk("content_filter"),),
}


@pytest.mark.parametrize("end", BROKEN.values(), ids=BROKEN)
def test_a_stream_that_breaks_before_anything_was_shown_is_begun_again_unseen(wire: Wire, end: tuple[Part, ...]) -> None:
    wire.primary(stream(HEAD, *end), words(FINE))
    wire.fallback(words(FINE))
    *events, reply = watch(wire, agent())
    assert (str(reply), on_screen(events)) == (FINE, {1: FINE})
    assert not any(isinstance(event, Withdrawn) for event in events)
    assert wire.now < 15


@pytest.mark.parametrize("end", BROKEN.values(), ids=BROKEN)
def test_a_stream_that_breaks_after_something_was_shown_takes_it_back_first(wire: Wire, end: tuple[Part, ...]) -> None:
    wire.primary(words("There are 99", *end), words(FINE))
    wire.fallback(words(FINE))
    *events, reply = watch(wire, agent())
    assert (str(reply), on_screen(events)) == (FINE, {1: FINE})
    first = next(n for n, event in enumerate(events) if isinstance(event, Withdrawn))
    assert "".join(event.text for event in events[:first] if isinstance(event, TextDelta)) == "There are 99"
    assert events[first] == Withdrawn(1, "gpt-4o-mini broke off")


def test_what_was_shown_of_an_answer_that_nobody_finishes_is_taken_back(wire: Wire) -> None:
    wire.primary(words("There are 99", *BROKEN["reset"]))
    wire.fallback(words("There are 98", *BROKEN["reset"]))
    *events, reply = watch(wire, agent())
    assert isinstance(reply, Reply)
    assert (reply.answered_by, on_screen(events)) == ("safety_net", {})


def test_silence_is_given_up_after_the_models_own_patience(wire: Wire) -> None:
    wire.primary(stream(HEAD, Pause(3.4), HEAD, Pause(3.4), *[chunk(content=FINE), chunk("stop")]))
    assert str(watch(wire, agent(PRIMARY))[-1]) == FINE
    assert wire.asked == ["api.openai.com"]


def test_a_stream_that_drips_ends_with_its_attempt(wire: Wire) -> None:
    wire.primary(stream(*[part for _ in range(100) for part in (chunk(content="x"), Pause(2.0))]))
    wire.fallback(words(FINE))
    assert str(watch(wire, agent())[-1]) == FINE
    assert wire.now < 25


@pytest.mark.parametrize(
    "hangs",
    [stream(HEAD, *BROKEN["stalled"]), stream(*[part for _ in range(100) for part in (HEAD, Pause(1.0))]), silent()],
    ids=["stalled", "dripping", "silent"],
)
@pytest.mark.parametrize("seconds", [2.0, 10.0])
def test_the_runs_own_deadline_holds_through_every_stream(wire: Wire, hangs: Exchange, seconds: float) -> None:
    wire.primary(hangs)
    wire.fallback(hangs)
    reply = watch(wire, agent(bounds=Bounds(seconds=seconds), degrade=False))[-1]
    assert isinstance(reply, Reply)
    assert reply.status == "timeout"
    assert wire.now <= seconds + 0.05


def test_a_turn_that_nobody_watches_any_more_ends(wire: Wire) -> None:
    wire.primary(stream(HEAD, chunk(content="There"), Pause(5.0), HEAD, chunk("stop")))

    async def leave() -> float:
        watched = agent(PRIMARY)
        async with aclosing(watched.stream("How many apples?")) as events:
            assert await anext(events) == TextDelta("There", 1)
        wire.primary(words(FINE))
        return (await asyncio.wait_for(watched("And now?"), 20)).steps[-1].seconds

    assert wire.run(leave()) == 1.0


def test_a_turn_that_is_taken_up_again_is_shown_too(wire: Wire) -> None:
    wire.primary(words("There are", *BROKEN["reset"]))
    resumed = agent(PRIMARY, degrade=False)
    reply = watch(wire, resumed)[-1]
    assert isinstance(reply, Reply)
    assert reply.resume is not None
    wire.primary(words(FINE))

    async def go_on(handle: str) -> list[StreamEvent]:
        await asyncio.sleep(60)
        return [event async for event in resumed.stream_resumed(handle)]

    *events, again = wire.run(go_on(reply.resume))
    assert (str(again), "".join(on_screen(events).values())) == (FINE, FINE)


def test_an_image_is_refused_before_anything_is_asked(wire: Wire) -> None:
    image: Any = [{"type": "image_url", "image_url": {"url": "data:"}}]
    with pytest.raises(UnsupportedContentError):
        watch(wire, agent(), image)
    assert wire.asked == []


PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "<", "<thi", "nk>", " ", "\n", "a", "<b>", "\ud83d", "\ude00", "\0", "Ü"]) | st.text(max_size=4)
)


@given(pieces=PIECES)
def test_what_is_shown_is_the_answers_text_however_it_was_cut(pieces: list[str]) -> None:
    events: list[Any] = []
    screen = Screen(events.append, 1)
    whole = without_thoughts(clean("".join(pieces)))
    for piece in pieces:
        screen.add(piece)
        assert whole.startswith("".join(event.text for event in events))
    screen.finish(whole)
    assert "".join(event.text for event in events) == whole
    assert all(event.text for event in events)


PROMPT = "Where is order 5512?"
ANSWER = "Order 5512 was delivered to 12 Elm Street."
SETUP = Setup(
    scripts=(ScriptSpec(turns=(Call((("look", {"item": "5512"}),)), Say(ANSWER))),),
    prompts=(PROMPT,),
    tools={"look": LabTool(name="look", returns={"status": "delivered", "address": "12 Elm Street"})},
    deadline=120.0,
)


@pytest.mark.parametrize("api", APIS)
def test_under_every_fault_of_a_stream_what_stands_on_the_screen_is_what_holds(api: Api) -> None:
    watched: list[list[StreamEvent]] = []
    first = Model(name=MODELS[api].name, api=api, stream=True, timeout=8.0, stall_timeout=6.0)
    second = FALLBACK if api != "google" else Model(name="claude-haiku-4-5", api="anthropic", stream=True, timeout=8.0)

    def conversation(talk: Talk) -> None:
        async def turn() -> Reply:
            watched.append([event async for event in agent(first, second).stream(PROMPT)])
            reply = watched[-1][-1]
            assert isinstance(reply, Reply)
            return reply

        talk.turn(PROMPT)
        talk.reply(talk.settle(turn()))

    clean_ = play(conversation, SETUP)
    assert on_screen(watched[0]) == {2: ANSWER}
    faults = [fault for fault in select(["*"]) if fault.row.boundary == "stream"]
    wrong = {}
    cells = list(singles(clean_.points, faults))
    for schedule in cells if os.environ.get("AGENTLAB_FULL") else cells[::7]:
        played = play(conversation, SETUP, schedule, clean=clean_.clean)
        problem = _problem(played.ending, played.replies, watched[-1], schedule)
        if problem:
            wrong[schedule.name] = problem
    assert wrong == {}


def _problem(ending: str, replies: Any, events: list[StreamEvent], schedule: Schedule) -> str:
    if ending != "returned":
        return ending
    (reply,) = replies
    (injection,) = schedule.injections
    best = injection.fault.row.best[injection.shape]
    shown = on_screen(events)
    right = ANSWER if best != "undetectable" else reply.text
    if reply.status == "complete" and (reply.text != right or shown.get(max(shown, default=0)) != right):
        return f"shows {shown}, says {reply.text!r}"
    if reply.status != "complete" and (best in {"recoverable", "needs_fallback"} or ANSWER in shown.values()):
        return f"{reply.status} {reply.error}, shows {shown}"
    return ""
