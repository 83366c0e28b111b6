"""Real descriptors in a simulation: an answer that is due from one stops the clock, and only for as long as it can come."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from agentlab_faults.sim import RealThreadWaits, Simulation
from agentlab_faults.sim.active import standing_still


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The agent's end of a connection, and the far one."""
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        yield near, far


async def _ask(near: socket.socket) -> bytes:
    with standing_still():
        return await asyncio.get_running_loop().sock_recv(near, 10)


def _answered(far: socket.socket, agent: Callable[[], Awaitable[bytes]]) -> tuple[bytes, float]:
    """What the agent gets, and when, if the far end answers after 50 ms of real time."""
    answer = threading.Timer(0.05, far.sendall, [b"pong"])
    answer.start()  # before the simulation: a real thread
    try:
        with Simulation(seed=1, cap=100, watchdog=5) as simulation:
            return simulation.settle(agent()), simulation.now
    finally:
        answer.join()


def test_no_timer_overtakes_an_answer_that_is_due(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    assert _answered(far, lambda: asyncio.wait_for(_ask(near), 0.001)) == (b"pong", 0)


def test_code_that_blocks_its_loop_while_an_answer_is_due_is_not_stopped_by_it(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends

    async def agent() -> bytes:
        asking = asyncio.create_task(_ask(near))
        await asyncio.sleep(0)
        time.sleep(3)  # noqa: ASYNC251 - what is tested
        return await asking

    assert _answered(far, agent) == (b"pong", 3)


def test_an_answer_that_never_comes_is_the_watchdogs_and_not_the_agents(ends: tuple[socket.socket, socket.socket]) -> None:
    near, _ = ends
    with Simulation(seed=1, cap=100, watchdog=0.2) as simulation, pytest.raises(RealThreadWaits, match="a real socket or process"):
        simulation.settle(asyncio.wait_for(_ask(near), 1))
    assert simulation.now == 0


def test_an_answer_that_nobody_waits_for_any_more_lets_time_go_on(ends: tuple[socket.socket, socket.socket]) -> None:
    near, _ = ends

    async def agent() -> str:
        asking = asyncio.create_task(_ask(near))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.sleep(3)
        return "done"

    with Simulation(seed=1, cap=100, watchdog=5) as simulation:
        assert simulation.settle(agent()) == "done"
        assert simulation.now == 3
