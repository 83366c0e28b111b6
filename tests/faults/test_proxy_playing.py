"""Faults on real sockets: what a client in any language meets is what the exchange says."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx2
import pytest
from agentlab_faults.exchange import Break, Timeouts, WireRequest
from agentlab_faults.fault import Replaces
from agentlab_faults.proxy import HEADER, make_plan
from agentlab_faults.proxy.plan import Plan

from .proxy_sockets import Chaos, chaos, chat

WIRE = WireRequest("socket", "POST", "http://localhost/", "localhost", "/", {}, b"{}", Timeouts(), sync=False)
PATIENCE = 2.0
"""Seconds after which the client gives up: silences are cut short by it, as they are in an app."""
EVERY = make_plan(["*"])
"""Every fault that a server can make."""


async def ask(client: httpx2.AsyncClient, running: Chaos, scope: str = "", **more: Any) -> httpx2.Response | Exception:
    """One request; what came of it."""
    url = f"http://127.0.0.1:{running.server.port}/v1/chat/completions"
    try:
        return await client.post(url, json=chat(**more), headers={"authorization": "Bearer k", HEADER: scope})
    except httpx2.HTTPError as error:
        return error


def client(**settings: Any) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx2.AsyncClient(trust_env=False, timeout=PATIENCE, limits=limits, **settings)


async def test_every_fault_strikes_on_a_socket_and_the_server_goes_on() -> None:
    async with chaos() as running, client() as asking:
        for fault in EVERY.faults:
            running.scopes.switch(Plan(name=fault.row.id, faults=(fault,)), fault.row.id)
        few = asyncio.Semaphore(12)

        async def one(scope: str) -> httpx2.Response | Exception:
            async with few:  # more at once, and a busy machine would answer after the client's patience
                return await ask(asking, running, scope)

        got = await asyncio.gather(*(one(fault.row.id) for fault in EVERY.faults))
        for scope in running.scopes.all:
            running.scopes.attend(scope)
        struck = {blow.fault for blow in running.scopes.blows}
        shown = frozenset({"usage"})  # one tool, no history: there is nothing to repeat, and no other tool to call
        rows = [fault.row for fault in EVERY.faults if fault.row.needs <= shown]
        fits = {row.id for row in rows if row.acts_on("openai.chat", calls_tools=True, streamed=False)}
        assert struck >= fits
        assert not struck & {"sem_loop_same_call", "sem_loop_ping_pong", "sem_wrong_tool"}, "what changed nothing is no strike"
        assert len(fits) > 60
        for fault, came in zip(EVERY.faults, got, strict=True):
            assert_as_said(fault, came)
        assert running.server.failures == []
        assert running.scopes.problems == []
        good = await ask(asking, running, "another")
        assert isinstance(good, httpx2.Response)
        assert good.json()["choices"][0]["finish_reason"] == "tool_calls"


def assert_as_said(fault: Any, came: httpx2.Response | Exception) -> None:
    """A replaced answer has its status; a broken connection has the class that the exchange names (a refused one is reset here)."""
    if not isinstance(fault, Replaces) or not fault.row.acts_on("openai.chat", calls_tools=True, streamed=False):
        return
    exchange = fault.answer(WIRE)
    breaks = [part for part in (*exchange.before, *exchange.body) if isinstance(part, Break)]
    if breaks and exchange.seconds < PATIENCE:
        wanted = "ReadError" if breaks[0].error == "ConnectError" else breaks[0].error
        assert type(came).__name__ == wanted, fault.row.id
    elif exchange.seconds > PATIENCE:
        assert isinstance(came, httpx2.ReadTimeout), fault.row.id
    else:
        assert isinstance(came, httpx2.Response | httpx2.DecodingError), fault.row.id
        assert not isinstance(came, httpx2.Response) or came.status_code == exchange.status, fault.row.id


async def test_a_pause_is_real_time() -> None:
    async with chaos(["http_500"]) as running, client() as asking:
        begin = time.monotonic()
        answer = await ask(asking, running)
        assert isinstance(answer, httpx2.Response)
        assert answer.status_code == 500
        assert time.monotonic() - begin >= 0.19


async def test_a_reset_in_mid_body_comes_after_half_of_it() -> None:
    async with chaos(["net_reset_mid_body"]) as running, running.client() as raw:
        await raw.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer k\r\n")
        body = json.dumps(chat()).encode()
        await raw.send(b"content-length: %d\r\n\r\n%b" % (len(body), body))
        status, headers = await raw.head()
        assert status == 200
        half = int(headers["content-length"]) // 2
        assert len(await raw.reader.readexactly(half)) == half
        with pytest.raises(ConnectionResetError):
            await raw.reader.read()


async def test_a_refusal_in_one_scope_leaves_the_others_alone() -> None:
    async with chaos() as running, client() as asking:
        running.scopes.switch(make_plan(["net_conn_refused"]), "mine")
        assert isinstance(await ask(asking, running, "mine"), httpx2.ReadError)
        assert isinstance(await ask(asking, running, "yours"), httpx2.Response)


async def test_an_app_that_hangs_up_is_told_from_one_that_waits() -> None:
    async with chaos(["net_read_timeout"]) as running:
        async with client() as asking:
            assert isinstance(await ask(asking, running), httpx2.ReadTimeout)
            assert isinstance(await ask(asking, running), httpx2.Response)
        [blow] = running.scopes.blows
        assert blow.hung_up
        assert float(blow.saw.removeprefix("the app hung up after ").removesuffix(" s")) >= PATIENCE - 0.1  # later, on a busy machine
        assert blow.taken == "recovered"


async def test_the_first_byte_of_a_stream_is_not_held_back() -> None:
    async with chaos() as running, client() as asking:
        url = f"http://127.0.0.1:{running.server.port}/v1/chat/completions"
        headers = {"authorization": "Bearer k"}
        async with asking.stream("POST", url, json=chat(stream=True), headers=headers) as answer:
            pieces = [piece async for piece in answer.aiter_raw()]
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert b"".join(pieces).endswith(b"data: [DONE]\n\n")
