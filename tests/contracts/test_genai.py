"""One call of google-genai goes through the lab: sync, async with aiohttp and without it, streamed or not; and a fault arrives."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from agentlab_faults.intercept import armed
from agentlab_faults.sim import Simulation
from google import genai
from google.genai import errors
from google.oauth2.credentials import Credentials

from .answers import TEXT, Wire
from .calling import DOWN, Call, called

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
"""google-genai's own subclass, which aiohttp discourages."""

ASKED: Any = {"model": "gemini-2", "contents": "What is the weather in Paris?"}


def content() -> Any:
    with genai.Client(api_key="k") as client:
        return client.models.generate_content(**ASKED).text


def stream() -> Any:
    with genai.Client(api_key="k") as client:
        return "".join(chunk.text or "" for chunk in client.models.generate_content_stream(**ASKED))


async def async_content() -> Any:
    async with genai.Client(api_key="k").aio as client:
        return (await client.models.generate_content(**ASKED)).text


async def async_stream() -> Any:
    async with genai.Client(api_key="k").aio as client:
        return "".join([chunk.text or "" async for chunk in await client.models.generate_content_stream(**ASKED)])


CALLS = [(content, "httpx2"), (stream, "httpx2"), (async_content, "aiohttp"), (async_stream, "aiohttp")]


@pytest.mark.parametrize(("call", "library"), CALLS)
def test_one_call_goes_through_the_lab(call: Call, library: str) -> None:
    wire = Wire()
    assert called(call, wire) == TEXT
    assert wire.seen == ["gemini.stream" if "stream" in call.__name__ else "gemini.generate"]
    assert (wire.requests[0].library, wire.requests[0].host) == (library, "generativelanguage.googleapis.com")
    assert (wire.requests[0].timeouts.connect, wire.requests[0].timeouts.read) == (None, None)
    assert wire.ends == ["delivered"]


@pytest.mark.parametrize("call", [call for call, _ in CALLS])
def test_a_fault_arrives_as_the_clients_own_exception(call: Call) -> None:
    with pytest.raises(errors.ServerError):
        called(call, Wire(DOWN))


def test_a_client_that_is_never_closed_leaves_nothing_behind() -> None:
    async def forgetful() -> Any:
        return (await genai.Client(api_key="k").aio.models.generate_content(**ASKED)).text

    assert called(forgetful, Wire()) == TEXT


def test_a_refreshed_token_of_google_cloud_is_one_more_request_that_the_lab_sees() -> None:
    def vertex() -> Any:
        stale = Credentials(None, refresh_token="r", token_uri="https://oauth2.googleapis.com/token", client_id="c", client_secret="s")
        with genai.Client(vertexai=True, project="p", location="us-central1", credentials=stale) as client:
            return client.models.generate_content(**ASKED).text

    wire = Wire()
    assert called(vertex, wire) == TEXT
    assert wire.seen == ["oauth.token", "gemini.generate"]
    assert [request.library for request in wire.requests] == ["urllib3", "httpx2"]


def test_without_aiohttp_its_async_client_goes_by_httpx2() -> None:
    program = f"""
        import sys, types
        sys.modules["aiohttp"] = None
        contracts = sys.modules["contracts"] = types.ModuleType("contracts")
        contracts.__path__ = [{str(Path(__file__).parent)!r}]
        from contracts.answers import Wire
        from contracts.calling import called
        from contracts.test_genai import async_content, async_stream
        for call in (async_content, async_stream):
            wire = Wire()
            print(called(call, wire), wire.requests[0].library)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{TEXT} httpx2"] * 2


def test_the_same_seed_gives_the_same_requests_in_the_same_time() -> None:
    def run() -> tuple[Any, ...]:
        wire = Wire()
        with armed(wire), Simulation(seed=7, cap=60) as simulation:
            texts = [simulation.settle(async_stream()), simulation.settle(async_content())]
            seconds = simulation.now
        return texts, seconds, [(request.url, request.body, dict(request.headers)) for request in wire.requests]

    first = run()
    assert first == run()
    assert first[0] == [TEXT, TEXT]
