"""The real openai SDK through the seams, in virtual time: its own retries, timeouts and exceptions are those of the real wire."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from agentlab_faults.exchange import Break, Exchange, Pause, WireRequest
from agentlab_faults.intercept import End, armed
from agentlab_faults.sim import Simulation, TimeCapReached

JSON = ("content-type", "application/json")
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
GOOD = Exchange(headers=(JSON, ("x-request-id", "req_1")), body=(json.dumps(ANSWER).encode(),), before=(Pause(1.0),))
ERROR = Exchange(status=500, headers=(JSON,), body=(b'{"error":{"message":"The server had an error","type":"server_error"}}',))


class Wire:
    """Plays one exchange after the other, the last one for ever."""

    def __init__(self, *exchanges: Exchange) -> None:
        self.exchanges = exchanges
        self.requests: list[WireRequest] = []
        self.ends: list[End] = []

    def __call__(self, request: WireRequest) -> tuple[Exchange, Callable[[End], None]]:
        exchange = self.exchanges[min(len(self.requests), len(self.exchanges) - 1)]
        self.requests.append(request)
        return exchange, self.ends.append

    @property
    def retry_counts(self) -> list[str]:
        return [request.headers["x-stainless-retry-count"] for request in self.requests]


class Agent:
    """One call of the SDK, sync or async, and the virtual seconds that it took."""

    def __init__(self, *, sync: bool) -> None:
        self._sync = sync
        self.seconds = 0.0

    def ask(self, wire: Wire, *, cap: float = 7200.0, stream: bool = False, **options: Any) -> Any:
        with armed(wire) as watch, Simulation(seed=1, cap=cap) as simulation:
            try:
                return simulation.settle(self._ask_sync(stream, options) if self._sync else self._ask_async(stream, options))
            finally:
                self.seconds = simulation.now
                assert watch.escaped == []

    def _ask_sync(self, stream: bool, options: dict[str, Any]) -> Any:
        with openai.OpenAI(api_key="k", **options) as client:
            if not stream:
                return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            chunks = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
            return [chunk.choices[0].delta.content for chunk in chunks]

    async def _ask_async(self, stream: bool, options: dict[str, Any]) -> Any:
        async with openai.AsyncOpenAI(api_key="k", **options) as client:
            if not stream:
                return await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            chunks = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
            return [chunk.choices[0].delta.content async for chunk in chunks]


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def agent(request: pytest.FixtureRequest) -> Agent:
    return Agent(sync=request.param)


def test_a_good_answer(agent: Agent) -> None:
    wire = Wire(GOOD)
    answer = agent.ask(wire)
    assert answer.choices[0].message.content == "hello"
    assert answer._request_id == "req_1"
    assert agent.seconds == pytest.approx(1.0, abs=1e-6)
    (request,) = wire.requests
    assert (request.library, request.path, request.headers["authorization"]) == ("httpx2", "/v1/chat/completions", "Bearer k")
    assert json.loads(request.body)["messages"] == [{"role": "user", "content": "hi"}]
    assert (request.timeouts.connect, request.timeouts.read) == (5.0, 600.0)
    assert wire.ends == ["delivered"]


def test_a_single_500_is_swallowed_by_the_sdks_own_retry(agent: Agent) -> None:
    wire = Wire(ERROR, GOOD)
    assert agent.ask(wire).choices[0].message.content == "hello"
    assert wire.retry_counts == ["0", "1"]
    assert wire.ends == ["delivered", "delivered"]
    assert 1.3 < agent.seconds < 1.6


def test_a_500_that_stays_is_raised_after_two_retries(agent: Agent) -> None:
    wire = Wire(ERROR)
    with pytest.raises(openai.InternalServerError) as raised:
        agent.ask(wire)
    assert raised.value.body == {"message": "The server had an error", "type": "server_error"}
    assert wire.retry_counts == ["0", "1", "2"]


def test_retry_after_is_waited_for_in_virtual_time(agent: Agent) -> None:
    limited = Exchange(status=429, headers=(JSON, ("retry-after", "20")), body=(b"{}",))
    wire = Wire(limited, GOOD)
    agent.ask(wire)
    assert agent.seconds == pytest.approx(21.0, abs=0.01)


def test_a_refused_connection(agent: Agent) -> None:
    cause = ConnectionRefusedError(111, "Connection refused")
    wire = Wire(Exchange(before=(Break("ConnectError", "[Errno 111] Connection refused", cause),)))
    with pytest.raises(openai.APIConnectionError) as raised:
        agent.ask(wire, max_retries=0)
    assert isinstance(raised.value.__cause__, httpx2.ConnectError)
    assert wire.ends == ["broken"]


def test_a_connection_that_never_comes_ends_at_the_connect_timeout(agent: Agent) -> None:
    with pytest.raises(openai.APITimeoutError) as raised:
        agent.ask(Wire(Exchange(before=(Pause(math.inf, "connect"),))), max_retries=0)
    assert isinstance(raised.value.__cause__, httpx2.ConnectTimeout)
    assert agent.seconds == pytest.approx(5.0, abs=1e-6)


def test_an_answer_that_never_comes_costs_half_an_hour_with_the_sdks_defaults(agent: Agent) -> None:
    wire = Wire(Exchange(before=(Pause(math.inf),)))
    with pytest.raises(openai.APITimeoutError):
        agent.ask(wire)
    assert 1800 < agent.seconds < 1805
    assert wire.ends == ["timeout"] * 3


def test_without_a_timeout_it_hangs_to_the_cap(agent: Agent) -> None:
    wire = Wire(Exchange(before=(Pause(math.inf),)))
    with pytest.raises(TimeCapReached):
        agent.ask(wire, cap=100_000, timeout=None)
    assert wire.ends == ["abandoned"]


def test_a_reset_in_the_middle_of_the_body(agent: Agent) -> None:
    half = GOOD.content[:20]
    reset = Break("ReadError", "[Errno 104] Connection reset by peer", ConnectionResetError(104, "Connection reset by peer"))
    wire = Wire(Exchange(headers=(JSON, ("content-length", "200")), body=(half, reset)))
    with pytest.raises(openai.APIConnectionError) as raised:
        agent.ask(wire, max_retries=0)
    assert isinstance(raised.value.__cause__, httpx2.ReadError)
    assert wire.ends == ["broken"]


def test_a_body_shorter_than_its_length(agent: Agent) -> None:
    wire = Wire(Exchange(headers=(JSON, ("content-length", "200")), body=(GOOD.content[:20],)))
    with pytest.raises(openai.APIConnectionError) as raised:
        agent.ask(wire, max_retries=0)
    assert isinstance(raised.value.__cause__, httpx2.RemoteProtocolError)


def test_content_cut_clean_is_delivered_and_does_not_parse(agent: Agent) -> None:
    wire = Wire(Exchange(headers=(JSON,), body=(GOOD.content[:20],)))
    with pytest.raises(json.JSONDecodeError):
        agent.ask(wire, max_retries=0)
    assert wire.ends == ["delivered"]


def test_an_html_page_with_status_200_raises_nothing(agent: Agent) -> None:
    answer = agent.ask(Wire(Exchange(headers=(("content-type", "text/html"),), body=(b"<html>proxy</html>",))))
    assert answer == "<html>proxy</html>"


def event(content: str) -> bytes:
    chunk = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": content}}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


STREAM = (("content-type", "text/event-stream"),)


def test_a_stream_arrives_in_its_own_time(agent: Agent) -> None:
    wire = Wire(Exchange(headers=STREAM, body=(event("a"), Pause(2.0), event("b"), Pause(3.0), b"data: [DONE]\n\n")))
    assert agent.ask(wire, stream=True) == ["a", "b"]
    assert agent.seconds == pytest.approx(5.0, abs=1e-6)


def test_a_stream_that_stalls_is_a_timeout_of_the_sdk(agent: Agent) -> None:
    wire = Wire(Exchange(headers=STREAM, body=(event("a"), Pause(math.inf))))
    with pytest.raises(openai.APITimeoutError):
        agent.ask(wire, stream=True)
    assert agent.seconds == pytest.approx(600.0, abs=1e-6)
    assert wire.ends == ["timeout"]


def test_an_agents_own_timeout_abandons_the_request() -> None:
    wire = Wire(Exchange(before=(Pause(math.inf),)))

    async def impatient() -> None:
        async with openai.AsyncOpenAI(api_key="k") as client:
            await asyncio.wait_for(client.chat.completions.create(model="m", messages=[]), 30.0)

    with armed(wire), Simulation(seed=1, cap=7200) as simulation:
        with pytest.raises(TimeoutError):
            simulation.settle(impatient())
        assert simulation.now == pytest.approx(30.0, abs=1e-6)
    assert wire.ends == ["abandoned"]


def test_a_sync_agent_in_a_worker_thread_waits_in_virtual_time() -> None:
    agent, wire = Agent(sync=True), Wire(Exchange(before=(Pause(math.inf),)))

    async def main() -> None:
        await asyncio.to_thread(agent._ask_sync, False, {"max_retries": 0})

    with armed(wire), Simulation(seed=1, cap=7200) as simulation:
        with pytest.raises(openai.APITimeoutError):
            simulation.settle(main())
        assert simulation.now == pytest.approx(600.0, abs=1e-6)
    assert wire.ends == ["timeout"]
