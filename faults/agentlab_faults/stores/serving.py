"""A Redis server in memory for one run: it answers every client that the agent makes, wherever that client means to connect to."""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

from agentlab_faults.stores import hub

__all__ = ["in_memory", "own_servers", "seam_async_pool", "seam_pool"]

_KEPT: Final = frozenset(
    [
        "host",
        "port",
        "db",
        "username",
        "password",
        "socket_timeout",
        "socket_connect_timeout",
        "retry",
        "retry_on_error",
        "retry_on_timeout",
        "health_check_interval",
        "encoding",
        "encoding_errors",
        "decode_responses",
        "client_name",
        "protocol",
        "credential_provider",
    ]
)
"""Settings of a connection that mean something where there is no socket."""


def in_memory(data: Mapping[str, Any]) -> Any:
    """A fresh server that holds `data`: texts, lists (as lists) and mappings (as hashes) by key. Raises ImportError without fakeredis."""
    fakeredis: Any = importlib.import_module("fakeredis")
    server = fakeredis.FakeServer(server_type="redis", version=(7, 4))
    with hub.unseen():
        client = fakeredis.FakeRedis(server=server)
        for key, value in data.items():
            _put(client, key, value)
        client.close()
    return server


def _put(client: Any, key: str, value: Any) -> None:
    if isinstance(value, Mapping):
        client.hset(key, mapping={name: _text(part) for name, part in value.items()})
    elif isinstance(value, Sequence) and not isinstance(value, str):
        client.rpush(key, *map(_text, value))
    else:
        client.set(key, _text(value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


@contextlib.contextmanager
def own_servers() -> Iterator[None]:
    """Clients of fakeredis that name no server share one by address, as long as the process lives; in this block, as long as it lasts."""
    core: Any = sys.modules.get("fakeredis._core._server")
    if core is None:
        yield
        return
    before, core.FakeServer._servers_map = core.FakeServer._servers_map, {}
    try:
        yield
    finally:
        core.FakeServer._servers_map = before


def seam_pool(module: ModuleType) -> None:
    """Have the pools of `redis.connection` make connections to the run's server."""
    redis: Any = module
    for pool in (redis.ConnectionPool, redis.BlockingConnectionPool):
        _served(pool, "fakeredis._clients._sync", "FakeRedisConnection")


def seam_async_pool(module: ModuleType) -> None:
    """The same for `redis.asyncio.connection`."""
    redis: Any = module
    for pool in (redis.ConnectionPool, redis.BlockingConnectionPool):
        _served(pool, "fakeredis._clients._async", "FakeAsyncRedisConnection")


def _served(pool: Any, module: str, name: str) -> None:
    below: Callable[..., Any] | None = vars(pool).get("make_connection")
    if below is None or hasattr(below, "agentlab_seam"):
        return

    @functools.wraps(below)
    def make_connection(self: Any) -> Any:
        room = hub.room()
        if room is None or room.server is None:
            return below(self)
        fake = getattr(importlib.import_module(module), name)
        own, settings = self.connection_class, self.connection_kwargs
        if issubclass(own, fake):
            return below(self)
        self.connection_class = fake
        self.connection_kwargs = {key: value for key, value in settings.items() if key in _KEPT} | {"server": room.server}
        try:
            made = below(self)
        finally:
            self.connection_class, self.connection_kwargs = own, settings
        made.agentlab_served = True
        return made

    make_connection.agentlab_seam = True  # type: ignore[attr-defined]  # how a second look knows our own wrapper
    pool.make_connection = make_connection
