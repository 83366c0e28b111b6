"""A store that never holds a run up: every operation is bounded, a breaker remembers that it is away, and there are two errors only."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from agentlab import telemetry
from agentlab.bounds import Deadline, within
from agentlab.breaker import Breaker, BreakerPolicy
from agentlab.errors import BreakerOpenError, ConflictError, StoreAwayError
from agentlab.stores.store import Store, Stored

__all__ = ["Guarded"]

T = TypeVar("T")

LONGEST = 2.0
"""Seconds that one operation may take."""
POLICY = BreakerPolicy(failures=2, reset=10.0)


class Guarded:
    """A store as a run uses it, under a name. Raises ConflictError, and StoreAwayError for everything else that goes wrong; TypeError for
    what is no store (its URL)."""

    def __init__(self, store: Store, name: str) -> None:
        if not all(callable(getattr(store, needed, None)) for needed in ("load", "save", "aclose")):
            raise TypeError(
                f"The store of {name} must have load, save and aclose, as SqliteStore(...) does; {type(store).__name__} has not."
            )
        self.name = name
        self._store = store
        self._breaker = Breaker(f"store:{name}", POLICY, telemetry.breaker_changed)

    async def load(self, key: str, deadline: Deadline) -> Stored | None:
        """The record, if there is one, before the deadline."""
        return await self._bounded(self._store.load(key), deadline)

    async def save(self, key: str, value: str, *, expected: int, deadline: Deadline) -> int:
        """Compare and set, before the deadline."""
        return await self._bounded(self._store.save(key, value, expected=expected), deadline)

    async def aclose(self) -> None:
        """Close the store."""
        await self._store.aclose()

    async def _bounded(self, work: Coroutine[Any, Any, T], deadline: Deadline) -> T:
        try:
            permit = await self._breaker.admit(2 * LONGEST)
        except BreakerOpenError as error:
            work.close()
            raise StoreAwayError(f"The store of {self.name} is away: {error}") from error
        seconds = min(LONGEST, deadline.remaining)
        try:
            found = await within(seconds, work)
        except ConflictError:
            await permit.succeed()
            raise
        except Exception as error:
            if seconds == LONGEST or not isinstance(error, TimeoutError):
                await permit.fail()
            raise StoreAwayError(f"The store of {self.name} is away ({type(error).__name__})") from error
        else:
            await permit.succeed()
            return found
        finally:
            await permit.release()
