"""Faults as side effects of a user's own respx routes, in plain tests in real time."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
import respx
from agentlab_faults import respx_effect
from agentlab_faults.catalogue.rate_limits import RateLimited

URL = "https://api.openai.com/v1/chat/completions"
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
USING = pytest.mark.parametrize("using", ["httpcore", "httpx"])


def post(**options: Any) -> httpx.Response:
    return httpx.post(URL, json=ASKED, **options)


async def apost(**options: Any) -> httpx.Response:
    async with httpx.AsyncClient(**options) as client:
        return await client.post(URL, json=ASKED)


@USING
async def test_the_route_answers_with_the_faults_status_headers_and_body(using: str) -> None:
    with respx.mock(using=using) as router:
        route = router.post(URL).mock(side_effect=respx_effect("http_429_rate", retry_after=7.0))
        for answer in (post(), await apost()):
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
            assert answer.json()["error"]["code"] == "rate_limit_exceeded"
        assert route.call_count == 2


@USING
async def test_the_route_raises_the_faults_exception(using: str) -> None:
    with respx.mock(using=using) as router:
        router.post(URL).mock(side_effect=respx_effect("net_conn_refused"))
        with pytest.raises(httpx.ConnectError, match="Connection refused") as raised:
            post()
        assert isinstance(raised.value.__cause__, BaseException)
        with pytest.raises(httpx.ConnectError):
            await apost()


@USING
async def test_a_wait_ends_at_the_clients_own_timeout_and_takes_none(using: str) -> None:
    began = time.monotonic()
    with respx.mock(using=using) as router:
        router.post(URL).mock(side_effect=respx_effect("net_read_timeout"))
        with pytest.raises(httpx.ReadTimeout):
            post(timeout=600)
        with pytest.raises(httpx.ReadTimeout):
            await apost(timeout=600)
        with pytest.raises(ValueError, match="waits for ever"):
            post(timeout=None)
    assert time.monotonic() - began < 60


def test_effects_and_answers_come_in_the_order_of_a_list() -> None:
    with respx.mock as router:
        effects = [respx_effect("http_500"), respx_effect(RateLimited()), httpx.Response(200, text="good")]
        router.post(URL).mock(side_effect=effects)
        assert [post().status_code for _ in effects] == [500, 429, 200]


def test_a_fault_that_spoils_an_answer_has_none_to_spoil() -> None:
    with pytest.raises(ValueError, match=r"use chaos\.inject\('net_reset_mid_body'\)"):
        respx_effect("net_reset_mid_body")


def test_an_unknown_fault_is_named_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'http_429_rate'"):
        respx_effect("http_429_rat")
