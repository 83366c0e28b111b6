"""Laws of the faults that change an answer: they work on any answer they apply to, and what they break stays broken."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from agentlab_faults.catalogue import select
from agentlab_faults.catalogue.wire import encode, rebodied
from agentlab_faults.dialects import CHAT, Answer, Usage
from agentlab_faults.exchange import Exchange, Pause, Timeouts, WireRequest
from agentlab_faults.fault import Fault, Replaces, Served, Spoils, all_faults
from agentlab_faults.script import Called
from agentlab_faults.serving import put
from agentlab_faults.sim import Simulation
from hypothesis import example, given, settings
from hypothesis import strategies as st

SPOILERS = [
    fault
    for fault in select(["*"])
    if issubclass(fault, Spoils)
    and fault.row.streamed != "only"
    and fault.row.boundary != "semantic"
    and (fault.row.apis is None or CHAT.api in fault.row.apis)
]
"""What acts on answers in one piece; `test_catalogue_streams.py` and `test_catalogue_acts.py` have the rest."""
UNPARSABLE = ("truncated", "trailing_comma", "single_quotes", "prose", "fenced", "python_literals", "two_objects", "empty")

scalars = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
objects = st.dictionaries(st.text(max_size=8), scalars | st.lists(scalars, max_size=3), max_size=4)


def request(body: bytes = b'{"model": "gpt-4o-mini"}', **more: Any) -> WireRequest:
    fields: dict[str, Any] = {"timeouts": Timeouts(connect=5.0, read=600.0), "sync": True, **more}
    return WireRequest("httpx2", "POST", "https://api.x.com/v1", "api.x.com", "/v1", {}, body, **fields)


def served(text: str, arguments: str | None) -> Served:
    """A good answer: a tool call with these arguments, or the text."""
    calls = () if arguments is None else (Called("call_1", "t", arguments),)
    answer = Answer(
        content=text if arguments is None else None,
        calls=calls,
        finish="tool_calls" if calls else "stop",
        usage=Usage(1, 1, 2),
        model="m",
        created=1,
        serial=1,
    )
    return put(CHAT, answer, request(), {}, latency=1.0).served()


def spoilt(name: str, text: str = "Order 42: shipped", arguments: str | None = None, **fields: Any) -> Exchange:
    fault = all_faults()[name](**fields)
    assert isinstance(fault, Spoils)
    return fault.spoil(served(text, arguments))


def arguments_of(exchange: Exchange) -> Any:
    return json.loads(exchange.content)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]


@pytest.mark.parametrize("fault", SPOILERS, ids=[fault.row.id for fault in SPOILERS])
@settings(max_examples=30, deadline=None)
@given(text=st.text(min_size=1, max_size=40), values=objects)
def test_a_spoiler_changes_any_answer_that_it_applies_to(fault: type[Fault], text: str, values: dict[str, Any]) -> None:
    for arguments in (None, json.dumps(values)):
        if fault.row.answer not in ("any", "text" if arguments is None else "tool_calls"):
            continue
        good = served(text, arguments)
        kept = (good.exchange, good.exchange.content)
        spoiler = fault()
        assert isinstance(spoiler, Spoils)
        changed = spoiler.spoil(good)
        assert changed != good.exchange
        assert (good.exchange, good.exchange.content) == kept
        assert changed.before == good.exchange.before


@pytest.mark.parametrize("fault", SPOILERS, ids=[fault.row.id for fault in SPOILERS])
def test_a_whole_body_is_as_long_as_its_header_says(fault: type[Fault]) -> None:
    spoiler = fault()
    assert isinstance(spoiler, Spoils)
    changed = spoiler.spoil(served("Order 42: shipped", '{"id": 42}' if fault.row.answer == "tool_calls" else None))
    promised = [int(value) for name, value in changed.headers if name == "content-length"]
    if changed.intact and promised:
        assert promised == [len(changed.content)]
    assert len(promised) <= 1


@pytest.mark.parametrize("name", [f"tool_args_{name}" for name in UNPARSABLE])
@given(values=objects)
@example(values={"it's": 0})
def test_arguments_that_are_no_json_never_happen_to_be_some(name: str, values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        json.loads(arguments_of(spoilt(name, arguments=json.dumps(values))))


@given(values=objects)
def test_repeated_keys_are_there_for_whoever_looks(values: dict[str, Any]) -> None:
    pairs = json.loads(arguments_of(spoilt("tool_args_dup_keys", arguments=json.dumps(values))), object_pairs_hook=list)
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)) + 1
    first, last = [value for key, value in pairs if keys.count(key) == 2]
    assert first != last


@given(values=objects)
def test_nan_is_refused_by_a_parser_that_is_told_to(values: dict[str, Any]) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    with pytest.raises(ValueError, match="NaN"):
        json.loads(arguments_of(spoilt("tool_args_nan_inf", arguments=json.dumps(values))), parse_constant=refuse)


@pytest.mark.parametrize("name", [fault.row.id for fault in SPOILERS if fault.row.answer == "tool_calls"])
def test_a_fault_of_tool_calls_leaves_the_text_of_an_answer_alone(name: str) -> None:
    said = json.loads(spoilt(name).content)["choices"][0]["message"]["content"]
    assert said == "Order 42: shipped"


def test_the_same_seconds_lie_between_the_drops_of_a_slow_body() -> None:
    drip = spoilt("net_slow_drip_body", pieces=4, gap=20.0)
    pauses = [part.seconds for part in drip.body if isinstance(part, Pause)]
    assert (pauses, drip.content) == ([20.0] * 4, served("Order 42: shipped", None).exchange.content)


@pytest.mark.parametrize(
    ("name", "fields", "shows"),
    [
        ("content_empty_choices", {"choices": "null"}, lambda got: got["choices"] is None),
        ("content_empty_choices", {"choices": "missing"}, lambda got: "choices" not in got),
        ("content_wrong_type", {"content": "number"}, lambda got: got["choices"][0]["message"]["content"] == 42),
        ("content_stop_unknown", {"reason": "pondered"}, lambda got: got["choices"][0]["finish_reason"] == "pondered"),
        ("usage_bogus", {"count": "list"}, lambda got: got["usage"]["total_tokens"] == [1]),
        ("usage_bogus", {"count": "fraction"}, lambda got: got["usage"]["total_tokens"] == 3.5),
    ],
)
def test_a_setting_chooses_another_form_of_the_fault(name: str, fields: dict[str, Any], shows: Any) -> None:
    assert shows(json.loads(spoilt(name, **fields).content))
    assert not shows(json.loads(served("Order 42: shipped", None).exchange.content))


@pytest.mark.parametrize(
    ("name", "fields", "shows"),
    [
        ("tool_args_not_object", {"instead": "array"}, lambda call: call["function"]["arguments"] == [42]),
        ("tool_args_not_object", {"instead": "null"}, lambda call: call["function"]["arguments"] is None),
        ("tool_missing_id", {"id": "null"}, lambda call: call["id"] is None),
        ("tool_missing_id", {"id": "empty"}, lambda call: call["id"] == ""),
        ("tool_unknown_name", {"prefix": "my_"}, lambda call: call["function"]["name"] == "my_t"),
        ("tool_args_nan_inf", {"constant": "Infinity"}, lambda call: "Infinity" in call["function"]["arguments"]),
    ],
)
def test_a_setting_chooses_another_form_of_a_bad_call(name: str, fields: dict[str, Any], shows: Any) -> None:
    changed = json.loads(spoilt(name, arguments='{"id": 42}', **fields).content)
    assert shows(changed["choices"][0]["message"]["tool_calls"][0])


def test_the_same_call_can_come_twice_under_two_ids() -> None:
    changed = json.loads(spoilt("tool_dup_call_ids", arguments="{}", same_id=False).content)
    assert [call["id"] for call in changed["choices"][0]["message"]["tool_calls"]] == ["call_1", "call_1_again"]


def test_a_cut_call_can_say_that_the_limit_cut_it() -> None:
    changed = json.loads(spoilt("tool_args_truncated", arguments='{"id": 42}', finish="length").content)
    assert changed["choices"][0]["finish_reason"] == "length"


def test_206_has_all_of_the_body() -> None:
    changed = spoilt("http_204_206", status=206)
    assert (changed.status, changed.content) == (206, served("Order 42: shipped", None).exchange.content)


def answer(name: str, asked: WireRequest | None = None, **fields: Any) -> Exchange:
    fault = all_faults()[name](**fields)
    assert isinstance(fault, Replaces)
    return fault.answer(asked or request())


def test_an_error_names_the_model_and_the_tool_of_the_request() -> None:
    tools = [{"type": "function", "function": {"name": "refund"}}]
    asked = request(json.dumps({"model": "gpt-9", "tools": tools}).encode())
    assert "`gpt-9`" in json.loads(answer("http_404_model_gone", asked).content)["error"]["message"]
    assert "'refund'" in json.loads(answer("http_400_tool_schema", asked).content)["error"]["message"]


def test_a_request_that_is_no_json_is_refused_like_any_other() -> None:
    assert answer("http_404_model_gone", request(b"\xff")).status == 404


@pytest.mark.parametrize(
    ("name", "wait", "ahead"), [("retry_after_http_date", 8, 0), ("retry_after_date_past", -60, 0), ("retry_after_clock_skew", 5, 3600)]
)
def test_dates_are_told_by_the_virtual_clock_at_the_moment_of_the_strike(name: str, wait: int, ahead: int) -> None:
    with Simulation(seed=1, cap=100.0, watchdog=None):
        time.sleep(40)
        now = time.time()
        told = dict(answer(name).headers)
    assert parsedate_to_datetime(told["date"]).timestamp() == now + ahead
    assert parsedate_to_datetime(told["retry-after"]).timestamp() == now + ahead + wait


def test_a_client_without_a_connect_timeout_waits_for_tls_for_ever() -> None:
    assert answer("net_tls_plain_http_port", request(timeouts=Timeouts())).seconds == float("inf")
    assert answer("net_tls_plain_http_port").seconds == 5.0


@given(text=st.text(max_size=40), claims=st.booleans())
def test_an_unchanged_answer_is_the_very_same_exchange(text: str, claims: bool) -> None:
    exchange = served(text, None).exchange
    if claims:
        length = ("Content-Length", str(len(exchange.content)))
        exchange = exchange._replace(headers=(length, *exchange.headers, ("set-cookie", "a"), ("set-cookie", "b")))
    assert rebodied(exchange, encode(json.loads(exchange.content)), content_type="application/json") == exchange


def test_another_body_claims_its_own_length_where_a_length_is_claimed() -> None:
    chunked = served("x", None).exchange
    sized = chunked._replace(headers=(("Content-Length", "1"), *chunked.headers))
    assert rebodied(chunked, b"four").headers == chunked.headers
    assert rebodied(sized, b"four").headers == (("Content-Length", "4"), *chunked.headers)
    assert rebodied(sized, b"four", length=None).headers == chunked.headers
    assert rebodied(chunked, b"four", length=9).headers == (*chunked.headers, ("content-length", "9"))


@pytest.mark.parametrize("tools", [7, {"a": 1}, [], ["f"], [{"function": "f"}], [{"function": {"name": 1}}]])
def test_an_error_is_answered_to_any_list_of_tools(tools: Any) -> None:
    refused = all_faults()["http_400_tool_schema"]()
    assert isinstance(refused, Replaces)
    assert refused.answer(request(json.dumps({"model": "m", "tools": tools}).encode())).status == 400
