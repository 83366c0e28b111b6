"""Each fault that can fire does something that an agent can see, in every wire API that it is offered for, and nothing once it is neutered.

The agent is one request with a history, in the bytes of each API, or one call of a tool; whatever comes of it, it is satisfied.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from agentlab_faults import FAULT_FREE, Fault, Played, Schedule, Setup, Talk, Tool, hook, play
from agentlab_faults.catalogue import all_modes, mode_schedule, select, singles
from agentlab_faults.exchange import Exchange
from agentlab_faults.fault import BreaksTool, Served, Spoils, Strike, ToolCall
from agentlab_faults.script import Call, Say, ScriptSpec

PROMPT = "Refund order 5512 and answer in json."
SYSTEM = "You are the shop's assistant."
FOUND = {"hits": [{"text": "Refunds within 30 days.", "score": 0.9}], "total": 1, "status": "complete"}
TOOLS: dict[str, Tool] = {
    "lookup_order": Tool(name="lookup_order", returns={"status": "shipped", "total": 49.9}),
    "search_docs": Tool(name="search_docs", returns=FOUND),
    "refund": Tool(name="refund", effect="write", identity=("order",)),
}
SCHEMA: Any = {"type": "object", "properties": {"order": {"type": "string"}, "dry": {"type": "boolean"}}}
CALLS = (("refund", {"order": "5512", "dry": True}),)
SCRIPTS = {
    "calls": ScriptSpec(turns=(Call(CALLS), Say("Done."))),
    "says": ScriptSpec(turns=(Say("I refunded order 5512."),)),
}
Body = tuple[str, dict[str, Any]]
"""URL and JSON of a request."""


def lookup_order(order: str) -> Any:
    raise AssertionError(order)


def search_docs(order: str) -> Any:
    raise AssertionError(order)


def refund(order: str) -> Any:
    raise AssertionError(order)


BODIES: dict[str, Callable[..., Any]] = {"lookup_order": lookup_order, "search_docs": search_docs, "refund": refund}


def chat(*, stream: bool, structured: bool) -> Body:
    def called(n: int, name: str) -> list[Any]:
        call = {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": '{"order":"5512"}'}}
        return [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": f"c{n}", "content": "fine"}]

    told = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
    said = [*told, *called(1, "lookup_order"), *called(2, "search_docs")]
    tools = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in TOOLS]
    form = {"response_format": {"type": "json_object"}} if structured else {}
    streams = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    return "https://api.openai.com/v1/chat/completions", {"model": "gpt-4o-mini", "messages": said, "tools": tools, **form, **streams}


def responses(*, stream: bool, structured: bool) -> Body:
    def called(n: int, name: str) -> list[Any]:
        call = {"type": "function_call", "call_id": f"c{n}", "name": name, "arguments": '{"order":"5512"}'}
        return [call, {"type": "function_call_output", "call_id": f"c{n}", "output": "fine"}]

    said = [{"role": "user", "content": PROMPT}, *called(1, "lookup_order"), *called(2, "search_docs")]
    tools = [{"type": "function", "name": name, "parameters": SCHEMA} for name in TOOLS]
    form = {"text": {"format": {"type": "json_object"}}} if structured else {}
    streams = {"stream": True} if stream else {}
    asked = {"model": "gpt-4o-mini", "instructions": SYSTEM, "input": said, "tools": tools, **form, **streams}
    return "https://api.openai.com/v1/responses", asked


def anthropic(*, stream: bool, structured: bool) -> Body:
    del structured

    def called(n: int, name: str) -> list[Any]:
        use = {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": {"order": "5512"}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": "fine"}
        return [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]

    said = [{"role": "user", "content": PROMPT}, *called(1, "lookup_order"), *called(2, "search_docs")]
    tools = [{"name": name, "input_schema": SCHEMA} for name in TOOLS]
    asked = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "system": SYSTEM, "messages": said, "tools": tools, "stream": stream}
    return "https://api.anthropic.com/v1/messages", asked


def gemini(*, stream: bool, structured: bool) -> Body:
    del structured

    def called(name: str) -> list[Any]:
        call = {"functionCall": {"name": name, "args": {"order": "5512"}}}
        result = {"functionResponse": {"name": name, "response": {"result": "fine"}}}
        return [{"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}]

    said = [{"role": "user", "parts": [{"text": PROMPT}]}, *called("lookup_order"), *called("search_docs")]
    tools = [{"functionDeclarations": [{"name": name, "parameters": SCHEMA} for name in TOOLS]}]
    way = "streamGenerateContent?alt=sse" if stream else "generateContent"
    url = f"https://generativelanguage.googleapis.com/v1/models/gemini-2.5-flash:{way}"
    return url, {"contents": said, "systemInstruction": {"parts": [{"text": SYSTEM}]}, "tools": tools}


REQUESTS = {"openai.chat": chat, "openai.responses": responses, "anthropic.messages": anthropic, "gemini.generate": gemini}
KEYS = {"authorization": "Bearer sk-test", "x-goog-api-key": "key-test", "anthropic-version": "2026-10-21"}


def ask(body: Body) -> Callable[[], None]:
    def once() -> None:
        url, asked = body
        with contextlib.suppress(Exception), httpx2.Client(timeout=httpx2.Timeout(30)) as client:
            client.post(url, json=asked, headers=KEYS)

    return once


def use(tool: str) -> Callable[[], None]:
    def once() -> None:
        with contextlib.suppress(Exception):
            BODIES[tool](order="5512")
        ask(chat(stream=False, structured=False))()

    return once


World = tuple[Callable[[], None], ScriptSpec]
WORLDS: dict[str, World] = {
    f"{api} {says} {'streamed' if stream else 'whole'} {'json' if structured else 'text'}": (
        ask(request(stream=stream, structured=structured)),
        SCRIPTS[says],
    )
    for api, request in REQUESTS.items()
    for says in SCRIPTS
    for stream in (False, True)
    for structured in (False, True)
    if not structured or api.startswith("openai")
} | {tool: (use(tool), SCRIPTS["says"]) for tool in TOOLS}


def played(world: World, schedule: Schedule = FAULT_FREE, clean: Played | None = None) -> Played:
    act, script = world

    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        act()
        talk.reply("done")

    setup = Setup(scripts=(script,), prompts=(PROMPT,), tools=TOOLS, deadline=5_000.0)
    run = play(conversation, setup, schedule, clean=clean.clean if clean else None)
    assert run.problems == ()
    return run


@pytest.fixture(scope="module")
def worlds() -> Iterator[dict[str, Played]]:
    """The fault-free run of each world; the tools are hooked for the whole module."""
    hooked = [hook(function) for function in BODIES.values()]
    yield {name: played(world) for name, world in WORLDS.items()}
    for one in hooked:
        one.undo()


def cases(fault: type[Fault], worlds: dict[str, Played]) -> list[tuple[str, Schedule]]:
    """Every world, and every place in it, that the fault is offered for, once each."""
    return [
        (name, schedule)
        for name, clean in worlds.items()
        for schedule in singles([point for point in clean.points if (point.kind == "tool") == (name in TOOLS)], [fault])
        if schedule.injections[0].shape == "once"
    ]


OURS = ("network", "provider-http", "content", "stream", "semantic", "tool")
FAULTS = [fault for fault in select(["*"]) if fault.row.boundary in OURS]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.row.id)
def test_the_fault_does_something_wherever_it_is_offered(fault: type[Fault], worlds: dict[str, Played]) -> None:
    offered = cases(fault, worlds)
    assert offered
    idle = [(name, schedule.name) for name, schedule in offered if not seen(name, schedule, worlds)]
    assert idle == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.row.id)
def test_a_fault_that_is_made_to_do_nothing_is_found_out(fault: type[Fault], worlds: dict[str, Played]) -> None:
    name, schedule = cases(fault, worlds)[0]
    [injection] = schedule.injections
    idle = Schedule(schedule.name, (type(injection)(fault=neutered(fault), at=injection.at),))
    assert not seen(name, idle, worlds)


def seen(name: str, schedule: Schedule, worlds: dict[str, Played]) -> bool:
    strikes = played(WORLDS[name], schedule, worlds[name]).strikes
    return any(strike.changed for strike in strikes)


def neutered(fault: type[Fault]) -> Fault:
    """A fault with the same row that leaves everything as it is."""

    class NoStrike(BreaksTool):
        """Does nothing."""

        def strike(self, call: ToolCall) -> Strike:
            del call
            return Strike(runs=True)

    class NoSpoil(Spoils):
        """Does nothing."""

        def spoil(self, served: Served) -> Exchange:
            return served.exchange

    kind: type[Fault] = NoStrike if issubclass(fault, BreaksTool) else NoSpoil
    kind.row = fault.row
    return kind()


def test_the_bodies_are_what_the_providers_take(worlds: dict[str, Played]) -> None:
    for name, clean in worlds.items():
        answered = [event for event in clean.journal if type(event).__name__ == "Answered"]
        assert answered, name
        assert all(event.status == 200 for event in answered), (name, json.dumps([event.status for event in answered]))


@pytest.mark.parametrize("name", [name for name, mode in all_modes().items() if any(row.fault.row.tools for row in mode.injections)])
def test_a_mode_of_searches_strikes_a_tool_that_searches_and_no_other(name: str, worlds: dict[str, Played]) -> None:
    assert seen("search_docs", mode_schedule(name), worlds)
    assert not seen("lookup_order", mode_schedule(name), worlds)
