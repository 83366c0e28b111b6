"""A store in Redis or Valkey, shared by the workers of a fleet. Needs the extra `redis`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentlab.errors import ConflictError
from agentlab.loops import LoopWatch
from agentlab.stores.store import Stored

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisStore"]


class RedisStore:
    """Records as hashes, compared and set in one transaction (WATCH, MULTI, EXEC).

    `client` is a URL (`redis://host:6379/0`) or a client of `redis.asyncio`, which stays the caller's to close. Records go after `ttl`
    seconds without a write (None: never). `prefix` keeps them apart from what else is there.

    >>> import asyncio, fakeredis
    >>> store = RedisStore(fakeredis.FakeAsyncRedis(), ttl=3600)
    >>> asyncio.run(store.save("greeting", "hello", expected=0))
    1
    """

    def __init__(self, client: str | Redis, *, ttl: float | None = None, prefix: str = "agentlab:") -> None:
        self._url = client if isinstance(client, str) else ""
        self._client: Any = None if isinstance(client, str) else client
        self._ttl = ttl
        self._prefix = prefix
        self._loop = LoopWatch()

    async def load(self, key: str) -> Stored | None:
        """The record; None if there is none."""
        value, version = await self._redis().hmget(self._prefix + key, ["value", "version"])
        return None if version is None else Stored(_text(value), int(version))

    async def save(self, key: str, value: str, *, expected: int) -> int:
        """Compare and set. Raises ConflictError."""
        from redis import WatchError  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

        name = self._prefix + key
        async with self._redis().pipeline(transaction=True) as pipe:
            await pipe.watch(name)
            if int(await pipe.hget(name, "version") or 0) != expected:
                raise ConflictError(f"{key} has another version than {expected}")
            pipe.multi()
            pipe.hset(name, mapping={"value": value, "version": expected + 1})
            if self._ttl is not None:
                pipe.pexpire(name, int(self._ttl * 1000))
            try:
                await pipe.execute()
            except WatchError:
                raise ConflictError(f"{key} was written meanwhile") from None
        return expected + 1

    async def aclose(self) -> None:
        """Close the connections that this store has opened itself."""
        if self._url and self._client is not None:
            client, self._client = self._redis(), None
            await client.aclose()

    def _redis(self) -> Any:
        if self._client is None:
            from redis.asyncio import Redis  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

            self._client = Redis.from_url(self._url, socket_timeout=None)
        if self._loop.over():
            self._client.connection_pool.reset()
        return self._client


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
