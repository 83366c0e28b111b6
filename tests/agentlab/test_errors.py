"""Each fault of the wire through each real SDK: its category, whether it may have run, and how long it asks to be left alone.

The expectations stand in `golden/errors.json`. After a change of the catalogue or of an SDK: `UPDATE_GOLDEN=1 pytest
tests/agentlab/test_errors.py`, then read the diff. The category is the catalogue's, but for what stands in DIFFERS.
"""

from __future__ import annotations

import gc
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agentlab_faults import Setup, Talk, play
from agentlab_faults.catalogue import select, singles
from agentlab_faults.exchange import Exchange
from agentlab_faults.script import Call, Say, ScriptSpec

from agentlab.classify import classify
from agentlab.client import ModelClient
from agentlab.models import Request
from agentlab.retry_after import retry_after

from .conftest import Wire
from .talking import APIS, MODELS

GOLDEN = Path(__file__).parent / "golden" / "errors.json"
BOUNDARIES = ("network", "provider-http", "content")
TOOL = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}}}
SCRIPTS = (ScriptSpec(turns=(Call((("look", {}),)), Say("Done."))), ScriptSpec(turns=(Say("There are 3 apples."),)))

DIFFERS: dict[str, tuple[str, str]] = {
    "body_10mb": ("transient", "an answer longer than its own maximum is garbage, and no smaller request would help"),
    "content_pause_turn": ("transient", "only the provider's own tools make a model pause, and none is offered"),
    "net_huge_header": ("transient", "another server behind the same name may do better; the retries are bounded"),
    "net_tls_plain_http_port": ("transient", "nothing tells it from a connection that takes too long"),
    "x_should_retry_true": ("permanent", "a 400 is a 400; that it may be tried again all the same is `should_retry`"),
}
"""Faults that are told otherwise than the catalogue says: the category, and why."""


def told(error: Exception) -> list[Any]:
    found, wait = classify(error), retry_after(error)
    waits = None if wait is None else "for ever" if math.isinf(wait) else round(wait, 2)
    return [found.category, "unknown" if found.outcome_unknown else "known", waits]


def measured(api: str) -> dict[str, list[Any]]:
    """Every fault that raises, by its name."""
    gc.collect()  # what other tests left would be closed in the depths of an answer that is nested too deeply
    found: dict[str, list[Any]] = {}
    faults = [fault for fault in select(["*"]) if fault.row.boundary in BOUNDARIES]

    def conversation(talk: Talk) -> None:
        client = ModelClient(MODELS[api])
        request = Request(messages=[{"role": "user", "content": "How many apples?"}], tools=[TOOL])
        talk.turn("How many apples?")
        try:
            talk.reply(talk.settle(client.ask(request, seconds=20.0, at_most=21.0, max_tokens=1024)).text)
        except Exception as error:  # noqa: BLE001  # whatever it is
            talk.reply(error)
        talk.settle(client.aclose())

    for script in SCRIPTS:
        setup = Setup(scripts=(script,), prompts=("How many apples?",), deadline=60.0)
        clean = play(conversation, setup)
        for schedule in singles(clean.points, faults):
            (injection,) = schedule.injections
            if injection.shape == "once":
                (reply,) = play(conversation, setup, schedule, clean=clean.clean).replies
                if isinstance(reply, Exception):
                    found[injection.fault.row.id] = told(reply)
    return dict(sorted(found.items()))


@pytest.mark.parametrize("api", APIS)
def test_each_fault_is_told_for_what_it_is(api: str) -> None:
    found = measured(api)
    if os.environ.get("UPDATE_GOLDEN"):
        kept = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
        lines = {name: found if name == api else kept.get(name, {}) for name in APIS}
        GOLDEN.write_text(json.dumps(lines, indent=1).replace("\n   ", " ").replace("\n  ]", "]") + "\n")
    assert found == json.loads(GOLDEN.read_text())[api]
    rows = {fault.row.id: fault.row for fault in select(["*"])}
    wrong = {name: (category, rows[name].category) for name, (category, _, _) in found.items() if category != rows[name].category}
    assert wrong == {name: (category, rows[name].category) for name, (category, _) in DIFFERS.items() if name in found}


def openai(message: str, kind: str | None = None, code: Any = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str, code: str | None = None) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message, **({"details": {"error_code": code}} if code else {})}}


