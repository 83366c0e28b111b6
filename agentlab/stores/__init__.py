"""Where state outlives a process: versioned records, written by compare-and-set, so that two workers never both believe they were first."""

from __future__ import annotations

from agentlab.stores.guard import Guarded
from agentlab.stores.in_memory import InMemoryStore
from agentlab.stores.redis_store import RedisStore
from agentlab.stores.sqlite import SqliteStore
from agentlab.stores.store import Store, Stored

__all__ = ["Guarded", "InMemoryStore", "RedisStore", "SqliteStore", "Store", "Stored"]
