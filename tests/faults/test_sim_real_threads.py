"""Real threads beside a simulation: they keep real time, may not run its loops, and what one run leaves behind is nothing to the next."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import httpx2
import openai
import pytest
import redis
from agentlab_faults import Setup, Talk, Tool, play, tool
from agentlab_faults.played import Store
from agentlab_faults.script import Say, ScriptSpec
from agentlab_faults.sim import Simulation

ASKED = Setup(
    scripts=(ScriptSpec(turns=(Say("Done."),)),),
    prompts=("Go.",),
    tools={"refund": Tool(name="refund", effect="write", identity=("order",))},
    stores={"redis": Store(data={"user:7": "Ann"})},
)


def _in_a_thread(body: Callable[[], object], name: str = "beside") -> object:
    """What `body` returns or raises on a real thread."""
    got: list[object] = []

    def run() -> None:
        try:
            got.append(body())
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            got.append(error)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join()
    return got[0]


def test_a_thread_that_does_nothing_but_run_a_loop_of_the_simulation_is_in_virtual_time() -> None:
    with Simulation(seed=1, cap=1000, watchdog=10) as sim:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        assert asyncio.run_coroutine_threadsafe(asyncio.sleep(40, "answer"), loop).result(60) == "answer"
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        assert (sim.now, sim.real_threads, thread.is_alive()) == (40, (), False)
    assert sim.leftovers == ()


@pytest.mark.parametrize("made", ["new_event_loop", "Runner"])
def test_a_loop_of_the_simulation_is_refused_to_a_real_thread(made: str) -> None:
    with Simulation(seed=1, cap=1000, watchdog=10) as sim:
        runner = asyncio.Runner()
        loop = runner.get_loop() if made == "Runner" else asyncio.new_event_loop()
        waits = asyncio.sleep(5)
        error = _in_a_thread(lambda: loop.run_until_complete(waits))
        waits.close()
        assert isinstance(error, RuntimeError)
        assert str(error).startswith(
            "A real thread (beside), which is not in virtual time, wanted to run an event loop that is; make the loop in"
        )
        assert (sim.now, sim.refusals) == (0, (str(error),))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_agent_that_gives_its_loop_to_a_real_thread_is_the_labs_failure_and_no_hang() -> None:
    threads: list[threading.Thread] = []

    def agent(prompt: str) -> str:
        loop = asyncio.new_event_loop()

        def serve() -> None:
            asyncio.set_event_loop(loop)
            loop.run_forever()

        threads.append(threading.Thread(target=serve, name="loop", daemon=True))
        threads[0].start()
        answer = asyncio.sleep(1, prompt)
        with suppress(TimeoutError):
            return asyncio.run_coroutine_threadsafe(answer, loop).result(5)
        answer.close()
        return "no answer"

    played = play(_talk(agent), ASKED)
    threads[0].join()  # its error is told within this test
    assert played.ending == "lab"
    assert played.problems[0].startswith("A real thread (loop), which is not in virtual time")


@pytest.mark.parametrize("kind", [queue.Queue, queue.SimpleQueue])
def test_a_real_thread_waits_for_a_queue_in_real_time(kind: Callable[[], queue.Queue[int]]) -> None:
    mailbox = kind()

    def empty() -> float:
        start = time.monotonic()
        with pytest.raises(queue.Empty):
            mailbox.get(timeout=0.05)
        return time.monotonic() - start

    with Simulation(seed=1, cap=1000, watchdog=10) as sim:
        waited = _in_a_thread(empty)
        assert isinstance(waited, float)
        assert waited >= 0.04
        mailbox.put(7)
        assert _in_a_thread(lambda: mailbox.get(timeout=5)) == 7
        assert sim.now == 0


@tool
def refund(order: str) -> str:
    """A tool whose body must not run."""
    raise AssertionError(order)


def _talk(agent: Callable[[str], str]) -> Callable[[Talk], None]:
    def conversation(talk: Talk) -> None:
        talk.reply(agent("Go."))

    return conversation


def _ask(_prompt: str = "") -> str:
    client = openai.OpenAI(api_key="sk-test", max_retries=0)
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Go."}]).choices[0].message.content or ""


DEEDS: dict[str, tuple[Callable[[], object], type[Exception]]] = {
    "provider": (_ask, openai.APIConnectionError),
    "tool": (lambda: refund(order="5512"), RuntimeError),
    "network": (lambda: httpx2.get("http://shop.example/"), httpx2.ConnectError),
    "store": (lambda: redis.Redis(host="redis.example", retry=None).get("user:7"), redis.ConnectionError),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_a_real_thread_does_that_an_earlier_run_left_behind_is_no_part_of_a_later_one(deed: str) -> None:
    does, refused = DEEDS[deed]
    go, left, got = threading.Event(), list[threading.Thread](), list[object]()

    def waits() -> None:
        go.wait()
        child = threading.Thread(target=lambda: got.append(_in_a_thread(does)))
        child.start()
        child.join()

    def leaves(prompt: str) -> str:
        left.append(threading.Thread(target=waits, daemon=True))
        left[0].start()
        return _ask(prompt)

    def goes_on(prompt: str) -> str:
        go.set()
        left[0].join()
        return _ask(prompt)

    assert play(_talk(leaves), ASKED).ending == "returned"
    later = play(_talk(goes_on), ASKED)
    assert (later.ending, later.problems, later.requests) == ("returned", (), 1)
    assert later.ledger.executions == []
    assert isinstance(got[0], refused)
