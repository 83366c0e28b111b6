"""Each fault of the wire, played to the SDKs of Anthropic, Google and, over Responses, OpenAI: what they raise or return, how they wait.

The expectations stand in `golden/sdks.json` with the SDK's version; where a newer SDK made a measurement of the wire catalogue untrue,
`differs_from_the_wire_catalogue` says what it was. After a new version: `UPDATE_GOLDEN=1 pytest tests/faults/test_catalogue_sdks.py`, then
read the diff.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from agentlab_faults.catalogue import select
from agentlab_faults.catalogue.server_errors import ServerError
from agentlab_faults.dialects import ANTHROPIC_MESSAGES, GEMINI, RESPONSES, Answer, Dialect, Usage
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.fault import Fault, Replaces, Spoils, all_faults
from agentlab_faults.intercept import End, armed, install
from agentlab_faults.script import Called
from agentlab_faults.serving import Good, put
from agentlab_faults.sim import Simulation, TimeCapReached
from google import genai
from google.genai import types

install()

PATH = Path(__file__).parent / "golden" / "sdks.json"
GOLDEN: dict[str, Any] = json.loads(PATH.read_text())
TEXT = "It is 18 degrees in Paris."
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
Ask = Callable[[], Any]


@dataclass(frozen=True)
class Sdk:
    """One SDK: its dialect, and one plain call of it, sync and async, with the SDK's defaults."""

    dialect: Dialect
    call: Ask
    call_async: Ask

    def faults(self) -> list[type[Fault]]:
        """The faults of an answer in one piece that are offered for this API."""
        boundaries = ("network", "provider-http", "content")
        return [
            fault
            for fault in select(["*"])
            if fault.row.boundary in boundaries
            and any(fault.row.acts_on(self.dialect.api, calls_tools=calls, streamed=False) for calls in (False, True))
        ]


def messages() -> dict[str, Any]:
    tool: Any = {"name": "get_weather", "input_schema": SCHEMA}
    return {"model": "claude-sonnet-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Weather?"}], "tools": [tool]}


def contents() -> dict[str, Any]:
    function = types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[function])])
    return {"model": "gemini-2.5-flash", "contents": "Weather?", "config": config}


def responses() -> dict[str, Any]:
    tool: Any = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}
    return {"model": "gpt-4o-mini", "input": "Weather?", "tools": [tool]}


def by_responses() -> Any:
    with openai.OpenAI(api_key="k") as client:
        return client.responses.create(**responses())


async def by_responses_async() -> Any:
    async with openai.AsyncOpenAI(api_key="k") as client:
        return await client.responses.create(**responses())


def by_anthropic() -> Any:
    with anthropic.Anthropic(api_key="k") as client:
        return client.messages.create(**messages())


async def by_anthropic_async() -> Any:
    async with anthropic.AsyncAnthropic(api_key="k") as client:
        return await client.messages.create(**messages())


def by_google() -> Any:
    with genai.Client(api_key="k") as client:
        return client.models.generate_content(**contents())


async def by_google_async() -> Any:
    async with genai.Client(api_key="k").aio as client:
        return await client.models.generate_content(**contents())


def by_google_with_retries() -> Any:
    options = types.HttpOptions(retry_options=types.HttpRetryOptions(attempts=3))
    with genai.Client(api_key="k", http_options=options) as client:
        return client.models.generate_content(**contents())


def by_google_with_timeout() -> Any:
    with genai.Client(api_key="k", http_options=types.HttpOptions(timeout=5000)) as client:
        return client.models.generate_content(**contents())


SDKS: Mapping[str, Sdk] = {
    "anthropic": Sdk(ANTHROPIC_MESSAGES, by_anthropic, by_anthropic_async),
    "google-genai": Sdk(GEMINI, by_google, by_google_async),
    "openai-responses": Sdk(RESPONSES, by_responses, by_responses_async),
}
CASES = [(name, fault.row.id) for name, sdk in SDKS.items() for fault in sdk.faults()]
STATUSES = (400, 401, 402, 403, 404, 405, 408, 409, 412, 413, 418, 422, 425, 429, 431, 451, 499, 500, 501, 502, 503, 504, 520, 529)


def good(dialect: Dialect, request: WireRequest, *, calls: bool) -> Good:
    """The good answer, a second after the request: text, or a tool call."""
    answer = Answer(
        content=None if calls else TEXT,
        calls=(Called("toolu_1", "get_weather", '{"city":"Paris","days":3}'),) if calls else (),
        finish="tool_calls" if calls else "stop",
        usage=Usage(12, 7, 19),
        model=dialect.model(request, json.loads(request.body)),
        created=1_700_000_000,
        serial=1,
    )
    return put(dialect, answer, request, {}, latency=1.0)


@dataclass
class Seen:
    """What one call of the SDK came to."""

    outcome: Any
    waits: list[float]
    tries: int
    escaped: list[str]


