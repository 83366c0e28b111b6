"""Code that spins is ended in real time, and a process that cannot be ended exits."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable

import pytest
from agentlab_faults.sim import Simulation, SimulationEnded, WatchdogFired


def spin(_: Simulation) -> None:
    while True:
        pass


def spin_until(over: Callable[[], bool]) -> None:
    while not over():
        pass


@pytest.mark.parametrize("where", ["main", "task", "worker"])
def test_code_that_spins_is_ended_by_the_watchdog(where: str) -> None:
    async def task(simulation: Simulation) -> None:
        spin(simulation)

    def run(simulation: Simulation) -> None:
        if where == "main":
            spin(simulation)
        simulation.settle(task(simulation) if where == "task" else asyncio.to_thread(spin, simulation))

    with pytest.raises(WatchdogFired, match="in spin"), Simulation(seed=1, cap=10, watchdog=0.1) as simulation:
        run(simulation)


def test_a_task_that_spins_beside_another_leaves_nothing_behind() -> None:
    async def agent() -> None:
        beside = asyncio.create_task(asyncio.sleep(1000))
        await asyncio.sleep(1)
        spin_until(beside.done)

    with Simulation(seed=1, cap=10_000, watchdog=0.2) as simulation, pytest.raises(WatchdogFired):
        simulation.settle(agent())
    assert simulation.leftovers == ()


def test_code_that_swallows_the_watchdog_once_meets_it_again() -> None:
    with Simulation(seed=1, cap=10, watchdog=0.1) as simulation:
        with pytest.raises(WatchdogFired):
            spin(simulation)
        with pytest.raises(WatchdogFired):
            time.sleep(1)


def test_code_that_swallows_it_for_ever_gets_the_second_level() -> None:
    over = threading.Event()
    called_on: list[threading.Thread] = []

    def on_stuck() -> None:
        called_on.append(threading.current_thread())
        over.set()

    def swallow() -> None:
        while not over.is_set():
            try:
                spin_until(over.is_set)
            except WatchdogFired:
                continue

    with Simulation(seed=1, cap=10, watchdog=0.2, on_stuck=on_stuck) as simulation:
        swallow()
        with pytest.raises(WatchdogFired):
            simulation.settle(None)
    assert called_on[0] is not threading.main_thread()


def test_a_stuck_process_exits_with_3_by_default() -> None:
    code = """
        from agentlab_faults.sim import Simulation
        def spin():
            while True: pass
        def swallow():
            while True:
                try: spin()
                except BaseException: pass
        with Simulation(seed=1, cap=10, watchdog=0.2): swallow()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "cannot be ended" in done.stderr


def test_a_simulation_on_another_thread_has_its_watchdog_too() -> None:
    ends: list[BaseException] = []

    def lab() -> None:
        try:
            with Simulation(seed=1, cap=10, watchdog=0.2) as simulation:
                spin(simulation)
        except SimulationEnded as end:
            ends.append(end)

    thread = threading.Thread(target=lab)
    thread.start()
    thread.join()
    assert isinstance(ends[0], WatchdogFired)


def test_the_watchdog_gives_the_signal_back() -> None:
    def mine(*_: object) -> None: ...

    before = signal.signal(signal.SIGALRM, mine)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1000)
        with Simulation(seed=1, cap=10):
            pass
        assert signal.getsignal(signal.SIGALRM) is mine
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 900
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_watchdog_needs_seconds(seconds: float) -> None:
    with pytest.raises(ValueError, match="watchdog"):
        Simulation(seed=1, cap=10, watchdog=seconds)
