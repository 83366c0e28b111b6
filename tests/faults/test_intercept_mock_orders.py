"""Every mock library, started before the lab is armed and after it, in the three modes; sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import httpx
import httpx2
import pytest
import requests
import requests_mock
import responses
import respx
import vcr
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.intercept import armed, install
from agentlab_faults.intercept.arming import Mocks

install()  # before any mock starts, as the plugin does

URL = "https://api.openai.com/v1/chat/completions"
Users = AbstractContextManager[object]


def by_requests() -> str:
    return requests.post(URL, json={"q": 1}, timeout=5).text


def by_httpx() -> str:
    return httpx.post(URL, json={"q": 1}).text


def by_httpx2() -> str:
    return str(httpx2.post(URL, json={"q": 1}).text)


def by_async_httpx() -> str:
    async def ask() -> str:
        async with httpx.AsyncClient() as client:
            return (await client.post(URL, json={"q": 1})).text

    return asyncio.run(ask())


def by_async_httpx2() -> str:
    async def ask() -> str:
        async with httpx2.AsyncClient() as client:
            return str((await client.post(URL, json={"q": 1})).text)

    return asyncio.run(ask())


def by_aiohttp() -> str:
    async def ask() -> str:
        async with aiohttp.ClientSession() as session, session.post(URL, json={"q": 1}) as response:
            return await response.text()

    return asyncio.run(ask())


def by_aiohttps_request() -> str:
    async def ask() -> str:
        async with aiohttp.request("POST", URL, json={"q": 1}) as response:
            return await response.text()

    return asyncio.run(ask())


@contextmanager
def with_responses(_: Any) -> Iterator[None]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as users:
        users.post(URL, body="USER")
        yield


@contextmanager
def with_requests_mock(_: Any) -> Iterator[None]:
    with requests_mock.Mocker() as users:
        users.post(URL, text="USER")
        yield


def with_a_patched_adapter(_: Any) -> Users:
    answer = requests.Response()
    answer.status_code, answer._content = 200, b"USER"
    return mock.patch.object(requests.adapters.HTTPAdapter, "send", return_value=answer)


def with_vcr(request: pytest.FixtureRequest) -> Users:
    folder: Path = request.getfixturevalue("tmp_path")
    recorded = folder / "cassette.yaml"
    recorded.write_text(
        "version: 1\ninteractions:\n"
        f"- request: {{method: POST, uri: '{URL}', body: '', headers: {{}}}}\n"
        "  response: {status: {code: 200, message: OK}, headers: {}, body: {string: USER}}\n"
    )
    player: Users = vcr.use_cassette(str(recorded), record_mode="none", match_on=["method", "uri"], allow_playback_repeats=True)
    return player


@contextmanager
def with_respx(_: Any, using: str = "httpcore") -> Iterator[None]:
    with respx.mock(using=using, assert_all_called=False) as router:
        router.post(URL).respond(text="USER")
        yield


def with_respx_on_httpx(request: Any) -> Users:
    return with_respx(request, "httpx")


@contextmanager
def with_pytest_httpx(request: pytest.FixtureRequest) -> Iterator[None]:
    users = request.getfixturevalue("httpx_mock")
    users.add_response(url=URL, text="USER", is_optional=True, is_reusable=True)
    yield
    request.getfixturevalue("monkeypatch").undo()


@contextmanager
def with_patched_transports(_: Any) -> Iterator[None]:
    def answer(self: Any, request: Any) -> Any:
        return httpx2.Response(200, text="USER", request=request)

    async def async_answer(self: Any, request: Any) -> Any:
        return answer(self, request)

    with (
        mock.patch.object(httpx2.HTTPTransport, "handle_request", answer),
        mock.patch.object(httpx2.AsyncHTTPTransport, "handle_async_request", async_answer),
    ):
        yield


CASES: list[tuple[Callable[[Any], Users], Callable[[], str]]] = [
    (with_responses, by_requests),
    (with_requests_mock, by_requests),
    (with_a_patched_adapter, by_requests),
    (with_vcr, by_requests),
    (with_vcr, by_aiohttp),
    (with_vcr, by_aiohttps_request),
    (with_vcr, by_httpx),
    (with_vcr, by_async_httpx),
    (with_respx, by_httpx),
    (with_respx, by_async_httpx),
    (with_respx_on_httpx, by_httpx),
    (with_respx_on_httpx, by_async_httpx),
    (with_pytest_httpx, by_httpx),
    (with_pytest_httpx, by_async_httpx),
    (with_patched_transports, by_httpx2),
    (with_patched_transports, by_async_httpx2),
]


@pytest.mark.httpx_mock(can_send_already_matched_responses=True)
@pytest.mark.parametrize("mode", ["win", "inject", "replace"])
@pytest.mark.parametrize("inside", [True, False], ids=["started-inside", "started-before"])
@pytest.mark.parametrize(("users", "post"), CASES)
def test_a_mock_in_either_order(
    users: Callable[[Any], Users], post: Callable[[], str], inside: bool, mode: Mocks, request: pytest.FixtureRequest
) -> None:
    lab = Lab()
    if inside:
        with armed(lab, mocks=mode) as watch, users(request):
            answers = post(), lab.passing(post), post()
    else:
        with users(request), armed(lab, mocks=mode) as watch:
            answers = post(), lab.passing(post), post()
    assert answers == (("USER",) * 3 if mode == "win" else ("LAB", "USER", "LAB"))
    assert watch.escaped == []
    with armed(lab) as watch:
        assert post() == "LAB"
    assert watch.escaped == []


class Lab:
    """A handler that answers, or lets one request through."""

    def __init__(self) -> None:
        self.passes = False
        self.asked = 0

    def __call__(self, request: WireRequest) -> tuple[Exchange, None] | None:
        self.asked += 1
        return None if self.passes else (Exchange(body=(b"LAB",)), None)

    def passing(self, post: Callable[[], str]) -> str:
        self.passes = True
        try:
            return post()
        finally:
            self.passes = False


@pytest.mark.parametrize("leave_second_on", [True, False])
def test_a_mock_over_a_mock_that_was_gone_over_is_gone_over_too(leave_second_on: bool) -> None:
    genuine, lab, second = requests.adapters.HTTPAdapter.send, Lab(), with_responses(None)
    with with_a_patched_adapter(None):
        with armed(lab, mocks="inject"):
            assert by_requests() == "LAB"
            second.__enter__()
            assert (by_requests(), lab.passing(by_requests)) == ("LAB", "USER")
            if not leave_second_on:
                second.__exit__(None, None, None)
                assert (by_requests(), lab.passing(by_requests)) == ("LAB", "USER")
        assert by_requests() == "USER"
        if leave_second_on:
            second.__exit__(None, None, None)
    assert requests.adapters.HTTPAdapter.send is genuine


def test_a_block_within_a_block_leaves_the_outer_one_over_the_mock() -> None:
    with with_respx_on_httpx(None), armed(Lab(), mocks="inject"):
        with armed(Lab(), mocks="inject"):
            assert by_httpx() == "LAB"
        assert by_httpx() == "LAB"


@pytest.mark.parametrize(("users", "post"), [(with_patched_transports, by_httpx2), (with_vcr, by_httpx)])
def test_a_mock_that_outlives_its_block_leaves_no_second_seam(
    users: Callable[[Any], Users], post: Callable[[], str], request: pytest.FixtureRequest
) -> None:
    places = httpx.HTTPTransport, httpx2.HTTPTransport
    with armed(Lab()):
        genuine = [vars(place)["handle_request"] for place in places]
    second = users(request)
    with users(request):
        with armed(Lab(), mocks="inject"):
            second.__enter__()
            post()
        second.__exit__(None, None, None)
        for mode in ("inject", "win", "inject"):
            lab = Lab()
            with armed(lab, mocks=mode):
                assert lab.passing(post) == "USER"
            assert lab.asked == (1 if mode == "inject" else 0)
    with armed(Lab()):
        assert [vars(place)["handle_request"] for place in places] == genuine