def play(sdk: Sdk, fault: Fault | None, *, call: Ask | None = None, calls: bool | None = None) -> Seen:
    """One call of the SDK, the fault at every request."""
    wanted = calls if calls is not None else fault is not None and fault.row.answer == "tool_calls"
    began: list[float] = []
    ended: list[float] = []
    with Simulation(seed=7, cap=1e6, watchdog=20.0) as simulation:

        def handler(request: WireRequest) -> tuple[Exchange, Callable[[End], None]]:
            began.append(simulation.now)
            whole = good(sdk.dialect, request, calls=wanted)
            exchange = fault.answer(request) if isinstance(fault, Replaces) else whole.exchange
            if isinstance(fault, Spoils):
                exchange = whole.spoiled(fault)
            return exchange, lambda _: ended.append(simulation.now)

        with armed(handler) as watch:
            try:
                outcome = simulation.settle((call or sdk.call)())
            except (Exception, TimeCapReached) as error:  # noqa: BLE001 - the exception is the outcome
                outcome = error
    waits = [round(start - end, 3) for start, end in zip(began[1:], ended, strict=False)]
    return Seen(outcome, waits, len(began), watch.escaped)


def described(seen: Seen) -> dict[str, Any]:
    """The outcome in the golden file's words."""
    outcome = seen.outcome
    if isinstance(outcome, TimeCapReached):
        return {"waits": "for ever", "tries": seen.tries}
    if isinstance(outcome, BaseException):
        cause = type(outcome.__cause__).__name__ if outcome.__cause__ else ""
        words = {"raises": type(outcome).__name__} | ({"because": cause} if cause else {})
    else:
        words = {"returns": type(outcome).__name__}
    backoff = all(0.375 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(seen.waits))
    waits: Any = "backoff" if backoff and seen.waits else [round(wait, 1) if wait > 1 else wait for wait in seen.waits]
    return words | {"tries": seen.tries} | ({"waits": waits} if seen.waits else {})


def golden(name: str, part: str, key: str, now: Any) -> Any:
    """What the golden file says; with UPDATE_GOLDEN it is told what is so now."""
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.setdefault(name, {}).setdefault(part, {})[key] = now
        PATH.write_text(json.dumps(GOLDEN, indent=1, ensure_ascii=False) + "\n")
    return GOLDEN[name][part].get(key)


@pytest.mark.parametrize(("name", "fault"), CASES)
def test_the_sdk_takes_the_fault_as_measured(name: str, fault: str) -> None:
    seen = play(SDKS[name], all_faults()[fault]())
    now = described(seen)
    assert now == golden(name, "measured", fault, now)
    assert seen.escaped == []


@pytest.mark.parametrize("name", SDKS)
def test_the_measurements_cover_the_whole_catalogue_of_the_wire(name: str) -> None:
    assert sorted(GOLDEN[name]["measured"]) == sorted(fault.row.id for fault in SDKS[name].faults())


@pytest.mark.parametrize("name", SDKS)
def test_without_a_fault_the_sdk_gets_its_answer_at_the_first_try(name: str) -> None:
    assert described(play(SDKS[name], None))["tries"] == 1


UNHARMED = {"body_bom", "body_leading_whitespace", "net_slow_drip_body"}
"""What leaves the answer as it is."""


def shown(outcome: Any) -> Any:
    """What an agent can read off the outcome."""
    return outcome.model_dump(exclude={"sdk_http_response"}, warnings=False) if hasattr(outcome, "model_dump") else outcome


RETURNING = [(name, fault) for name in SDKS for fault, seen in GOLDEN[name].get("measured", {}).items() if "returns" in seen]


@pytest.mark.parametrize(("name", "fault"), RETURNING)
def test_what_the_sdk_hands_out_without_an_error_shows_the_fault(name: str, fault: str) -> None:
    sdk, made = SDKS[name], all_faults()[fault]()
    whole = play(sdk, None, calls=made.row.answer == "tool_calls")
    assert (repr(shown(play(sdk, made).outcome)) == repr(shown(whole.outcome))) == (fault in UNHARMED)


def test_a_failed_response_raises_nothing_and_tells_it_in_its_status() -> None:
    failed = play(SDKS["openai-responses"], all_faults()["responses_status_failed"]()).outcome
    assert (failed.status, failed.error.code, failed.output, failed.output_text) == ("failed", "server_error", [], "")


SPOT_CHECKED = ("http_401_revoked_key", "http_429_rate", "http_500", "http_503", "http_529_overloaded", "content_null", "usage_missing")


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # google-genai's own way with aiohttp
@pytest.mark.parametrize("fault", [*SPOT_CHECKED, None])
@pytest.mark.parametrize("name", SDKS)
def test_the_async_client_takes_it_likewise(name: str, fault: str | None) -> None:
    sdk, made = SDKS[name], all_faults()[fault]() if fault else None
    assert described(play(sdk, made, call=sdk.call_async)) == described(play(sdk, made))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", [*SDKS, "google-genai with retries"])
def test_the_sdk_takes_each_status_as_measured(name: str, status: int) -> None:
    sdk = SDKS[name.partition(" ")[0]]
    seen = play(sdk, ServerError(status=status), call=by_google_with_retries if "retries" in name else None)
    now = [type(seen.outcome).__name__, seen.tries]
    assert now == golden(name, "statuses", str(status), now)


SILENT = [name for name, seen in GOLDEN["google-genai"].get("measured", {}).items() if seen.get("waits") == "for ever"]


@pytest.mark.parametrize("fault", SILENT)
def test_google_genai_gives_up_waiting_only_if_it_is_given_a_timeout(fault: str) -> None:
    now = described(play(SDKS["google-genai"], all_faults()[fault](), call=by_google_with_timeout))
    assert now == golden("google-genai", "with a timeout of 5 s", fault, now)
