"""The protocol of a store, small enough to write one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Store", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """A record: its text, and its version (from 1)."""

    value: str
    version: int


class Store(Protocol):
    """Versioned records by key. Any method may raise whatever the store's client raises when it is away: callers guard themselves."""

    async def load(self, key: str) -> Stored | None:
        """The record; None if there is none."""
        ...

    async def save(self, key: str, value: str, *, expected: int) -> int:
        """Write the record if its version is `expected` (0: there is none yet), and return the new version. Raises ConflictError."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...
