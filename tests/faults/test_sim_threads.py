"""Threads of pools live in virtual time; real ones are told apart."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from agentlab_faults.sim import Deadlock, RealThreadWaits, Simulation


@pytest.fixture
def sim() -> Iterator[Simulation]:
    with Simulation(seed=1, cap=1000, watchdog=10) as simulation:
        yield simulation
    assert simulation.leftovers == ()


def sleep_and_return(seconds: float, value: Any) -> Any:
    time.sleep(seconds)
    return value


def test_sleep_in_to_thread_takes_virtual_time(sim: Simulation) -> None:
    assert sim.settle(asyncio.to_thread(sleep_and_return, 5, "slept")) == "slept"
    assert sim.now == 5


def test_tasks_go_on_while_a_worker_sleeps(sim: Simulation) -> None:
    async def agent() -> list[tuple[str, float]]:
        seen = []

        async def task() -> None:
            await asyncio.sleep(3)
            seen.append(("task", sim.now))

        def work() -> None:
            time.sleep(5)
            seen.append(("worker", sim.now))

        await asyncio.gather(asyncio.to_thread(work), task())
        return seen

    assert sim.settle(agent()) == [("task", 3.0), ("worker", 5.0)]


def test_wait_for_gives_up_on_a_worker_at_exactly_its_timeout(sim: Simulation) -> None:
    async def agent() -> None:
        await asyncio.wait_for(asyncio.to_thread(time.sleep, 500), 30)

    with pytest.raises(TimeoutError):
        sim.settle(agent())
    assert sim.now == 30


async def _nested() -> str:
    await asyncio.sleep(7)
    return "nested"


@pytest.mark.parametrize("run", [lambda: asyncio.run(_nested()), lambda: anyio.run(_nested)], ids=["asyncio.run", "anyio.run"])
def test_an_event_loop_inside_a_worker_shares_the_clock(sim: Simulation, run: Callable[[], str]) -> None:
    async def agent() -> list[str]:
        return list(await asyncio.gather(asyncio.to_thread(run), asyncio.sleep(3, "outer")))

    assert sim.settle(agent()) == ["nested", "outer"]
    assert sim.now == 7


def test_wait_for_gives_up_on_a_nested_loop_at_exactly_its_timeout(sim: Simulation) -> None:
    async def agent() -> None:
        await asyncio.wait_for(asyncio.to_thread(lambda: asyncio.run(asyncio.sleep(500))), 30)

    with pytest.raises(TimeoutError):
        sim.settle(agent())
    assert sim.now == 30


def test_a_blocking_sleep_inside_a_nested_task_keeps_every_task_its_own(sim: Simulation) -> None:
    async def agent() -> list[Any]:
        async def nested() -> str:
            before = asyncio.current_task()
            time.sleep(2)  # noqa: ASYNC251 - it is the case
            assert asyncio.current_task() is before
            return "nested"

        async def outer() -> str:
            before = asyncio.current_task()
            await asyncio.sleep(1)
            assert asyncio.current_task() is before
            return "outer"

        return list(await asyncio.gather(asyncio.to_thread(lambda: asyncio.run(nested())), outer()))

    assert sim.settle(agent()) == ["nested", "outer"]


def test_anyio_workers_may_call_back_into_the_loop(sim: Simulation) -> None:
    def work() -> tuple[str, float]:
        time.sleep(2)
        value = anyio.from_thread.run(asyncio.sleep, 3, "back")
        return value, anyio.from_thread.run_sync(lambda: sim.now)

    async def agent() -> list[tuple[str, float]]:
        return [await anyio.to_thread.run_sync(work) for _ in range(2)]

    assert sim.settle(agent()) == [("back", 5.0), ("back", 10.0)]


def test_anyio_leaves_a_worker_behind_at_exactly_its_timeout(sim: Simulation) -> None:
    async def agent() -> bool:
        with anyio.move_on_after(4) as scope:
            await anyio.to_thread.run_sync(time.sleep, 100, abandon_on_cancel=True)
        return scope.cancelled_caught

    assert sim.settle(agent())
    assert sim.now == 4


@pytest.mark.parametrize("where", ["main", "worker"])
def test_a_blocking_portal_runs_in_virtual_time(sim: Simulation, where: str) -> None:
    def work() -> str:
        with anyio.from_thread.start_blocking_portal() as portal:
            return portal.call(asyncio.sleep, 3, "called")

    assert (work() if where == "main" else sim.settle(asyncio.to_thread(work))) == "called"
    assert sim.now == 3


def test_events_conditions_and_queues_block_in_virtual_time(sim: Simulation) -> None:
    event, mailbox = threading.Event(), queue.Queue[int]()

    def setter() -> None:
        time.sleep(3)
        event.set()
        time.sleep(1)
        mailbox.put(1)

    def waiter() -> tuple[bool, bool, int, float]:
        return event.wait(2), event.wait(), mailbox.get(timeout=5), sim.now

    def loser() -> float:
        with pytest.raises(queue.Empty):
            queue.Queue[int]().get(timeout=8)
        return sim.now

    async def agent() -> list[Any]:
        return list(await asyncio.gather(*(asyncio.to_thread(work) for work in (waiter, setter, loser))))

    assert sim.settle(agent()) == [(False, True, 1, 4.0), None, 8.0]


_MADE_BEFORE = {"lock": threading.Lock(), "reentrant": threading.RLock()}


@pytest.mark.parametrize("lock", [*_MADE_BEFORE.values(), None], ids=[*_MADE_BEFORE, "new"])
def test_a_lock_that_is_held_while_sleeping_keeps_the_others_out(sim: Simulation, lock: Any) -> None:
    lock = lock or threading.Lock()
    spans = []

    def work() -> None:
        with lock:
            start = sim.now
            time.sleep(2)
            spans.append((start, sim.now))

    async def agent() -> None:
        await asyncio.gather(*(asyncio.to_thread(work) for _ in range(3)))

    sim.settle(agent())
    assert spans == [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)]
    assert lock.acquire(blocking=False)
    lock.release()


def test_a_reentrant_lock_counts_per_worker(sim: Simulation) -> None:
    lock, seen = threading.RLock(), []

    def work(name: str) -> None:
        with lock, lock:
            time.sleep(1)
            seen.append(name)
        assert not lock._is_owned()  # type: ignore[attr-defined]

    async def agent() -> None:
        await asyncio.gather(asyncio.to_thread(work, "a"), asyncio.to_thread(work, "b"))
        with pytest.raises(RuntimeError):
            lock.release()

    sim.settle(agent())
    assert (seen, sim.now) == (["a", "b"], 2.0)


def test_a_condition_wakes_in_order_and_honours_its_timeout(sim: Simulation) -> None:
    condition, order = threading.Condition(), []

    def consumer(name: str) -> None:
        with condition:
            order.append((name, condition.wait(timeout=10), sim.now))

    def producer() -> None:
        for _ in range(2):
            time.sleep(1)
            with condition:
                condition.notify()

    async def agent() -> None:
        await asyncio.gather(*(asyncio.to_thread(consumer, name) for name in "abc"), asyncio.to_thread(producer))

    sim.settle(agent())
    assert order == [("a", True, 1.0), ("b", True, 2.0), ("c", False, 10.0)]


def test_a_simple_queue_blocks_in_virtual_time(sim: Simulation) -> None:
    mailbox: queue.SimpleQueue[str] = queue.SimpleQueue()

    async def agent() -> list[Any]:
        def put() -> None:
            time.sleep(2)
            mailbox.put("late")

        return list(await asyncio.gather(asyncio.to_thread(mailbox.get), asyncio.to_thread(put)))

    assert sim.settle(agent()) == ["late", None]
    with pytest.raises(queue.Empty):
        mailbox.get(timeout=3)
    assert sim.now == 5


def test_run_coroutine_threadsafe_answers_a_worker(sim: Simulation) -> None:
    async def agent() -> str:
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(asyncio.sleep(4, "v"), loop).result(10))

    assert sim.settle(agent()) == "v"
    assert sim.now == 4


def test_a_pool_works_in_parallel_up_to_its_size_without_any_loop(sim: Simulation) -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(sleep_and_return, seconds, seconds) for seconds in (1, 2, 3)]
        assert [future.result() for future in futures] == [1, 2, 3]
        assert sim.now == 4
        slow = pool.submit(time.sleep, 5)
        with pytest.raises(concurrent.futures.TimeoutError):
            slow.result(timeout=1)
        assert sim.now == 5
        assert list(pool.map(functools.partial(sleep_and_return, 1), "abc")) == ["a", "b", "c"]
    assert sim.now == 9
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(time.sleep, 1)


def test_leaving_a_pool_waits_for_its_work(sim: Simulation) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(sleep_and_return, 9, "done")
    assert (done.result(timeout=0), sim.now) == ("done", 9.0)


def test_a_pool_can_cancel_what_has_not_begun(sim: Simulation) -> None:
    pool = concurrent.futures.ThreadPoolExecutor(1)
    running, waiting = pool.submit(time.sleep, 3), pool.submit(time.sleep, 3)
    time.sleep(1)
    pool.shutdown(cancel_futures=True)
    assert (running.done(), waiting.cancelled(), sim.now) == (True, True, 3.0)


def test_a_pool_is_broken_if_its_initializer_fails(sim: Simulation) -> None:
    with concurrent.futures.ThreadPoolExecutor(1, initializer=lambda: 1 / 0) as pool:
        with pytest.raises(concurrent.futures.BrokenExecutor):
            pool.submit(time.sleep, 1).result()
        with pytest.raises(concurrent.futures.BrokenExecutor):
            pool.submit(time.sleep, 1)


def test_an_exception_in_a_worker_reaches_the_caller(sim: Simulation) -> None:
    def work() -> None:
        time.sleep(1)
        raise SystemExit(4)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        future = pool.submit(work)
        with pytest.raises(SystemExit):
            future.result()


def test_asyncio_run_waits_for_the_workers_it_leaves_behind(sim: Simulation) -> None:
    async def agent() -> None:
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 50)
        await asyncio.sleep(1)

    asyncio.run(agent())
    assert sim.now == 50


def test_timers_fire_in_virtual_time(sim: Simulation) -> None:
    fired: list[float] = []
    timer = threading.Timer(5, lambda: fired.append(sim.now))
    timer.start()
    time.sleep(3)
    assert timer.is_alive()
    assert fired == []
    timer.join()
    assert fired == [5.0]
    assert not timer.is_alive()


def test_workers_are_not_the_main_thread_and_have_their_own_context(sim: Simulation) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    def work() -> tuple[bool, str]:
        time.sleep(1)
        return threading.current_thread() is threading.main_thread(), variable.get()

    async def agent() -> list[Any]:
        variable.set("agent's")
        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(None, work), await asyncio.to_thread(work)]

    assert sim.settle(agent()) == [(False, "unset"), (False, "agent's")]
    assert threading.current_thread() is threading.main_thread()


def test_a_worker_has_no_running_loop_of_its_own(sim: Simulation) -> None:
    def work() -> str:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        time.sleep(1)
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return "bare"

    assert sim.settle(asyncio.to_thread(work)) == "bare"


def test_a_deadlock_of_workers_is_reported_with_their_stacks() -> None:
    lock = threading.Lock()

    def second() -> None:
        lock.acquire()
        lock.acquire()

    with pytest.raises(Deadlock, match=r"in second: lock\.acquire"), Simulation(seed=1, cap=10) as simulation:
        simulation.settle(asyncio.to_thread(second))


def test_what_a_real_thread_brings_is_waited_for_in_real_time_and_noted(sim: Simulation) -> None:
    event = threading.Event()

    def work() -> None:
        real = sum(range(200_000))
        assert real
        event.set()

    thread = threading.Thread(target=work, name="a-real-thread")
    thread.start()
    assert event.wait()
    thread.join()
    assert sim.now == 0
    assert sim.real_threads == ("a-real-thread",)


def test_an_answer_from_a_real_thread_reaches_a_coroutine(sim: Simulation) -> None:
    async def agent() -> str:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(answer.set_result, "answer"))
        thread.start()
        value = await answer
        thread.join()
        return value

    assert sim.settle(agent()) == "answer"


def test_a_real_socket_is_read_in_real_time_and_noted(sim: Simulation) -> None:
    async def agent() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"echo\n")
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
        return line

    assert not sim.real_io
    assert sim.settle(agent()) == b"echo\n"
    assert sim.real_io


def test_a_signal_handler_of_the_loop_is_called(sim: Simulation) -> None:
    async def agent() -> str:
        loop = asyncio.get_running_loop()
        caught: asyncio.Future[str] = loop.create_future()
        loop.add_signal_handler(signal.SIGUSR1, caught.set_result, "caught")
        signal.raise_signal(signal.SIGUSR1)
        return await caught

    assert sim.settle(agent()) == "caught"


def test_a_lock_that_a_real_thread_holds_is_waited_for(sim: Simulation) -> None:
    lock, held, over = threading.Lock(), threading.Event(), threading.Event()

    def holder() -> None:
        with lock:
            held.set()
            over.wait(0.01)

    thread = threading.Thread(target=holder)
    thread.start()
    held.wait()
    with lock:
        assert sim.now == 0
    thread.join()


def test_waiting_on_a_real_thread_is_ended_by_the_watchdog_and_told_apart() -> None:
    over = threading.Event()
    real_wait = over.wait
    thread = threading.Thread(target=_busy, args=(over,), daemon=True)
    try:
        with Simulation(seed=1, cap=10, watchdog=0.3) as simulation:
            thread.start()
            with pytest.raises(RealThreadWaits, match="Thread-"):
                simulation.settle(asyncio.to_thread(thread.join))
    finally:
        over.set()
        real_wait()
        thread.join()


def _busy(over: threading.Event) -> None:
    while not over.is_set():
        time.sleep(0.001)


def test_a_thread_that_an_earlier_run_left_asleep_hides_no_deadlock() -> None:
    over = threading.Event()

    def looks_round() -> None:
        while not over.is_set():
            time.sleep(0.02)

    left = threading.Thread(target=looks_round, daemon=True)
    with Simulation(seed=1, cap=10):
        left.start()
    try:
        with pytest.raises(Deadlock), Simulation(seed=1, cap=10, watchdog=5.0) as simulation:
            simulation.settle(asyncio.Event().wait())
    finally:
        over.set()
        left.join()
