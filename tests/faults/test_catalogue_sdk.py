"""Each fault of the wire, played to the real OpenAI SDK: what it raises or hands out, how often it tries, and how long it waits.

The expectations stand in `golden/catalogue.json` under `openai`, with the SDK's version. They agree with what the wire catalogue measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from agentlab_faults.catalogue import select
from agentlab_faults.dialects import CHAT, Answer, Usage
from agentlab_faults.exchange import Exchange, Timeouts, WireRequest
from agentlab_faults.fault import Fault, Replaces, Spoils, all_faults
from agentlab_faults.intercept import End, armed, install
from agentlab_faults.script import Called
from agentlab_faults.serving import Good, put
from agentlab_faults.sim import Simulation

install()

GOLDEN = json.loads((Path(__file__).parent / "golden" / "catalogue.json").read_text())
ON_THE_WIRE = [
    fault
    for fault in select(["*"])
    if fault.row.boundary in ("network", "provider-http", "content") and (fault.row.apis is None or CHAT.api in fault.row.apis)
]
IDS = [fault.row.id for fault in ON_THE_WIRE]
OFFERED: Any = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}]
TEXT = "It is 18 degrees in Paris."
ARGUMENTS = '{"city": "Paris", "days": 3}'


def good(request: WireRequest, *, calls: bool) -> Good:
    """The good answer, a second after the request: text, or a tool call."""
    answer = Answer(
        content=None if calls else TEXT,
        calls=(Called("call_1", "get_weather", ARGUMENTS),) if calls else (),
        finish="tool_calls" if calls else "stop",
        usage=Usage(12, 7, 19),
        model="gpt-4o-mini",
        created=1_700_000_000,
        serial=1,
    )
    return put(CHAT, answer, request, {}, latency=1.0)


@dataclass
class Seen:
    """What one call of the SDK came to."""

    outcome: Any
    waits: list[float]
    tries: int
    seconds: float
    escaped: list[str]


def play(fault: Fault | None, *, asynchronous: bool = False, calls: bool | None = None) -> Seen:
    """One `chat.completions.create` with the SDK's defaults, the fault at every request."""
    wanted = calls if calls is not None else fault is not None and fault.row.answer == "tool_calls"
    began: list[float] = []
    ended: list[float] = []
    with Simulation(seed=7, cap=1e6, watchdog=20.0) as simulation:

        def handler(request: WireRequest) -> tuple[Exchange, Callable[[End], None]]:
            began.append(simulation.now)
            exchange = good(request, calls=wanted).exchange
            if isinstance(fault, Replaces):
                exchange = fault.answer(request)
            elif isinstance(fault, Spoils):
                exchange = good(request, calls=wanted).spoiled(fault)
            return exchange, lambda _: ended.append(simulation.now)

        with armed(handler) as watch:
            outcome = asked(simulation, asynchronous=asynchronous)
    waits = [round(start - end, 3) for start, end in zip(began[1:], ended, strict=False)]
    return Seen(outcome, waits, len(began), round(simulation.now, 3), watch.escaped)


def asked(simulation: Simulation, *, asynchronous: bool) -> Any:
    """What the call returned, or the exception that it raised."""
    request: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Weather?"}], "tools": OFFERED}

    async def ask() -> Any:
        async with openai.AsyncOpenAI(api_key="sk-test") as client:
            return await client.chat.completions.create(**request)

    try:
        if asynchronous:
            return simulation.settle(ask())
        with openai.OpenAI(api_key="sk-test") as client:
            return client.chat.completions.create(**request)
    except Exception as error:  # noqa: BLE001 - the exception is the outcome
        return error


def described(seen: Seen) -> dict[str, Any]:
    """The outcome in the golden file's words."""
    outcome = seen.outcome
    if isinstance(outcome, Exception):
        cause = type(outcome.__cause__).__name__ if outcome.__cause__ else ""
        words = {"raises": type(outcome).__name__} | ({"because": cause} if cause else {})
    else:
        words = {"returns": type(outcome).__name__}
    backoff = all(0.375 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(seen.waits))
    waits: Any = "backoff" if backoff and seen.waits else [round(wait, 1) if wait > 1 else wait for wait in seen.waits]
    return words | {"tries": seen.tries} | ({"waits": waits} if seen.waits else {})


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("fault", ON_THE_WIRE, ids=IDS)
def test_the_sdk_takes_the_fault_as_measured(fault: type[Fault], *, asynchronous: bool) -> None:
    seen = play(fault(), asynchronous=asynchronous)
    assert described(seen) == GOLDEN["openai"]["measured"][fault.row.id]
    assert seen.escaped == []


def test_a_gateways_budget_is_retried_where_the_gateway_calls_it_a_rate() -> None:
    budget = all_faults()["http_400_gateway_budget"]
    older, newer = play(budget()), play(budget(status=429))
    assert described(older) == {"raises": "BadRequestError", "tries": 1}
    assert described(newer) == {"raises": "RateLimitError", "tries": 3, "waits": "backoff"}
    assert (older.outcome.type, newer.outcome.type) == ("budget_exceeded", "budget_exceeded")


@pytest.mark.parametrize("code", ["content_policy_violation", "content_filter"], ids=["OpenAI", "Azure"])
def test_a_filtered_prompt_tells_its_code_and_azure_the_reason_within(code: str) -> None:
    seen = play(all_faults()["http_400_content_filter"](code=code))
    assert described(seen) == {"raises": "BadRequestError", "tries": 1}
    assert seen.outcome.code == code
    inner = seen.outcome.body.get("innererror")
    assert (inner and inner["code"]) == (None if code == "content_policy_violation" else "ResponsibleAIPolicyViolation")


