"""Classification: total, stable, and in the order code, message, status, class."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any, get_args

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab.classify import classify
from agentlab.errors import Category, InvalidAnswerError
from agentlab.retry_after import retry_after

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
CODES = st.sampled_from(["insufficient_quota", "rate_limit_exceeded", "context_length_exceeded", "content_filter", "invalid_api_key", "x"])


class ApiError(Exception):
    """An error with whatever attributes an SDK may give it."""

    def __init__(self, message: str = "", **attributes: Any) -> None:
        super().__init__(message)
        self.__dict__.update(attributes)


class HostileError(Exception):
    """An error whose every attribute raises, its text too."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


def named(name: str) -> Exception:
    error: Exception = type(name, (Exception,), {})("failed")
    return error


@given(status=st.none() | st.integers() | JSON, code=JSON | CODES, kind=JSON, body=JSON, message=st.text(), headers=JSON)
def test_every_error_has_one_category_and_always_the_same(status: Any, code: Any, kind: Any, body: Any, message: str, headers: Any) -> None:
    response = ApiError(headers=headers)
    error = ApiError(message, status_code=status, code=code, type=kind, body=body, response=response)
    first = classify(error)
    assert first.category in get_args(Category)
    assert classify(error) == first


@pytest.mark.parametrize(
    "build",
    [HostileError, RecursionError, KeyboardInterrupt, lambda: ExceptionGroup("g", [ValueError()])],
    ids=["hostile", "deep", "^C", "group"],
)
def test_an_error_that_cannot_be_read_is_transient(build: Callable[[], BaseException]) -> None:
    assert classify(build()).category == "transient"


def test_a_chain_of_causes_that_bites_its_tail_ends() -> None:
    one, two = ApiError("a"), ApiError("b")
    one.__cause__, two.__cause__ = two, one
    assert classify(one).category == "transient"


@pytest.mark.parametrize(
    ("status", "body", "message", "category"),
    [
        (429, {"error": {"code": "insufficient_quota"}}, "", "budget"),
        (429, {"error": {"code": "organization_spend_limit_exceeded"}}, "", "budget"),
        (429, {"error": {"code": "rate_limit_exceeded"}}, "", "rate_limit"),
        (429, None, "", "rate_limit"),
        (429, {"error": {"details": [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}]}}, "", "budget"),
        (429, {"error": {"details": [{"violations": [{"quotaId": "GenerateRequestsPerMinute"}]}]}}, "", "rate_limit"),
        (429, {"error": {"details": [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}}, "", "budget"),
        (400, {"error": {"code": "context_length_exceeded"}}, "", "context"),
        (400, {"error": {"type": "invalid_request_error"}}, "prompt is too long: 9 tokens > 8 maximum", "context"),
        (400, {"error": {"details": [{"reason": "API_KEY_INVALID"}]}}, "", "auth"),
        (400, {"error": {"type": "invalid_request_error"}}, "Your credit balance is too low", "budget"),
        (400, {"error": {"type": "budget_exceeded"}}, "", "budget"),
        (400, {"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "", "content_filter"),
        (400, {"error": {"code": "invalid_function_parameters"}}, "", "permanent"),
        (401, None, "", "auth"),
        (402, None, "", "budget"),
        (403, "<html>", "", "auth"),
        (404, None, "", "permanent"),
        (408, None, "", "transient"),
        (409, None, "", "transient"),
        (413, "<html>", "", "context"),
        (422, None, "", "permanent"),
        (301, None, "", "permanent"),
        (500, None, "", "transient"),
        (503, None, "", "transient"),
        (529, {"error": {"type": "overloaded_error"}}, "", "transient"),
    ],
)
def test_the_body_decides_before_the_status(status: int, body: Any, message: str, category: str) -> None:
    assert classify(ApiError(message, status_code=status, body=body)).category == category


def test_an_untrusted_certificate_and_an_unknown_host_are_permanent() -> None:
    outer = named("APIConnectionError")
    outer.__cause__ = ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate")
    assert classify(outer).category == "permanent"
    assert classify(socket.gaierror(-2, "Name or service not known")).category == "permanent"
    assert classify(socket.gaierror(-3, "Temporary failure in name resolution")).category == "transient"


def test_the_outcome_is_known_only_if_nothing_was_sent_or_an_answer_came() -> None:
    wrapped = named("APIConnectionError")
    wrapped.__cause__ = named("ConnectError")
    assert not classify(wrapped).outcome_unknown
    assert classify(wrapped).unsent
    assert classify(named("ReadTimeout")).outcome_unknown
    assert not classify(ApiError(status_code=400)).outcome_unknown
    assert classify(ApiError(status_code=504)).outcome_unknown


def test_a_breaker_counts_the_dependency_only() -> None:
    assert classify(ApiError(status_code=500)).counts
    assert classify(ApiError(status_code=401)).counts
    assert not classify(ApiError(status_code=400)).counts
    assert not classify(named("PoolTimeout")).counts
    assert classify(InvalidAnswerError("empty", "nothing")).counts
    assert not classify(InvalidAnswerError("filtered", "withheld", category="content_filter")).counts


@pytest.mark.parametrize(("value", "wish"), [("true", True), ("false", False), ("", None), ("maybe", None)])
def test_the_providers_own_wish_is_read(value: str, wish: bool | None) -> None:
    response = ApiError(headers={"x-should-retry": value})
    assert classify(ApiError(status_code=500, response=response)).should_retry is wish


@pytest.mark.parametrize(
    ("status", "category"), [(400, "permanent"), (401, "auth"), (404, "permanent"), (429, "rate_limit"), (503, "transient")]
)
def test_the_status_of_an_http_library_is_its_responses(status: int, category: str) -> None:
    request = httpx.Request("GET", "https://crm.example/x")
    with pytest.raises(httpx.HTTPStatusError) as raised:
        httpx.Response(status, request=request).raise_for_status()
    assert classify(raised.value).category == category
    assert classify(raised.value).declined is (category != "transient")


def test_words_in_a_message_do_not_say_that_nothing_was_done() -> None:
    assert classify(RuntimeError("rate limit")).category == "rate_limit"
    assert not classify(RuntimeError("rate limit")).declined
    assert not classify(ApiError("rate limit", status_code=500)).declined
    assert classify(ApiError("rate limit", status_code=429)).declined
    assert classify(ApiError(body={"error": {"code": "invalid_api_key"}})).declined


def gemini_limit(quota: str) -> Exception:
    """google-genai's error: the code is a number, the body lies in `details`, and the words are those of a used-up quota either way."""
    violation = {"quotaId": quota}
    details = [{"@type": "google.rpc.QuotaFailure", "violations": [violation]}, {"@type": "google.rpc.RetryInfo", "retryDelay": "30.5s"}]
    words = "You exceeded your current quota, please check your plan and billing details."
    body = {"error": {"code": 429, "message": words, "status": "RESOURCE_EXHAUSTED", "details": details}}
    return ApiError(f"429 RESOURCE_EXHAUSTED. {body}", code=429, status="RESOURCE_EXHAUSTED", details=body)


def test_a_limit_of_gemini_is_of_a_minute_or_of_a_day_by_the_id_of_its_quota() -> None:
    assert classify(gemini_limit("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")).category == "rate_limit"
    assert classify(gemini_limit("GenerateRequestsPerDayPerProjectPerModel-FreeTier")).category == "budget"
    assert retry_after(gemini_limit("PerMinute")) == 30.5
