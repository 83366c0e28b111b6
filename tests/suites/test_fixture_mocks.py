"""`chaos.inject` over a test's own mocks of the other libraries: the fault strikes once, what it leaves alone is the mock's."""

from __future__ import annotations

from typing import Any

import aiohttp
import httpx
import pytest
import requests
import requests_mock
import responses
import respx
from agentlab_suites.fixture import Chaos
from aiohttp import web
from aiohttp.test_utils import RawTestServer

URL = "https://api.openai.com/v1/chat/completions"
ASKED: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def statuses(post: Any) -> list[int]:
    return [post(URL, json=ASKED, timeout=5).status_code for _ in range(2)]


def test_over_responses(chaos: Chaos) -> None:
    with responses.RequestsMock() as users:
        users.post(URL, json={})
        with chaos.inject("http_429_rate", at="openai.chat.1"):
            assert statuses(requests.post) == [429, 200]
        assert len(users.calls) == 1


def test_over_requests_mock(chaos: Chaos) -> None:
    with requests_mock.Mocker() as users:
        users.post(URL, json={})
        with chaos.inject("http_429_rate", at="openai.chat.1"):
            assert statuses(requests.post) == [429, 200]
        assert users.call_count == 1


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
def test_over_respx(chaos: Chaos, using: str) -> None:
    with respx.mock(using=using) as users:
        route = users.post(URL).respond(json={})
        with chaos.inject("http_429_rate", at="openai.chat.1"):
            assert statuses(httpx.post) == [429, 200]
        assert route.call_count == 1


async def test_over_a_server_of_the_tests_own_on_loopback(chaos: Chaos) -> None:
    served: list[str] = []

    async def local(request: web.BaseRequest) -> web.Response:
        served.append(request.path)
        return web.json_response({})

    async with RawTestServer(local) as server, aiohttp.ClientSession() as session:
        with chaos.inject("http_429_rate", at="openai.chat.1"):
            answers = [await session.post(server.make_url("/v1/chat/completions"), json=ASKED) for _ in range(2)]
        assert [answer.status for answer in answers] == [429, 200]
        for answer in answers:
            answer.release()
    assert served == ["/v1/chat/completions"]
