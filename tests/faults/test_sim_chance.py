"""Same seed, same chance; and the process gets its own back."""

# ruff: noqa: S311 - chance that repeats itself is the subject

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
import secrets
import subprocess
import sys
import tempfile
import textwrap
import time
import types
import uuid
from collections.abc import Callable
from os import urandom
from typing import Any

import pytest
from agentlab_faults.sim import Simulation
from agentlab_faults.sim.splice import twin

SOURCES: dict[str, Callable[[], Any]] = {
    "random": random.random,
    "gauss": lambda: random.gauss(0, 1),
    "an unseeded generator": lambda: random.Random().random(),
    "reseeded from nothing": lambda: (random.seed(), random.random()),
    "urandom": lambda: os.urandom(8),
    "an alias of urandom": lambda: urandom(8),
    "secrets": lambda: secrets.token_hex(8),
    "uuid4": uuid.uuid4,
    "uuid1": uuid.uuid1,
    "names of temporary files": lambda: next(tempfile._get_candidate_names()),  # type: ignore[attr-defined]
}


def draw(seed: int, source: Callable[[], Any]) -> list[Any]:
    async def agent() -> Any:
        await asyncio.sleep(1)
        return source()

    with Simulation(seed=seed, cap=10) as simulation:
        return [source(), simulation.settle(agent()), simulation.settle(asyncio.to_thread(source))]


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_seed_draws_the_same(name: str) -> None:
    first = draw(7, SOURCES[name])
    assert draw(7, SOURCES[name]) == first
    assert len(set(map(repr, first))) == 3


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "uuid1"])
def test_another_seed_draws_something_else(name: str) -> None:
    assert draw(7, SOURCES[name]) != draw(8, SOURCES[name])


def test_the_process_goes_on_with_its_own_state() -> None:
    random.seed(3)
    expected = [random.random(), random.gauss(0, 1), random.gauss(0, 1), random.random()]
    random.seed(3)
    seen = [random.random(), random.gauss(0, 1)]
    draw(7, random.random)
    seen += [random.gauss(0, 1), random.random()]
    assert seen == expected


def test_outside_a_simulation_chance_is_chance() -> None:
    draw(7, uuid.uuid4)
    assert uuid.uuid4() != uuid.uuid4()
    assert random.Random().random() != random.Random().random()
    assert uuid.getnode() != 0x0100_0000_0000


def test_ids_of_the_rust_library_follow_seed_and_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in of its shape: built-in functions that take keywords."""
    library = types.ModuleType("uuid_utils")
    vars(library).update(UUID=uuid.UUID, uuid4=twin(min), uuid7=twin(min), _uuid7_int=twin(min))
    monkeypatch.setitem(sys.modules, "uuid_utils", library)
    held = library.uuid7

    def ids() -> list[Any]:
        with Simulation(seed=4, cap=10):
            early = [library.uuid4(), held(), held(), held(timestamp=1_800_000_000, nanos=5)]
            time.sleep(1)
            return [*early, library.uuid7(nanoseconds=1_900_000_000_000_000_000), library._uuid7_int()]

    first = ids()
    assert ids() == first
    assert [made.version for made in first[:5]] == [4, 7, 7, 7, 7]
    assert first[1] < first[2] < first[3] < first[4] < uuid.UUID(int=first[5])
    assert first[1].int >> 80 == 1_700_000_000_000
    assert held([3, 2]) == 2


def test_a_negative_count_is_refused_as_ever() -> None:
    with Simulation(seed=1, cap=10), pytest.raises(ValueError, match="negative"):
        os.urandom(-1)


def test_two_processes_with_different_hash_seeds_tell_the_same_story() -> None:
    code = """
        import asyncio, datetime, random, tempfile, threading, time, uuid
        from agentlab_faults.sim import Simulation

        async def agent():
            await asyncio.sleep(random.expovariate(1))
            def work(n):
                time.sleep(random.random())
                return n, threading.current_thread().name, str(uuid.uuid4()), str(datetime.datetime.now())
            done = await asyncio.gather(*(asyncio.to_thread(work, n) for n in range(5)), return_exceptions=True)
            return done, [task.get_name() for task in asyncio.all_tasks()], next(tempfile._get_candidate_names()), str(uuid.uuid1())

        for cell in range(2):
            with Simulation(seed=5, cap=100) as simulation:
                print(simulation.settle(agent()), simulation.now_ns)
    """
    stories = [
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.splitlines()
        for seed in ("1", "2")
    ]
    assert stories[0] == stories[1]
    assert stories[0][0] == stories[0][1]


def test_stamps_of_a_simulation_do_not_depend_on_the_day() -> None:
    assert draw(1, lambda: dt.datetime.now(dt.UTC).isoformat())[0] == "2023-11-14T22:13:20+00:00"
