"""Whole runs of agents on the other libraries: struck where the schedule says, in virtual time, the same way every time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import aiohttp
import google.auth.transport.requests
import openai
import pytest
import requests
from agentlab_faults import Injection, Played, Schedule, Setup, Talk, play
from agentlab_faults.catalogue import select
from agentlab_faults.intercept import armed
from agentlab_faults.journal import Requested
from agentlab_faults.script import Say, ScriptSpec
from google import genai
from google.oauth2.credentials import Credentials

MESSAGES: Any = [{"role": "user", "content": "hi"}]
SETUP = Setup(scripts=(ScriptSpec(turns=(Say("Hello!"),)),), prompts=("hi",), deadline=3600.0)
URL = "https://api.openai.com/v1/chat/completions"


async def by_openai(prompt: str) -> str:
    async with openai.AsyncOpenAI(http_client=openai.DefaultAioHttpClient()) as client:
        return (await client.chat.completions.create(model="m", messages=MESSAGES)).choices[0].message.content or ""


async def by_aiohttp(prompt: str) -> str:
    async with aiohttp.ClientSession(trust_env=True) as session:
        for _ in range(3):
            async with session.post(URL, json={"model": "m", "messages": MESSAGES}, headers={"authorization": "Bearer k"}) as response:
                if response.status == 200:
                    return str((await response.json())["choices"][0]["message"]["content"])
                await asyncio.sleep(1.0)
    return ""


def by_requests(prompt: str) -> str:
    token = Credentials(None, refresh_token="r", token_uri="https://oauth2.googleapis.com/token", client_id="c", client_secret="s")
    token.refresh(google.auth.transport.requests.Request())
    for _ in range(3):
        answer = requests.post(
            URL, json={"model": "m", "messages": MESSAGES}, headers={"authorization": f"Bearer {token.token}"}, timeout=60
        )
        if answer.ok:
            return str(answer.json()["choices"][0]["message"]["content"])
    return ""


def played(agent: Callable[[str], Any], fault: str = "", *, at: str = "openai.chat.1", seed: int = 0) -> Played:
    def conversation(talk: Talk) -> None:
        talk.turn("hi")
        talk.reply(talk.settle(agent("hi")))

    clean = play(conversation, SETUP, seed=seed)
    if not fault:
        return clean
    schedule = Schedule(fault, (Injection(fault=select((fault,))[0](), at=at),))
    return play(conversation, SETUP, schedule, seed=seed, clean=clean.clean)


AGENTS = pytest.mark.parametrize(("agent", "library"), [(by_openai, "aiohttp"), (by_aiohttp, "aiohttp"), (by_requests, "urllib3")])


@AGENTS
def test_a_run_is_answered_from_the_script(agent: Callable[[str], Any], library: str) -> None:
    run = played(agent)
    assert (run.ending, run.replies, run.problems) == ("returned", ("Hello!",), ())
    assert [event.library for event in run.journal if isinstance(event, Requested)] == [library]


@AGENTS
@pytest.mark.parametrize("fault", ["http_429_rate", "net_conn_refused", "net_read_timeout", "net_reset_mid_body", "net_bad_chunk_header"])
def test_a_fault_strikes_and_is_seen(agent: Callable[[str], Any], library: str, fault: str) -> None:
    run = played(agent, fault)
    assert run.problems == ()
    assert [(strike.fault, strike.changed) for strike in run.strikes] == [(fault, True)]
    if run.error is None:
        assert (run.ending, run.replies) == ("returned", ("Hello!",))
    else:
        assert isinstance(run.error, aiohttp.ClientError | TimeoutError | openai.APIError | requests.RequestException)


@AGENTS
def test_the_same_seed_gives_the_same_journal(agent: Callable[[str], Any], library: str) -> None:
    first, second = played(agent, "http_429_rate", seed=5), played(agent, "http_429_rate", seed=5)
    assert first.journal == second.journal
    assert first.seconds == second.seconds


def test_native_clients_are_off_in_a_run_and_as_before_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for before in ("1", None):
        if before is None:
            monkeypatch.delenv("LITELLM_RUST", raising=False)
        else:
            monkeypatch.setenv("LITELLM_RUST", before)
        with armed(lambda _: None):
            assert os.environ["LITELLM_RUST"] == "0"
        assert os.environ.get("LITELLM_RUST") == before


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
@pytest.mark.parametrize("fault", ["", "net_conn_refused", "http_503"])
def test_google_genai_asks_worker_threads_for_proxies_and_is_still_the_same_every_time(fault: str) -> None:
    async def by_genai(prompt: str) -> str:
        retries = genai.types.HttpRetryOptions(attempts=3)
        client = genai.Client(api_key="k", http_options=genai.types.HttpOptions(retry_options=retries))
        return (await client.aio.models.generate_content(model="gemini-2", contents=prompt)).text or ""

    first, second = played(by_genai, fault, at="gemini.generate.1"), played(by_genai, fault, at="gemini.generate.1")
    assert (first.ending, first.replies, first.problems) == ("returned", ("Hello!",), ())
    assert {event.library for event in first.journal if isinstance(event, Requested)} == {"aiohttp"}
    assert len(first.strikes) == bool(fault)
    assert first.journal == second.journal
    assert (first.seconds, first.real_threads) == (second.seconds, ())