def google(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


def quota(unit: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": f"GenerateRequestsPer{unit}PerProject"}]}


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}
USED_UP = "You exceeded your current quota, please check your plan and billing details."
BODIES: tuple[tuple[str, int, Any, dict[str, str], str, float | None], ...] = (
    # the api, the status, the body, headers, what it is, and for how many seconds it asks to be left alone
    ("openai-chat", 429, openai(USED_UP, "insufficient_quota", "insufficient_quota"), {}, "budget", None),
    ("openai-chat", 429, openai(USED_UP, "insufficient_quota", "credit_balance_exhausted"), {}, "budget", None),
    ("openai-chat", 429, openai(USED_UP, "insufficient_quota", "project_spend_limit_exceeded"), {}, "budget", None),
    ("openai-chat", 429, openai("Traffic is increasing too quickly.", "rate_limit_error", "slow_down"), {}, "rate_limit", None),
    ("openai-chat", 429, openai("Please try again in 120ms.", "requests", "rate_limit_exceeded"), {}, "rate_limit", 0.12),
    ("openai-chat", 429, openai("Please try again in 1m3.5s.", "tokens", "rate_limit_exceeded"), {}, "rate_limit", 63.5),
    ("openai-chat", 429, openai("Slow."), {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, "rate_limit", 360),
    ("openai-chat", 429, openai("Slow."), {"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m0s"}, "rate_limit", None),
    ("openai-chat", 429, openai("Slow."), {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000030000"}, "rate_limit", 30),
    ("openai-chat", 429, openai("Slow."), {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000031"}, "rate_limit", 31),
    ("openai-chat", 429, openai("Slow."), {"retry-after": "3", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}, "rate_limit", 3),
    ("openai-chat", 429, openai("Budget has been exceeded! Max budget: 10.0", "budget_exceeded", "429"), {}, "budget", None),
    ("openai-chat", 400, openai("Budget has been exceeded! Max budget: 10.0", "budget_exceeded", "400"), {}, "budget", None),
    ("openai-chat", 429, openai("litellm.RateLimitError", "throttling_error", "429"), {}, "rate_limit", None),
    ("openai-chat", 402, openai("Insufficient Balance", "unknown_error", "invalid_request_error"), {}, "budget", None),
    ("openai-chat", 402, {"error": {"code": 402, "message": "Insufficient credits."}}, {}, "budget", None),
    ("openai-chat", 502, {"error": {"code": 502, "message": "Provider returned error"}}, {}, "transient", None),
    ("openai-chat", 400, {"object": "error", "message": "maximum context length", "code": 400}, {}, "context", None),
    ("openai-chat", 400, openai("Safety.", "invalid_request_error", "content_policy_violation"), {}, "content_filter", None),
    ("openai-chat", 400, openai("No result.", "invalid_request_error"), {}, "permanent", None),
    ("openai-chat", 403, openai("Country not supported", "request_forbidden", "unsupported_country_region_territory"), {}, "auth", None),
    ("openai-chat", 404, openai("Deprecated.", "invalid_request_error", "model_not_found"), {}, "permanent", None),
    ("openai-chat", 409, openai("Busy.", "invalid_request_error", "conflict"), {}, "transient", None),
    ("openai-chat", 503, openai("Busy.", "service_unavailable_error", "server_is_overloaded"), {"retry-after": "12"}, "transient", 12),
    ("openai-responses", 400, openai("Too long.", "invalid_request_error", "context_length_exceeded"), {}, "context", None),
    ("anthropic", 400, anthropic("invalid_request_error", "Your credit balance is too low to access the API."), {}, "budget", None),
    ("anthropic", 400, anthropic("invalid_request_error", "prompt is too long: 215000 tokens > 200000 maximum"), {}, "context", None),
    ("anthropic", 400, anthropic("invalid_request_error", "`max_tokens` exceed context limit: 1 + 2 > 2"), {}, "context", None),
    ("anthropic", 400, anthropic("invalid_request_error", "`tool_use` ids were found without `tool_result`"), {}, "permanent", None),
    ("anthropic", 402, anthropic("billing_error", "Limit.", "linked_organization_spend_limit_reached"), {}, "budget", None),
    ("anthropic", 413, anthropic("request_too_large", "Request exceeds the maximum size"), {}, "context", None),
    ("anthropic", 429, anthropic("rate_limit_error", "Limit.", "enforced_spend_limit_reached"), {}, "budget", None),
    ("anthropic", 429, anthropic("rate_limit_error", "Too fast.", "ramp_limit_exceeded"), {}, "rate_limit", None),
    (
        "anthropic", 429, anthropic("rate_limit_error", "Limit."),
        {"anthropic-ratelimit-input-tokens-remaining": "0", "anthropic-ratelimit-input-tokens-reset": "2023-11-14T22:14:05Z"},
        "rate_limit", 45,
    ),
    ("anthropic", 504, anthropic("timeout_error", "Timed out"), {}, "transient", None),
    ("anthropic", 529, anthropic("overloaded_error", "Overloaded"), {}, "transient", None),
    ("google", 400, google(400, "INVALID_ARGUMENT", "API key not valid.", {"reason": "API_KEY_INVALID"}), {}, "auth", None),
    ("google", 400, google(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum"), {}, "context", None),
    ("google", 400, google(400, "FAILED_PRECONDITION", "User location is not supported"), {}, "permanent", None),
    ("google", 404, google(404, "NOT_FOUND", "models/x is not found"), {}, "permanent", None),
    ("google", 429, google(429, "RESOURCE_EXHAUSTED", USED_UP, quota("Minute"), RETRY_INFO), {}, "rate_limit", 34.07),
    ("google", 429, google(429, "RESOURCE_EXHAUSTED", f"{USED_UP} Please retry in 34.07s.", quota("Minute")), {}, "rate_limit", 34.07),
    ("google", 429, google(429, "RESOURCE_EXHAUSTED", USED_UP, quota("Day"), RETRY_INFO), {}, "budget", 34.07),
    ("google", 503, google(503, "UNAVAILABLE", "The model is overloaded."), {}, "transient", None),
    ("google", 429, [google(429, "RESOURCE_EXHAUSTED", USED_UP, quota("Minute"), RETRY_INFO)], {}, "rate_limit", 34.07),
)  # fmt: skip
HOSTS = {"anthropic": "api.anthropic.com", "google": "generativelanguage.googleapis.com"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("api", "status", "body", "headers", "category", "wait"), BODIES, ids=[f"{row[0]}-{row[1]}-{n}" for n, row in enumerate(BODIES)]
)
def test_a_providers_own_words_say_what_it_is(
    wire: Wire, api: str, status: int, body: Any, headers: dict[str, str], category: str, wait: float | None, stream: bool
) -> None:
    dated = (("date", "Tue, 14 Nov 2023 22:13:20 GMT"), ("content-type", "application/json"), *headers.items())
    wire.hosts[HOSTS.get(api, "api.openai.com")] = [Exchange(status, dated, (json.dumps(body).encode(),))]
    client = ModelClient(replace(MODELS[api], stream=stream))
    request = Request(messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(Exception) as raised:  # noqa: PT011  # each SDK's own
        wire.run(client.ask(request, seconds=8.0, at_most=9.0, max_tokens=100))
    wire.run(client.aclose())
    assert classify(raised.value).category == category
    assert retry_after(raised.value) == (None if wait is None else pytest.approx(wait))


IN_STREAM: tuple[tuple[str, bytes, str], ...] = (
    ("openai-chat", b'data: {"error": {"message": "x", "type": "server_error", "code": null}}\n\n', "transient"),
    ("openai-chat", b'data: {"error": {"message": "x", "type": "requests", "code": "rate_limit_exceeded"}}\n\n', "rate_limit"),
    ("openai-chat", b'data: {"error": {"message": "x", "type": "invalid_request_error", "code": null}}\n\n', "permanent"),
    ("openai-chat", b'data: {"error": {"message": "No credits", "code": 402}, "choices": []}\n\n', "budget"),
    ("openai-chat", b'data: {"error": "boom"}\n\n', "transient"),
    ("openai-responses", b'event: error\ndata: {"type": "error", "code": "insufficient_quota", "message": "x"}\n\n', "budget"),
    (
        "openai-responses",
        b'event: response.failed\ndata: {"type": "response.failed", "response": {"error": {"code": "server_error"}}}\n\n',
        "transient",
    ),
    (
        "openai-responses",
        b'event: response.failed\ndata: {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded"}}}\n\n',
        "rate_limit",
    ),
    ("anthropic", b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}\n\n', "transient"),
    ("anthropic", b'event: error\ndata: {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}\n\n', "rate_limit"),
    ("anthropic", b'event: error\ndata: {"type": "error", "error": {"type": "invalid_request_error", "message": "x"}}\n\n', "permanent"),
    ("google", b'data: {"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}}\n\n', "transient"),
    ("google", b'data: {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "x"}}\n\n', "rate_limit"),
    ("google", b'data: {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "x"}}\n\n', "permanent"),
)


@pytest.mark.parametrize(("api", "event", "category"), IN_STREAM, ids=[f"{row[0]}-{row[2]}-{n}" for n, row in enumerate(IN_STREAM)])
def test_an_error_in_the_middle_of_a_stream_is_told_by_its_words(wire: Wire, api: str, event: bytes, category: str) -> None:
    wire.hosts[HOSTS.get(api, "api.openai.com")] = [Exchange(200, (("content-type", "text/event-stream"),), (event,))]
    client = ModelClient(replace(MODELS[api], stream=True))
    with pytest.raises(Exception) as raised:  # noqa: PT011  # each SDK's own, or ours
        wire.run(client.ask(Request(messages=[{"role": "user", "content": "Hi"}]), seconds=8.0, at_most=9.0, max_tokens=100))
    wire.run(client.aclose())
    assert classify(raised.value).category == category
