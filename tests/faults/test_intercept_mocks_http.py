"""Users' own mocks of aiohttp, requests and urllib3, in the three modes: they win, a fault goes over them, the script replaces them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from unittest import mock

import aiohttp
import httpx
import pytest
import requests
import requests_mock
import responses
import vcr
from agentlab_faults.exchange import Break, Exchange, WireRequest
from agentlab_faults.intercept import armed, install
from requests.adapters import BaseAdapter

install()  # before any mock starts, as the plugin does

URL = "https://api.openai.com/v1/chat/completions"
SEEN_AS = "POST api.openai.com/v1/chat/completions"
LAB = Exchange(body=(b"LAB",))
BROKEN = Exchange(before=(Break("ReadError", "reset", ConnectionResetError(104, "Connection reset by peer")),))


class Lab:
    """A handler that answers, or lets through, and counts."""

    def __init__(self, exchange: Exchange | None) -> None:
        self.exchange = exchange
        self.requests: list[WireRequest] = []

    def __call__(self, request: WireRequest) -> tuple[Exchange, None] | None:
        self.requests.append(request)
        return None if self.exchange is None else (self.exchange, None)


def post() -> str:
    return requests.post(URL, json={"q": 1}, timeout=5).text


async def apost() -> str:
    async with aiohttp.ClientSession() as session, session.post(URL, json={"q": 1}) as response:
        return await response.text()


def cassette(folder: Path, body: str = "USER") -> Any:
    """A recorder that plays one answer and records nothing."""
    recorded = folder / "cassette.yaml"
    recorded.write_text(
        "version: 1\ninteractions:\n"
        f"- request: {{method: POST, uri: '{URL}', body: '', headers: {{}}}}\n"
        f"  response: {{status: {{code: 200, message: OK}}, headers: {{}}, body: {{string: {body}}}}}\n"
    )
    return vcr.use_cassette(str(recorded), record_mode="none", match_on=["method", "uri"], allow_playback_repeats=True)


def with_responses(folder: Path) -> Any:
    mocked = responses.RequestsMock(assert_all_requests_are_fired=False)
    mocked.post(URL, body="USER")
    return mocked


def with_requests_mock(folder: Path) -> Any:
    mocked = requests_mock.Mocker()
    mocked.post(URL, text="USER")
    return mocked


def with_a_patched_send(folder: Path) -> Any:
    answer = requests.Response()
    answer.status_code, answer._content = 200, b"USER"
    return mock.patch.object(requests.adapters.HTTPAdapter, "send", return_value=answer)


USERS = pytest.mark.parametrize("users", [with_responses, with_requests_mock, with_a_patched_send, cassette])


@USERS
@pytest.mark.parametrize("inside", [True, False], ids=["started-inside", "started-before"])
def test_a_mock_of_requests_wins(users: Callable[[Path], Any], inside: bool, tmp_path: Path) -> None:
    lab = Lab(LAB)
    if inside:
        with armed(lab) as watch, users(tmp_path):
            assert post() == "USER"
    else:
        with users(tmp_path), armed(lab) as watch:
            assert post() == "USER"
    assert lab.requests == []
    assert watch.escaped == []
    with armed(lab):
        assert post() == "LAB"


@USERS
def test_a_fault_goes_over_a_mock_of_requests_or_the_mock_answers(users: Callable[[Path], Any], tmp_path: Path) -> None:
    with users(tmp_path):
        with armed(Lab(BROKEN), mocks="inject"), pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
            post()
        lab = Lab(None)
        with armed(lab, mocks="inject") as watch:
            assert post() == "USER"
        assert [(request.url, request.body) for request in lab.requests] == [(URL, b'{"q": 1}')]
        assert watch.escaped == []
        with armed(Lab(LAB)):
            assert post() == "USER"


@USERS
def test_the_script_replaces_a_mock_of_requests(users: Callable[[Path], Any], tmp_path: Path) -> None:
    with users(tmp_path), armed(Lab(LAB), mocks="replace"):
        assert post() == "LAB"


def test_mocks_that_win_are_noted_without_their_query() -> None:
    with requests_mock.Mocker() as users, armed(Lab(LAB)) as watch:
        users.post(URL, text="USER")
        assert requests.post(URL + "?key=sk-secret", timeout=5).text == "USER"
    assert watch.mocked == [SEEN_AS]


def test_a_host_that_only_the_mock_knows_is_the_mocks() -> None:
    with requests_mock.Mocker() as users, armed(Lab(LAB), mocks="inject"):
        users.get("mock://some/where", text="USER")
        assert requests.get("mock://some/where", timeout=5).text == "USER"


def test_a_users_own_adapter_is_no_business_of_the_lab() -> None:
    class Own(BaseAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
            answer = requests.Response()
            answer.status_code, answer._content, answer.request, answer.url = 200, b"USER", request, request.url
            return answer

        def close(self) -> None:
            """Nothing is open."""

    with requests.Session() as session, armed(Lab(LAB), mocks="replace"):
        session.mount("https://", Own())
        assert session.post(URL, timeout=5).text == "USER"


def test_tracing_over_requests_is_no_mock() -> None:
    send = requests.adapters.HTTPAdapter.send
    traced: list[str] = []

    def tracing(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        traced.append(request.method)
        return send(self, request, *args, **kwargs)

    tracing.__wrapped__ = send  # type: ignore[attr-defined]  # as wrapt does
    with mock.patch.object(requests.adapters.HTTPAdapter, "send", tracing), armed(Lab(LAB), mocks="inject"):
        assert post() == "LAB"
    assert traced == ["POST"]


async def test_a_cassette_of_aiohttp_wins(tmp_path: Path) -> None:
    lab = Lab(LAB)
    with cassette(tmp_path), armed(lab) as watch:
        assert await apost() == "USER"
    assert lab.requests == []
    assert watch.escaped == []
    with armed(lab):
        assert await apost() == "LAB"


async def test_a_fault_goes_over_a_cassette_of_aiohttp_or_the_cassette_answers(tmp_path: Path) -> None:
    with cassette(tmp_path):
        with armed(Lab(BROKEN), mocks="inject"), pytest.raises(aiohttp.ClientOSError):
            await apost()
        lab = Lab(None)
        with armed(lab, mocks="inject"):
            assert await apost() == "USER"
        assert [request.body for request in lab.requests] == [b'{"q": 1}']
        with armed(Lab(LAB), mocks="replace"):
            assert await apost() == "LAB"


async def test_a_patched_request_of_aiohttp_wins_or_is_gone_over() -> None:
    class Users:
        status = 200

        async def text(self) -> str:
            return "USER"

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *error: object) -> None:
            """Nothing is open."""

    with mock.patch.object(aiohttp.ClientSession, "_request", mock.AsyncMock(return_value=Users())) as users:
        with armed(Lab(LAB)):
            assert await apost() == "USER"
        with armed(Lab(LAB), mocks="inject"):
            assert await apost() == "LAB"
        with armed(Lab(None), mocks="inject"):
            assert await apost() == "USER"
    assert users.await_count == 2


def test_after_all_of_it_nothing_is_armed_and_nothing_covered() -> None:
    assert requests.adapters.HTTPAdapter.send.__module__ == "requests.adapters"
    assert not hasattr(requests.adapters.HTTPAdapter.send, "__wrapped__")
    assert not hasattr(aiohttp.ClientSession._request, "__wrapped__")


def test_a_cassette_of_httpx_wins_too(tmp_path: Path) -> None:
    lab = Lab(LAB)
    with cassette(tmp_path):
        with armed(lab) as watch:
            assert httpx.post(URL).text == "USER"
        assert lab.requests == []
        assert watch.escaped == []
        with armed(lab, mocks="replace"):
            assert httpx.post(URL).text == "LAB"
        with armed(Lab(None), mocks="inject") as watch:
            assert httpx.post(URL).text == "USER"
        assert watch.escaped == []
