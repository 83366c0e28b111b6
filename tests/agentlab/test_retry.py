"""Retries: delays in their bounds, Retry-After in each form, and never beyond the deadline."""

from __future__ import annotations

import math
from email.utils import formatdate
from typing import Any

import pytest
from agentlab_faults.sim import Simulation
from hypothesis import given
from hypothesis import strategies as st

from agentlab.bounds import Deadline
from agentlab.errors import BoundExceededError, BreakerOpenError
from agentlab.retry import MODEL_POLICIES, TOOL_POLICIES, GaveUpError, Policy, call_with_retries, delay
from agentlab.retry_after import retry_after

POLICIES = st.builds(
    Policy,
    base=st.floats(0.001, 60),
    cap=st.floats(0.001, 600),
    jitter=st.sampled_from(["half", "full"]),
    retries=st.integers(0, 9),
)


class StatusError(Exception):
    def __init__(self, status: int, headers: dict[str, str] | None = None, body: Any = None) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.body = body
        self.response: Any = type("Response", (), {"headers": headers or {}})()


@given(policy=POLICIES, failures=st.integers(1, 500))
def test_a_delay_stays_in_its_bounds(policy: Policy, failures: int) -> None:
    full = min(policy.cap, policy.base * 2.0 ** min(failures - 1, 64))
    waited = delay(policy, failures)
    assert (full / 2 if policy.jitter == "half" else 0.0) <= waited <= full <= policy.cap


@given(policy=POLICIES, failures=st.integers(1, 500), told=st.floats(0.001, 1e6))
def test_what_the_provider_says_is_waited_for_and_little_more(policy: Policy, failures: int, told: float) -> None:
    assert told <= delay(policy, failures, told) <= told * 1.1 + 1e-9


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": formatdate(1_700_000_030, usegmt=True), "date": formatdate(1_700_000_000, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(1_700_000_000, usegmt=True), "date": formatdate(1_700_000_030, usegmt=True)}, None),
        ({"retry-after": "inf"}, math.inf),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_each_form_of_retry_after_is_understood(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(StatusError(429, headers)) == seconds


def test_a_date_without_the_servers_own_date_is_measured_on_our_clock() -> None:
    with Simulation(seed=0, cap=10, epoch=1_700_000_000.0):
        assert retry_after(StatusError(429, {"retry-after": formatdate(1_700_000_030, usegmt=True)})) == 30.0


def test_geminis_retry_info_is_found_in_the_body() -> None:
    body = [{"error": {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}}]
    assert retry_after(StatusError(429, body=body)) == 34.5


@given(
    body=st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
    name=st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset", "anthropic-ratelimit-tokens-reset"]),
    value=st.text() | st.from_regex(r"-?[0-9]{1,20}(h|m|s|ms)?([0-9]{1,9}s)?", fullmatch=True),
    message=st.text() | st.from_regex(r"try again in [0-9]{1,9}(h|m|s|ms)", fullmatch=True),
)
def test_whatever_is_sent_a_wait_is_longer_than_nothing(body: Any, name: str, value: str, message: str) -> None:
    error = StatusError(429, {name: value, name.replace("reset", "remaining"): "0"} if "reset" in name else {name: value}, body)
    error.args = (message,)
    error.response.status_code = 429
    found = retry_after(error)
    assert found is None or found > 0


class Flaky:
    """Fails with each error in turn, then succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def attempt(flaky: Flaky, *, seconds: float = 1000.0, **options: Any) -> tuple[Any, float]:
    """What came of it, and how long it took (virtual seconds)."""

    async def go() -> Any:
        deadline = Deadline.after(seconds)
        return await call_with_retries(flaky, policies=options.pop("policies", MODEL_POLICIES), deadline=deadline, **options)

    with Simulation(seed=1, cap=10_000) as simulation:
        try:
            found = simulation.settle(go())
        except GaveUpError as error:
            found = error
        return found, simulation.now


def test_a_transient_failure_is_tried_again_three_times_with_growing_delays() -> None:
    flaky = Flaky(*[StatusError(500)] * 3)
    found, seconds = attempt(flaky)
    assert (found, flaky.calls) == ("done", 4)
    assert (0.5 + 1 + 2) / 2 <= seconds <= 3.5
    found, _ = attempt(flaky := Flaky(*[StatusError(500)] * 4))
    assert [failure.classified.category for failure in found.failures] == ["transient"] * 4
    assert flaky.calls == 4


def test_a_rate_limit_is_tried_again_five_times() -> None:
    assert attempt(flaky := Flaky(*[StatusError(429)] * 9))[0].failures
    assert flaky.calls == 6


@pytest.mark.parametrize("status", [400, 401, 402, 404, 413, 422])
def test_what_trying_again_cannot_help_is_not_tried_again(status: int) -> None:
    assert len(attempt(flaky := Flaky(StatusError(status)))[0].failures) == 1
    assert flaky.calls == 1


def test_each_category_has_its_own_budget() -> None:
    mixed = Flaky(*[StatusError(500)] * 3, *[StatusError(429)] * 5)
    assert attempt(mixed)[0] == "done"


def test_retry_after_is_waited_for() -> None:
    found, seconds = attempt(Flaky(StatusError(429, {"retry-after": "7"})))
    assert found == "done"
    assert 7.0 <= seconds <= 7.7


@pytest.mark.parametrize("told", ["30", "300", "inf"])
def test_a_wait_that_would_reach_the_deadline_is_not_begun(told: str) -> None:
    found, seconds = attempt(flaky := Flaky(StatusError(429, {"retry-after": told})), seconds=30.0)
    assert isinstance(found, GaveUpError)
    assert (flaky.calls, seconds) == (1, 0.0)


def test_the_provider_may_forbid_or_allow_a_retry() -> None:
    assert attempt(Flaky(StatusError(500, {"x-should-retry": "false"})))[0].failures
    assert attempt(Flaky(StatusError(400, {"x-should-retry": "true"})))[0] == "done"


@pytest.mark.parametrize("status", [401, 402, 403, 413])
def test_a_provider_that_wants_to_be_asked_again_does_not_make_a_bad_key_good(status: int) -> None:
    found, _ = attempt(flaky := Flaky(*[StatusError(status, {"x-should-retry": "true"})] * 2))
    assert (len(found.failures), flaky.calls) == (1, 1)


def test_go_on_may_stop_after_a_failure() -> None:
    assert attempt(flaky := Flaky(StatusError(500)), go_on=lambda _failure: False)[0].failures
    assert flaky.calls == 1


@pytest.mark.parametrize("error", [BreakerOpenError("llm:x", 3.0), BoundExceededError("tokens", "enough")])
def test_what_is_no_failure_of_the_attempt_passes_through(error: Exception) -> None:
    with pytest.raises(type(error)):
        attempt(Flaky(error))


def test_a_breaker_that_opens_meanwhile_ends_the_attempts() -> None:
    found, _ = attempt(Flaky(StatusError(500), BreakerOpenError("llm:x", 3.0)))
    assert len(found.failures) == 1


def test_tools_are_tried_three_times_in_all() -> None:
    assert attempt(flaky := Flaky(*[ValueError()] * 9), policies=TOOL_POLICIES)[0].failures
    assert flaky.calls == 3
