"""Each fault of a stream, played to the real SDKs: what they raise or hand out, how often they try, and how much of the text got through.

The expectations stand in `golden/streams.json` with the SDKs' versions, by wire API. `events` reads a stream event by event, `helper` uses
the SDK's own helper that puts it together. After a change on purpose: `UPDATE_GOLDEN=1 pytest tests/faults/test_catalogue_streams.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from agentlab_faults.catalogue import select
from agentlab_faults.dialects import DIALECTS, Answer, Usage
from agentlab_faults.exchange import Exchange, Pause, Timeouts, WireRequest, differs_after
from agentlab_faults.fault import Fault, Spoils
from agentlab_faults.intercept import End, armed, install
from agentlab_faults.reading import parsed
from agentlab_faults.script import Called
from agentlab_faults.serving import Good, put
from agentlab_faults.sim import Simulation
from google import genai

install()

PATH = Path(__file__).parent / "golden" / "streams.json"
GOLDEN: dict[str, Any] = json.loads(PATH.read_text()) if PATH.exists() else {}
STREAMS = [fault for fault in select(["*"]) if fault.row.streamed == "only"]
TEXT = "It is 18 degrees in Paris."
ARGUMENTS = '{"city":"Paris","unit":"c"}'
PARAMETERS: Any = {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}}
QUESTION = "Weather?"

Reader = Callable[[list[str], list[str]], Any]
"""Makes one streamed call; puts the kind of each event into the first list, each piece of text into the second; returns what it came to."""


def chat_events(kinds: list[str], text: list[str]) -> Any:
    tools: Any = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]
    finish: Any = None
    with openai.OpenAI(api_key="sk-test") as client:
        for chunk in client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": QUESTION}],
            tools=tools,
            stream=True,
            stream_options={"include_usage": True},
        ):
            kinds.append("usage" if not chunk.choices else "chunk")
            for choice in chunk.choices:
                text.append(choice.delta.content or "")
                finish = choice.finish_reason or finish
    return finish


def chat_helper(kinds: list[str], text: list[str]) -> Any:
    tools: Any = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]
    with (
        openai.OpenAI(api_key="sk-test") as client,
        client.chat.completions.stream(model="gpt-4o-mini", messages=[{"role": "user", "content": QUESTION}], tools=tools) as stream,
    ):
        for event in stream:
            kinds.append(event.type)
            if event.type == "content.delta":
                text.append(event.delta)
        return stream.get_final_completion().choices[0].finish_reason


def responses_events(kinds: list[str], text: list[str]) -> Any:
    tools: Any = [{"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": False}]
    with openai.OpenAI(api_key="sk-test") as client:
        for event in client.responses.create(model="gpt-4o-mini", input=QUESTION, tools=tools, stream=True):
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                text.append(event.delta)
    return kinds[-1] if kinds else None


def responses_helper(kinds: list[str], text: list[str]) -> Any:
    tools: Any = [{"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": False}]
    with (
        openai.OpenAI(api_key="sk-test") as client,
        client.responses.stream(model="gpt-4o-mini", input=QUESTION, tools=tools) as stream,
    ):
        for event in stream:
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                text.append(event.delta)
        return stream.get_final_response().status


def anthropic_events(kinds: list[str], text: list[str]) -> Any:
    tools: Any = [{"name": "get_weather", "input_schema": PARAMETERS}]
    said: Any = [{"role": "user", "content": QUESTION}]
    with anthropic.Anthropic(api_key="sk-test") as client:
        for event in client.messages.create(model="claude-sonnet-5", max_tokens=100, messages=said, tools=tools, stream=True):
            kinds.append(event.type)
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text.append(event.delta.text)
    return kinds[-1] if kinds else None


def anthropic_helper(kinds: list[str], text: list[str]) -> Any:
    tools: Any = [{"name": "get_weather", "input_schema": PARAMETERS}]
    said: Any = [{"role": "user", "content": QUESTION}]
    with (
        anthropic.Anthropic(api_key="sk-test") as client,
        client.messages.stream(model="claude-sonnet-5", max_tokens=100, messages=said, tools=tools) as stream,
    ):
        for event in stream:
            kinds.append(event.type)
            if event.type == "text":
                text.append(event.text)
        return stream.get_final_message().stop_reason


def gemini_events(kinds: list[str], text: list[str]) -> Any:
    tool: Any = genai.types.Tool(function_declarations=[{"name": "get_weather", "parameters_json_schema": PARAMETERS}])
    config = genai.types.GenerateContentConfig(tools=[tool])
    finish = None
    with genai.Client(api_key="key-test", http_options={"timeout": 600_000}) as client:
        for chunk in client.models.generate_content_stream(model="gemini-2.5-flash", contents=QUESTION, config=config):
            kinds.append("chunk")
            for candidate in chunk.candidates or ():
                parts = (candidate.content.parts if candidate.content else None) or ()
                text.extend(part.text or "" for part in parts)
                finish = candidate.finish_reason.name if candidate.finish_reason else finish
    return finish


READERS: dict[str, tuple[str, dict[str, Reader]]] = {
    "openai.chat": ("openai", {"events": chat_events, "helper": chat_helper}),
    "openai.responses": ("openai", {"events": responses_events, "helper": responses_helper}),
    "anthropic.messages": ("anthropic", {"events": anthropic_events, "helper": anthropic_helper}),
    "gemini.generate": ("google-genai", {"events": gemini_events}),
}
"""Wire API to its SDK and the ways to read a stream of it."""


def good(api: str, request: WireRequest, *, calls: bool) -> Good:
    """The good stream: text, or a tool call, over a second."""
    answer = Answer(
        content=None if calls else TEXT,
        calls=(Called("call_1", "get_weather", ARGUMENTS),) if calls else (),
        finish="tool_calls" if calls else "stop",
        usage=Usage(12, 7, 19),
        model="gpt-4o-mini",
        created=1_700_000_000,
        serial=1,
    )
    return put(DIALECTS[api], answer, request, parsed(request.body), latency=1.0)


def play(api: str, way: str, fault: Fault | None, chunk: int | None = None) -> dict[str, Any]:
    """One streamed call with the SDK's defaults, and the fault in it: what it came to, in the golden file's words."""
    reader = READERS[api][1][way]
    tries: list[float] = []
    kinds: list[str] = []
    text: list[str] = []
    with Simulation(seed=7, cap=1e6, watchdog=20.0) as simulation:

        def handler(request: WireRequest) -> tuple[Exchange, Callable[[End], None]]:
            tries.append(simulation.now)
            served = good(api, request, calls=fault is not None and fault.row.answer == "tool_calls")
            return served.spoiled(fault, chunk) if isinstance(fault, Spoils) else served.exchange, lambda _: None

        with armed(handler) as watch:
            seen = outcome(reader, kinds, text)
    assert watch.escaped == []
    return seen | {"tries": len(tries), "events": len(kinds), "text": "".join(text), "seconds": round(simulation.now, 2)}


def outcome(reader: Reader, kinds: list[str], text: list[str]) -> dict[str, Any]:
    try:
        ended = reader(kinds, text)
    except Exception as error:  # noqa: BLE001 - the exception is the outcome
        cause = {"because": type(error.__cause__).__name__} if error.__cause__ else {}
        code = {"code": error.code} if getattr(error, "code", None) else {}
        return {"raises": type(error).__name__} | cause | code
    return {"ends": ended}


CASES = [
    pytest.param(api, way, fault, id=f"{api}-{way}-{fault.row.id}")
    for api, (_, ways) in READERS.items()
    for way in ways
    for fault in STREAMS
    if fault.row.apis is None or api in fault.row.apis
]


@pytest.mark.parametrize(("api", "way", "fault"), CASES)
def test_the_sdk_takes_the_broken_stream_as_measured(api: str, way: str, fault: type[Fault]) -> None:
    seen = play(api, way, fault())
    if os.environ.get("UPDATE_GOLDEN"):
        kept = json.loads(PATH.read_text()) if PATH.exists() else {}
        sdk = READERS[api][0]
        kept.setdefault("versions", {})[sdk] = version(sdk)
        kept.setdefault(api, {}).setdefault(way, {})[fault.row.id] = seen
        PATH.write_text(json.dumps(kept, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    else:
        assert seen == GOLDEN[api][way][fault.row.id]


@pytest.mark.parametrize("api", READERS)
def test_the_golden_file_has_every_stream_fault_of_the_api_and_no_other(api: str) -> None:
    mine = {fault.row.id for fault in STREAMS if fault.row.apis is None or api in fault.row.apis}
    assert {way: set(faults) for way, faults in GOLDEN[api].items()} == dict.fromkeys(READERS[api][1], mine)


@pytest.mark.parametrize(("api", "way"), [(api, way) for api, (_, ways) in READERS.items() for way in ways])
def test_without_a_fault_all_of_the_text_gets_through(api: str, way: str) -> None:
    seen = play(api, way, None)
    assert (seen["text"], seen["tries"], seen["seconds"]) == (TEXT, 1, 1.0)
    assert "raises" not in seen


@pytest.mark.parametrize(
    ("api", "fault"),
    [p.values[0::2] for p in CASES if p.values[1] == "events"],
    ids=lambda v: getattr(v, "row", v) and str(getattr(getattr(v, "row", None), "id", v)),
)
def test_a_struck_stream_is_another_one_at_every_event(api: str, fault: type[Fault]) -> None:
    path = "/v1/models/gemini-2.5-flash:streamGenerateContent" if api.startswith("gemini") else "/"
    body = b'{"stream": true, "stream_options": {"include_usage": true}}'
    request = WireRequest("httpx2", "POST", f"https://x{path}?alt=sse", "x", path, {}, body, Timeouts(), sync=True)
    served = good(api, request, calls=fault.row.answer == "tool_calls")
    spoiler = fault()
    assert isinstance(spoiler, Spoils)
    events = [part for part in served.exchange.body if isinstance(part, bytes)]
    for chunk in range(1, len(events) + 1) if fault.row.at_event else [None]:
        assert differs_after(served.spoiled(spoiler, chunk), served.exchange) < 2
    if fault.row.at_event:
        assert served.spoiled(spoiler, len(events) + 1) == served.exchange


def test_an_event_is_struck_when_it_would_have_come() -> None:
    request = WireRequest("httpx2", "POST", "https://x/", "x", "/", {}, b'{"stream": true}', Timeouts(), sync=True)
    served = good("openai.chat", request, calls=False)
    [cut] = [fault() for fault in STREAMS if fault.row.id == "stream_cut_clean"]
    assert isinstance(cut, Spoils)
    times = [differs_after(served.spoiled(cut, chunk), served.exchange) for chunk in range(1, 7)]
    assert times == pytest.approx([0.4 + 0.12 * n for n in range(6)])
    assert served.exchange.before == (Pause(0.4),)
