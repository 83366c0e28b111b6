"""Every fault in every wire API, in one piece and streamed: where its row says that it acts, the client can tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agentlab_faults.catalogue import select
from agentlab_faults.dialects import DIALECTS, Answer, Dialect, Usage
from agentlab_faults.exchange import Exchange, Timeouts, WireRequest
from agentlab_faults.fault import Fault, Replaces, Spoils
from agentlab_faults.intercept import classify
from agentlab_faults.script import Called
from agentlab_faults.serving import Good, put

PATHS = {
    "openai.chat": "/v1/chat/completions",
    "openai.responses": "/v1/responses",
    "anthropic.messages": "/v1/messages",
    "gemini.generate": "/v1/models/gemini-2.5-flash:generateContent",
    "gemini.stream": "/v1/models/gemini-2.5-flash:streamGenerateContent",
}
BODIES: dict[str, dict[str, Any]] = {
    "openai.responses": {"model": "m", "input": "Weather?"},
    "gemini.generate": {"contents": [{"parts": [{"text": "Weather?"}]}]},
    "gemini.stream": {"contents": [{"parts": [{"text": "Weather?"}]}]},
}
PLAIN = {"model": "m", "messages": [{"role": "user", "content": "Weather?"}], "stream_options": {"include_usage": True}}
PLACES = [(api, stream) for api in PATHS for stream in (False, True) if not api.startswith("gemini") or stream == (api == "gemini.stream")]
FAULTS = [fault for fault in select(["*"]) if fault.row.boundary in ("network", "provider-http", "content", "stream")]


def request_to(api: str, *, stream: bool) -> WireRequest:
    body = BODIES.get(api, PLAIN) | ({} if api.startswith("gemini") else {"stream": stream})
    content, path = json.dumps(body).encode(), PATHS[api]
    return WireRequest("httpx2", "POST", f"https://x{path}?alt=sse", "x", path, {}, content, Timeouts(), sync=True)


def good(dialect: Dialect, request: WireRequest, *, calls: bool) -> Good:
    answer = Answer(
        content=None if calls else "It is 18 degrees in Paris.",
        calls=(Called("call_1", "get_weather", '{"city":"Paris","days":3}'),) if calls else (),
        finish="tool_calls" if calls else "stop",
        usage=Usage(12, 7, 19),
        model="some-model",
        created=1_700_000_000,
        serial=1,
    )
    return put(dialect, answer, request, json.loads(request.body), latency=1.0)


def told(exchange: Exchange) -> Any:
    """What a client can tell of an exchange."""
    return exchange.status, exchange.headers, exchange.content, exchange.seconds, exchange.intact, len(exchange.body)


@pytest.mark.parametrize(("api", "stream"), PLACES)
def test_the_path_leads_to_the_api_and_its_way(api: str, *, stream: bool) -> None:
    request = request_to(api, stream=stream)
    endpoint = classify(request)
    assert endpoint is not None
    assert endpoint.api == api
    assert DIALECTS[api].streams(request, json.loads(request.body)) == stream


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.row.id)
@pytest.mark.parametrize(("api", "stream"), PLACES)
def test_a_fault_acts_wherever_it_is_offered(fault: type[Fault], api: str, *, stream: bool) -> None:
    dialect, request = DIALECTS[api], request_to(api, stream=stream)
    for calls in (False, True):
        if not fault.row.acts_on(dialect.api, calls_tools=calls, streamed=stream):
            continue
        whole, made = good(dialect, request, calls=calls), fault()
        if isinstance(made, Replaces):
            struck = made.answer(request)
        else:
            assert isinstance(made, Spoils)
            struck = whole.spoiled(made)
        assert told(struck) != told(whole.exchange)


ERRORS = [
    ("http_400_context_length", "anthropic.messages", 400, "invalid_request_error", "prompt is too long: 215000 tokens > 200000 maximum"),
    ("http_400_credit_low", "anthropic.messages", 400, "invalid_request_error", "Your credit balance is too low"),
    ("http_401_revoked_key", "anthropic.messages", 401, "authentication_error", "invalid x-api-key"),
    ("http_402_payment", "anthropic.messages", 402, "billing_error", "Billing problem on the account."),
    ("http_403", "anthropic.messages", 403, "permission_error", "does not have permission"),
    ("http_404_model_gone", "anthropic.messages", 404, "not_found_error", "model: m"),
    ("http_408", "anthropic.messages", 408, "timeout_error", "Request timed out."),
    ("http_413", "anthropic.messages", 413, "request_too_large", "Request exceeds the maximum size"),
    ("http_429_rate", "anthropic.messages", 429, "rate_limit_error", "would exceed your organization's rate limit"),
    ("http_500", "anthropic.messages", 500, "api_error", "Internal server error"),
    ("http_504", "anthropic.messages", 504, "timeout_error", "Request timed out"),
    ("http_529_overloaded", "anthropic.messages", 529, "overloaded_error", "Overloaded"),
    ("http_400_context_length", "gemini.generate", 400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds"),
    ("http_400_tool_schema", "gemini.generate", 400, "INVALID_ARGUMENT", "should be non-empty for OBJECT type"),
    ("http_401_revoked_key", "gemini.generate", 401, "UNAUTHENTICATED", "invalid authentication credentials"),
    ("http_403", "gemini.generate", 403, "PERMISSION_DENIED", "Permission denied on resource project."),
    ("http_404_model_gone", "gemini.generate", 404, "NOT_FOUND", "models/gemini-2.5-flash is not found for API version"),
    ("http_429_rate", "gemini.generate", 429, "RESOURCE_EXHAUSTED", "You exceeded your current quota"),
    ("http_499", "gemini.generate", 499, "CANCELLED", "The operation was cancelled."),
    ("http_500", "gemini.stream", 500, "INTERNAL", "An internal error has occurred."),
    ("http_503", "gemini.stream", 503, "UNAVAILABLE", "The model is overloaded."),
    ("http_504", "gemini.generate", 504, "DEADLINE_EXCEEDED", "Deadline expired"),
    ("http_400_context_length", "openai.responses", 400, "invalid_request_error", "exceeds the context window of this model"),
    ("http_429_rate", "openai.chat", 429, "tokens", "Rate limit reached for m in organization"),
]


@pytest.mark.parametrize(("name", "api", "status", "kind", "words"), ERRORS)
def test_an_error_speaks_the_language_of_the_api_that_was_called(name: str, api: str, status: int, kind: str, words: str) -> None:
    [fault] = select([name])
    made = fault()
    assert isinstance(made, Replaces)
    exchange = made.answer(request_to(api, stream=api == "gemini.stream"))
    error = json.loads(exchange.content)["error"]
    assert (exchange.status, error.get("status") or error["type"]) == (status, kind)
    assert words in error["message"]


def test_codes_and_details_tell_what_the_status_does_not() -> None:
    def error(name: str, api: str) -> Any:
        [fault] = select([name])
        made = fault()
        assert isinstance(made, Replaces)
        return json.loads(made.answer(request_to(api, stream=False)).content)["error"]

    assert error("http_429_slow_down", "anthropic.messages")["details"] == {"error_code": "ramp_limit_exceeded"}
    assert error("http_429_spend_limit", "anthropic.messages")["details"] == {"error_code": "enforced_spend_limit_reached"}
    assert error("http_400_api_key_invalid", "gemini.generate")["details"][0]["reason"] == "API_KEY_INVALID"
    [daily, _, again] = error("http_429_daily_quota", "gemini.generate")["details"]
    assert "PerDay" in daily["violations"][0]["quotaId"]
    assert again["retryDelay"] == "22s"
    assert "PerMinute" in error("http_429_rate", "gemini.generate")["details"][0]["violations"][0]["quotaId"]


def test_what_somebody_set_holds_for_every_provider() -> None:
    [fault] = select(["http_503"])
    for api in PATHS:
        made = fault.model_validate({"message": "Closed on Sundays."})
        assert isinstance(made, Replaces)
        exchange = made.answer(request_to(api, stream=api == "gemini.stream"))
        assert json.loads(exchange.content)["error"]["message"] == "Closed on Sundays."
