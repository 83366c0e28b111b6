"""A store in this process: for tests, and for several agents of one process. Gone when it ends."""

from __future__ import annotations

from agentlab.errors import ConflictError
from agentlab.stores.store import Stored

__all__ = ["InMemoryStore"]


class InMemoryStore:
    """Records in a dictionary.

    >>> import asyncio
    >>> asyncio.run(InMemoryStore().save("greeting", "hello", expected=0))
    1
    """

    def __init__(self) -> None:
        self._records: dict[str, Stored] = {}

    async def load(self, key: str) -> Stored | None:
        """The record; None if there is none."""
        return self._records.get(key)

    async def save(self, key: str, value: str, *, expected: int) -> int:
        """Compare and set. Raises ConflictError."""
        found = self._records.get(key)
        if (found.version if found else 0) != expected:
            raise ConflictError(f"{key} has another version than {expected}")
        self._records[key] = Stored(value, expected + 1)
        return expected + 1

    async def aclose(self) -> None:
        """Nothing is open."""
