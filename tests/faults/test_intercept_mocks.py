"""Users' own mocks: they win by default, a fault can go over them, and patches that come and go never lose a seam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import httpx
import httpx2
import pytest
import respx
from agentlab_faults.exchange import Break, Exchange, WireRequest
from agentlab_faults.intercept import armed, install
from pytest_httpx import HTTPXMock

install()  # before any mock starts, as the plugin does

URL = "https://api.openai.com/v1/chat/completions"
SEEN_AS = "POST api.openai.com/v1/chat/completions"


class Lab:
    """A handler that answers, or lets through, and counts."""

    def __init__(self, exchange: Exchange | None) -> None:
        self.exchange = exchange
        self.requests: list[WireRequest] = []

    def __call__(self, request: WireRequest) -> tuple[Exchange, None] | None:
        self.requests.append(request)
        return None if self.exchange is None else (self.exchange, None)


LAB = Exchange(body=(b"LAB",))


def users(library: Any) -> Any:
    return library.MockTransport(lambda _: library.Response(200, text="USER"))


def post(library: Any) -> str:
    return str(library.post(URL).text)


async def apost(library: Any, **options: Any) -> str:
    async with library.AsyncClient(**options) as client:
        return str((await client.post(URL)).text)


def test_respx_wins_by_its_fixture(respx_mock: respx.MockRouter) -> None:
    respx_mock.post(URL).respond(text="USER")
    with armed(Lab(LAB)) as watch:
        assert httpx.post(URL).text == "USER"
    assert watch.mocked == [SEEN_AS]


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
async def test_respx_wins_whatever_it_patches_and_whenever_it_starts(using: str) -> None:
    lab = Lab(LAB)
    with armed(lab):
        with respx.mock(using=using) as router:
            router.post(URL).respond(text="USER")
            assert post(httpx) == "USER"
            assert await apost(httpx) == "USER"
        assert lab.requests == []
        assert post(httpx) == "LAB"


def test_pytest_httpx_wins(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(url=URL, text="USER")
    lab = Lab(LAB)
    with armed(lab) as watch:
        assert httpx.post(URL).text == "USER"
    assert lab.requests == []
    assert watch.escaped == []


@pytest.mark.parametrize("library", [httpx2, httpx])
async def test_mock_transports_and_mounts_win(library: Any) -> None:
    lab = Lab(LAB)
    with armed(lab) as watch:
        with library.Client(transport=users(library)) as client:
            assert client.post(URL).text == "USER"
        with library.Client(mounts={"https://": users(library)}) as client:
            assert client.post(URL).text == "USER"
        assert await apost(library, transport=users(library)) == "USER"
    assert lab.requests == []
    assert watch.mocked == [SEEN_AS] * 3


async def test_an_app_in_process_is_no_business_of_the_lab() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"USER"})

    with armed(Lab(LAB), mocks="replace"):
        assert await apost(httpx2, transport=httpx2.ASGITransport(app)) == "USER"


def test_a_mocked_send_wins() -> None:
    with armed(Lab(LAB)), mock.patch.object(httpx2.Client, "send", return_value=httpx2.Response(200, text="USER")):
        assert httpx2.post(URL).text == "USER"


def test_a_query_never_reaches_the_watch_since_it_may_hold_a_key() -> None:
    with armed(Lab(LAB)) as watch, httpx2.Client(transport=users(httpx2)) as client:
        client.get("https://host.example/v1/models?key=sk-secret")
    assert watch.mocked == ["GET host.example/v1/models"]


@pytest.mark.parametrize("library", [httpx2, httpx])
async def test_inject_puts_a_fault_over_a_mock_transport_or_lets_it_answer(library: Any) -> None:
    broken = Lab(Exchange(before=(Break("ReadError", "reset"),)))
    with armed(broken, mocks="inject"), library.Client(transport=users(library)) as client, pytest.raises(library.ReadError):
        client.post(URL)
    with armed(Lab(None), mocks="inject"):
        assert await apost(library, transport=users(library)) == "USER"


def test_inject_puts_a_fault_over_respx_and_its_call_count_stays(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).respond(text="USER")
    with armed(Lab(Exchange(status=429)), mocks="inject"):
        assert httpx.post(URL).status_code == 429
    assert route.call_count == 0
    with armed(Lab(None), mocks="inject"):
        assert httpx.post(URL).text == "USER"
    assert route.call_count == 1


def test_inject_goes_over_a_mock_of_the_transports_method_and_steps_back(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(url=URL, text="USER")
    with armed(Lab(LAB), mocks="inject"):
        assert httpx.post(URL).text == "LAB"
    with armed(Lab(None), mocks="inject"):
        assert httpx.post(URL).text == "USER"
    httpx_mock.add_response(url=URL, text="AGAIN")
    with armed(Lab(LAB)):
        assert httpx.post(URL).text == "AGAIN"


def test_replace_answers_what_mocks_would(respx_mock: respx.MockRouter) -> None:
    with armed(Lab(LAB), mocks="replace"), httpx2.Client(transport=users(httpx2)) as client:
        assert httpx.post(URL).text == "LAB"
        assert client.post(URL).text == "LAB"


def genuine(method: Callable[..., Any]) -> Callable[..., Any]:
    """The library's own method, as it was before any seam."""
    while hasattr(method, "__wrapped__"):
        method = method.__wrapped__
    return method


@pytest.mark.parametrize("library", [httpx2, httpx])
def test_a_seam_that_a_patch_threw_away_is_put_back_when_armed(library: Any) -> None:
    library.HTTPTransport.handle_request = genuine(library.HTTPTransport.handle_request)
    with armed(Lab(LAB)) as watch:
        assert library.post(URL).text == "LAB"
    assert watch.escaped == []


def test_a_seam_that_is_lost_during_a_run_spoils_the_run_and_is_put_back() -> None:
    with armed(Lab(LAB)) as watch:
        httpx2.HTTPTransport.handle_request = genuine(httpx2.HTTPTransport.handle_request)  # type: ignore[method-assign]  # the mishap
    assert watch.escaped == ["seam httpx2.HTTPTransport.handle_request was undone by somebody's patch"]
    with armed(Lab(LAB)) as watch:
        assert httpx2.post(URL).text == "LAB"
    assert watch.escaped == []


def test_a_patch_over_the_seam_wins_and_is_no_loss() -> None:
    def users_own(self: Any, request: Any) -> Any:
        return httpx2.Response(200, text="USER")

    with armed(Lab(LAB)) as watch:
        with mock.patch.object(httpx2.HTTPTransport, "handle_request", users_own):
            assert httpx2.post(URL).text == "USER"
        assert httpx2.post(URL).text == "LAB"
    assert watch.escaped == []


def test_a_tracing_wrapper_over_the_seam_stays_and_is_passed_through() -> None:
    seam = httpx2.HTTPTransport.handle_request
    traced: list[str] = []

    def tracing(self: Any, request: Any) -> Any:
        traced.append(request.method)
        return seam(self, request)

    tracing.__wrapped__ = seam  # type: ignore[attr-defined]  # as wrapt does
    tracing.__module__ = seam.__module__
    with mock.patch.object(httpx2.HTTPTransport, "handle_request", tracing), armed(Lab(LAB), mocks="inject") as watch:
        assert httpx2.post(URL).text == "LAB"
    assert traced == ["POST"]
    assert watch.escaped == []


def test_after_all_of_it_nothing_is_armed() -> None:
    with armed(Lab(LAB)):
        pass
    with httpx2.Client(transport=users(httpx2)) as client:
        assert client.post(URL).text == "USER"