def test_without_a_fault_the_sdk_gets_its_answer_at_the_first_try() -> None:
    assert described(play(None)) == {"returns": "ChatCompletion", "tries": 1}


def test_the_measurements_cover_the_whole_catalogue_of_the_wire() -> None:
    assert sorted(GOLDEN["openai"]["measured"]) == sorted(IDS)
    assert GOLDEN["openai"]["differs_from_the_wire_catalogue"] == {}


def message(outcome: Any) -> Any:
    return outcome.choices[0].message


def arguments(outcome: Any) -> Any:
    return message(outcome).tool_calls[0].function.arguments


def unparsable(outcome: Any) -> bool:
    try:
        json.loads(arguments(outcome))
    except ValueError:
        return True
    return False


SHOWN: dict[str, Callable[[Any], bool]] = {
    "body_bom": lambda got: message(got).content == TEXT,
    "body_leading_whitespace": lambda got: message(got).content == TEXT,
    "net_slow_drip_body": lambda got: message(got).content == TEXT,
    "body_empty_object": lambda got: got.choices is None,
    "body_empty_text_ct": lambda got: got == "",
    "body_error_in_200": lambda got: got.choices is None and got.error["code"] == 502,
    "body_10mb": lambda got: message(got).content.startswith(TEXT) and len(message(got).content) == 10_000_000 + len(TEXT),
    "body_html_200": lambda got: "<form" in got,
    "body_json_null_array_string": lambda got: got is None,
    "body_lone_surrogate": lambda got: message(got).content.endswith("\ud83d"),
    "body_nan": lambda got: math.isnan(got.usage.total_tokens),
    "body_nul_char": lambda got: message(got).content.endswith("\x00"),
    "clock_skew_created": lambda got: got.created > 1_730_000_000,
    "content_empty_choices": lambda got: got.choices == [],
    "content_finish_filter": lambda got: (message(got).content, got.choices[0].finish_reason) == ("", "content_filter"),
    "content_finish_length": lambda got: (message(got).content, got.choices[0].finish_reason) == (TEXT[:13], "length"),
    "content_message_null": lambda got: message(got) is None,
    "content_null": lambda got: message(got).content is None and not message(got).tool_calls,
    "content_refusal": lambda got: message(got).content is None and bool(message(got).refusal),
    "content_stop_unknown": lambda got: got.choices[0].finish_reason is None,
    "content_wrong_type": lambda got: isinstance(message(got).content, list),
    "model_mismatch": lambda got: got.model == "tiny-chat-1b",
    "think_tags_leak": lambda got: message(got).content.startswith("<think>") and message(got).content.endswith(TEXT),
    "tool_args_double_encoded": lambda got: json.loads(arguments(got)) == ARGUMENTS,
    "tool_args_dup_keys": lambda got: arguments(got).count('"days"') == 2 and json.loads(arguments(got))["days"] == 31,
    "tool_args_empty": unparsable,
    "tool_args_fenced": unparsable,
    "tool_args_nan_inf": lambda got: math.isnan(json.loads(arguments(got))["days"]),
    "tool_args_not_object": lambda got: arguments(got) == json.loads(ARGUMENTS),
    "tool_args_prose": unparsable,
    "tool_args_python_literals": unparsable,
    "tool_args_single_quotes": unparsable,
    "tool_args_trailing_comma": unparsable,
    "tool_args_truncated": unparsable,
    "tool_args_two_objects": unparsable,
    "tool_args_wrong_types": lambda got: json.loads(arguments(got)) == {"city": ["Paris"], "days": [3]},
    "tool_dup_call_ids": lambda got: [call.id for call in message(got).tool_calls] == ["call_1", "call_1"],
    "tool_finish_mismatch": lambda got: got.choices[0].finish_reason == "stop" and bool(message(got).tool_calls),
    "tool_many_parallel": lambda got: len({call.id for call in message(got).tool_calls}) == 128,
    "tool_missing_function": lambda got: not hasattr(message(got).tool_calls[0], "function") or message(got).tool_calls[0].function is None,
    "tool_missing_id": lambda got: getattr(message(got).tool_calls[0], "id", None) is None,
    "tool_unknown_name": lambda got: message(got).tool_calls[0].function.name == "functions.get_weather",
    "usage_bogus": lambda got: got.usage.total_tokens == -1,
    "usage_missing": lambda got: got.usage is None,
    "usage_zero": lambda got: got.usage.total_tokens == 0,
}
UNHARMED = {"body_bom", "body_leading_whitespace", "net_slow_drip_body"}


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_what_the_sdk_hands_out_without_an_error_shows_the_fault(name: str) -> None:
    fault = all_faults()[name]()
    calls = fault.row.answer == "tool_calls"
    assert SHOWN[name](play(fault).outcome)
    assert SHOWN[name](play(None, calls=calls).outcome) == (name in UNHARMED)


def test_every_fault_that_raises_nothing_is_shown() -> None:
    assert sorted(SHOWN) == sorted(name for name, seen in GOLDEN["openai"]["measured"].items() if "returns" in seen)


@pytest.mark.parametrize("name", sorted(UNHARMED))
def test_a_fault_that_leaves_the_answer_as_it_is_changes_its_bytes_or_its_time(name: str) -> None:
    request = WireRequest("httpx2", "POST", "https://x/v1", "x", "/v1", {}, b"{}", Timeouts(), sync=True)
    fault = all_faults()[name]()
    assert isinstance(fault, Spoils)
    whole = good(request, calls=False)
    changed = whole.spoiled(fault)
    assert (changed.content, changed.seconds) != (whole.exchange.content, whole.exchange.seconds)
