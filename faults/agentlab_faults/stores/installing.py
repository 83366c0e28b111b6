"""Putting the seams of stores in, once a process: now for the modules that are loaded, later for those that are not."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from agentlab_faults.intercept.importing import after_import

__all__ = ["install"]


@cache
def install() -> None:
    """Watch for redis-py and fakeredis. Imports neither."""
    after_import(
        {
            "redis.client": _client,
            "redis.connection": _connection,
            "redis.asyncio.client": _async_client,
            "redis.asyncio.connection": _async_connection,
            "fakeredis._clients._sync": _connection_class,
            "fakeredis._clients._async": _async_connection_class,
        }
    )


def _client(module: ModuleType) -> None:
    from agentlab_faults.stores.redis_py import seam_client  # noqa: PLC0415 - brings asyncio: not before redis is there

    seam_client(module)


def _async_client(module: ModuleType) -> None:
    from agentlab_faults.stores.redis_async import seam_async_client  # noqa: PLC0415 - as above

    seam_async_client(module)


def _connection(module: ModuleType) -> None:
    from agentlab_faults.stores.serving import seam_pool  # noqa: PLC0415 - as above

    _connection_class(module)
    seam_pool(module)


def _connection_class(module: ModuleType) -> None:
    from agentlab_faults.stores.redis_py import seam_connection  # noqa: PLC0415 - as above

    seam_connection(module)


def _async_connection(module: ModuleType) -> None:
    from agentlab_faults.stores.serving import seam_async_pool  # noqa: PLC0415 - as above

    _async_connection_class(module)
    seam_async_pool(module)


def _async_connection_class(module: ModuleType) -> None:
    from agentlab_faults.stores.redis_async import seam_async_connection  # noqa: PLC0415 - as above

    seam_async_connection(module)
