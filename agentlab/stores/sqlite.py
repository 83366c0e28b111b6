"""A store in one file, shared by the processes of one machine. Each operation runs in a thread with a connection of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentlab.errors import ConflictError
from agentlab.stores.store import Stored
from agentlab.threads import in_thread

__all__ = ["SqliteStore"]

BUSY = 1.0
"""Seconds that an operation waits for another process that writes."""
TABLE = "CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, version INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID"


class SqliteStore:
    """Records in an SQLite file (write-ahead log: readers do not wait for the writer). The file is made at the first use."""

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._made = False
        if self._path in {"", ":memory:"}:
            raise ValueError("A SqliteStore needs a file; for records in memory use InMemoryStore.")

    async def load(self, key: str) -> Stored | None:
        """The record; None if there is none."""
        return await in_thread(self._load, key)

    async def save(self, key: str, value: str, *, expected: int) -> int:
        """Compare and set. Raises ConflictError."""
        return await in_thread(self._save, key, value, expected)

    async def aclose(self) -> None:
        """Nothing is open between operations."""

    def _load(self, key: str) -> Stored | None:
        with self._connected() as connection:
            row = connection.execute("SELECT value, version FROM records WHERE key = ?", (key,)).fetchone()
        return Stored(*row) if row else None

    def _save(self, key: str, value: str, expected: int) -> int:
        with self._connected() as connection:
            if expected == 0:
                done = connection.execute("INSERT OR IGNORE INTO records (key, version, value) VALUES (?, 1, ?)", (key, value))
            else:
                done = connection.execute(
                    "UPDATE records SET version = version + 1, value = ? WHERE key = ? AND version = ?", (value, key, expected)
                )
        if done.rowcount != 1:
            raise ConflictError(f"{key} has another version than {expected}")
        return expected + 1

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection in autocommit: each statement is one transaction."""
        connection = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None)
        try:
            if not self._made:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(TABLE)
                self._made = True
            yield connection
        finally:
            connection.close()
