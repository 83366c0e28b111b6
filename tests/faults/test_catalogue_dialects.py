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
