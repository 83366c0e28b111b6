"""A provider behind the server: passed on as it comes, within a budget, with faults between."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from agentlab_faults.exchange import Exchange
from agentlab_faults.proxy import Front, Scopes, Server, make_plan
from agentlab_faults.proxy.budget import Budget, Price, Purse, usage_in
from agentlab_faults.proxy.channel import Channel
from agentlab_faults.proxy.live import Live
from agentlab_faults.proxy.playing import Answering, CutOff
from agentlab_faults.proxy.reading import Arrived
from agentlab_faults.proxy.upstream import Upstream as Way

from .proxy_sockets import ASK, Chaos, chat, post

GOOD = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
}


@dataclass
class Stream:
    """A live body that a test lets out piece by piece."""

    pieces: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    breaks: bool = False

    @property
    def at_hand(self) -> bool:
        return not self.pieces.empty()

    async def piece(self) -> bytes | None:
        piece = await self.pieces.get()
        if piece is None and self.breaks:
            raise CutOff("on purpose")
        return piece

    async def close(self) -> None:
        self.closed.set()


@dataclass
class Upstream:
    """The provider: what it was asked, and what it answers."""

    asked: list[Arrived] = field(default_factory=list)
    stream: Stream | None = None
    body: bytes = json.dumps(GOOD).encode()
    status: int = 200

    async def __call__(self, arrived: Arrived, channel: Channel) -> Answering:
        self.asked.append(arrived)
        if self.stream is not None:
            return Answering(Exchange(200, (("content-type", "text/event-stream"),)), live=self.stream)
        headers = (("content-type", "application/json"), ("content-length", str(len(self.body))), ("x-request-id", "req_real"))
        return Answering(Exchange(self.status, headers, (self.body,)))


@dataclass
class Between:
    """The server between, and the provider behind it."""

    chaos: Chaos
    upstream: Upstream
    live: Live


@contextlib.asynccontextmanager
async def between(*faults: str, budget: Budget | None = None, **how: Any) -> AsyncIterator[Between]:
    upstream = Upstream()
    behind = Server(upstream)
    await behind.start()
    live = Live(f"http://127.0.0.1:{behind.port}", Purse(budget or Budget()))
    scopes = Scopes(plan=make_plan(faults, **how))
    front = Front(scopes, live)
    front.server = server = Server(front)
    await server.start()
    try:
        async with asyncio.timeout(20):
            yield Between(Chaos(server, scopes), upstream, live)
    finally:
        await server.close()
        await live.close()
        await behind.close()


async def test_a_request_and_its_answer_are_passed_on_as_they_are() -> None:
    async with between() as there, there.chaos.client() as client:
        sent = post("/v1/chat/completions?api-version=7", chat(), "authorization: Bearer sk-mine", "x-agentlab-scope: t", "x-own: yes")
        await client.send(sent)
        status, headers = await client.head()
        assert (status, headers["x-request-id"]) == (200, "req_real")
        assert json.loads(await client.reader.readexactly(int(headers["content-length"]))) == GOOD
    [arrived] = there.upstream.asked
    assert arrived.target == "/v1/chat/completions?api-version=7"
    assert json.loads(arrived.wire.body) == chat()
    assert arrived.wire.headers["authorization"] == "Bearer sk-mine"
    assert arrived.wire.headers["x-own"] == "yes"
    assert "x-agentlab-scope" not in arrived.wire.headers


async def test_what_is_no_model_call_is_passed_on_and_never_struck() -> None:
    async with between("http_500") as there:
        status, _ = await there.chaos.ask(post("/v1/files", {"a": 1}))
        assert status == 200
        assert there.chaos.scopes.blows == []
        assert [arrived.wire.path for arrived in there.upstream.asked] == ["/v1/files"]


async def test_the_first_byte_of_a_stream_is_not_held_back() -> None:
    async with between() as there, there.chaos.client() as client:
        there.upstream.stream = stream = Stream()
        await client.send(post("/v1/chat/completions", chat(stream=True)))
        stream.pieces.put_nowait(b"data: 1\n\n")
        await client.head()
        pieces = client.pieces()
        assert await anext(pieces) == b"data: 1\n\n"
        stream.pieces.put_nowait(b"data: 2\n\n")
        assert await anext(pieces) == b"data: 2\n\n"
        stream.pieces.put_nowait(None)
        assert [piece async for piece in pieces] == []


async def test_a_stream_that_the_app_leaves_is_left_behind_the_server_too() -> None:
    async with between() as there:
        there.upstream.stream = stream = Stream()
        async with there.chaos.client() as client:
            await client.send(post("/v1/chat/completions", chat(stream=True)))
            stream.pieces.put_nowait(b"data: 1\n\n")
            await client.head()
        await stream.closed.wait()
        await there.chaos.server.idle()
        there.chaos.scopes.attend(there.chaos.scopes.of(""))


async def test_a_provider_that_breaks_off_is_passed_on_as_a_broken_connection() -> None:
    async with between() as there, there.chaos.client() as client:
        there.upstream.stream = stream = Stream(breaks=True)
        await client.send(post("/v1/chat/completions", chat(stream=True)))
        stream.pieces.put_nowait(b"data: 1\n\n")
        await client.head()
        assert await anext(client.pieces()) == b"data: 1\n\n"
        stream.pieces.put_nowait(None)
        with pytest.raises(ConnectionResetError):
            await client.reader.read()


async def test_a_fault_before_the_provider_costs_nothing() -> None:
    async with between("http_503") as there:
        assert (await there.chaos.ask())[0] == 503
        assert there.upstream.asked == []
        assert (await there.chaos.ask())[0] == 200
        [blow] = there.chaos.scopes.blows
        assert blow.taken == "recovered"


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("body_truncated_json", lambda body: body == json.dumps(GOOD).encode()[: len(body)] and 0 < len(body) < len(json.dumps(GOOD))),
        ("content_finish_length", lambda body: json.loads(body)["choices"][0]["finish_reason"] == "length"),
        ("content_empty_choices", lambda body: json.loads(body)["choices"] == []),
    ],
)
async def test_a_fault_behind_the_provider_changes_its_real_answer(fault: str, changed: Any) -> None:
    async with between(fault) as there:
        status, body = await there.chaos.ask()
        assert status == 200
        assert changed(body), body
        assert len(there.upstream.asked) == 1
        [blow] = there.chaos.scopes.blows
        assert blow.fault == fault


async def test_an_error_of_the_provider_is_told_and_not_taken_for_ours() -> None:
    async with between("body_truncated_json") as there:
        there.upstream.status, there.upstream.body = 429, b'{"error": {"message": "slow down"}}'
        status, body = await there.chaos.ask()
        assert (status, body) == (429, there.upstream.body)
        assert there.chaos.scopes.blows == []
        assert [entry.kind for entry in there.chaos.scopes.log] == ["refused"]


async def test_a_fault_that_does_not_fit_the_real_answer_is_told_so() -> None:
    async with between("content_empty_choices") as there:
        told: list[str] = []
        there.live.tell = told.append
        there.upstream.body = b'{"object": "something else"}'
        assert await there.chaos.ask() == (200, there.upstream.body)
        assert told == [
            "content_empty_choices has nothing to act on in the provider's answer to openai.chat.1, which is passed on as it is"
        ]
        assert there.chaos.scopes.blows == []


async def test_a_provider_that_is_not_there_is_a_502() -> None:
    async with between() as there:
        there.live._upstream = Way("http://127.0.0.1:9")
        status, body = await there.chaos.ask()
        assert status == 502
        assert b"cannot be reached (Connection refused)" in body


async def test_no_more_requests_than_the_budget_leave() -> None:
    async with between(budget=Budget(requests=2)) as there:
        answers = await asyncio.gather(*(there.chaos.ask() for _ in range(5)))
        assert sorted(status for status, _ in answers) == [200, 200, 402, 402, 402]
        assert len(there.upstream.asked) == 2
        assert any(b"raise it with --max-requests" in body for _, body in answers)


async def test_no_more_money_than_the_budget_is_spent() -> None:
    price = Price(10.0, 20.0)
    body = chat(max_tokens=1000)
    async with between(budget=Budget(dollars=0.05, price=price)) as there:
        statuses = [(await there.chaos.ask(post("/v1/chat/completions", body)))[0] for _ in range(3)]
        assert statuses == [200, 200, 402]
        assert there.live.purse.dollars == pytest.approx(2 * (1000 * 10 + 500 * 20) / 1e6)
        assert (await there.chaos.ask(ASK))[0] == 402


async def test_an_answer_that_cannot_be_recorded_is_passed_on_all_the_same() -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with between() as there:
        told: list[str] = []
        there.live.tell, there.live.keep = told.append, full
        assert (await there.chaos.ask())[0] == 200
        [sentence] = told
        assert sentence == "the provider's answer could not be recorded ([Errno 28] No space left on device); it is passed on all the same"


async def test_a_request_that_the_provider_refuses_costs_nothing() -> None:
    async with between(budget=Budget(dollars=0.02, price=Price(1.0, 20.0))) as there:
        there.upstream.status, there.upstream.body = 429, b'{"error": {"message": "slow down"}}'
        body = post("/v1/chat/completions", chat(max_tokens=900))
        assert [(await there.chaos.ask(body))[0] for _ in range(3)] == [429, 429, 429]
        assert (there.live.purse.requests, there.live.purse.dollars) == (3, pytest.approx(0))


async def test_a_request_that_is_kept_back_is_told_with_the_reason() -> None:
    async with between(budget=Budget(requests=0)) as there:
        assert (await there.chaos.ask())[0] == 402
        [entry] = there.chaos.scopes.log
        assert entry.text == (
            "answered 402 by agentlab: The budget of 0 requests to the real provider is used up; raise it with --max-requests."
        )


async def test_parallel_requests_cannot_overdraw_the_budget() -> None:
    async with between(budget=Budget(dollars=0.03, price=Price(1.0, 20.0))) as there:
        answers = await asyncio.gather(*(there.chaos.ask(post("/v1/chat/completions", chat(max_tokens=1000))) for _ in range(4)))
        assert sorted(status for status, _ in answers) == [200, 402, 402, 402]


@pytest.mark.parametrize(
    ("content", "usage"),
    [
        (json.dumps(GOOD).encode(), (1000, 500)),
        (b'{"usage": {"input_tokens": 3, "output_tokens": 4}}', (3, 4)),
        (b'{"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 6}}', (5, 6)),
        (
            (
                b'event: message_start\ndata: {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}}\n\n'
                b'event: message_delta\ndata: {"type": "message_delta", "usage": {"output_tokens": 9}}\n\n'
            ),
            (7, 9),
        ),
        (b'data: {"usage": null}\n\ndata: {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}\n\ndata: [DONE]\n\n', (1, 2)),
        (b'{"usage": {"input_tokens": 3, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 4}}', (28, 4)),
        (b'{"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 6, "thoughtsTokenCount": 90}}', (5, 96)),
        (b'{"usageMetadata": {"promptTokenCount": 5, "thoughtsTokenCount": 90}}', (5, 90)),
        (b"<html>", None),
        (b"[1]", None),
    ],
)
def test_usage_is_found_in_every_dialect(content: bytes, usage: tuple[int, int] | None) -> None:
    assert usage_in(content) == usage
