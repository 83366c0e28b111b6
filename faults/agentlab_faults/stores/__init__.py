"""Stores: what an agent sends to Redis, seen inside redis-py's own retries and reconnects, on a real server or on fakeredis."""

from agentlab_faults.stores.hub import watching
from agentlab_faults.stores.installing import install
from agentlab_faults.stores.serving import own_servers

__all__ = ["install", "own_servers", "watching"]
