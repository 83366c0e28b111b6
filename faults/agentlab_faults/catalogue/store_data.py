"""Faults of the boundary state that raise nothing: the store answers, and what it holds is old, gone, or never expires."""

from __future__ import annotations

from typing import Any

from agentlab_faults.catalogue.rates import HARMLESS, HIDDEN, RETRIED, STORE, often
from agentlab_faults.fault import BreaksStore, Row, StoreCall, StoreStrike, register

__all__ = ["KeyEvicted", "LockExpired", "StaleReplica", "TtlLost", "WriteLostInFailover"]

_VALUES = frozenset(
    [
        "exists",
        "get",
        "hget",
        "hgetall",
        "hmget",
        "lindex",
        "llen",
        "lrange",
        "mget",
        "scard",
        "sismember",
        "smembers",
        "xlen",
        "xrange",
        "zcard",
        "zrange",
        "zscore",
    ]
)
"""Reads of a key's value."""


@register(
    Row(
        id="redis_stale_replica_read",
        boundary="state",
        family="store data",
        category="semantic",
        scope="store",
        best=HIDDEN,
        why="A replica that lags answers as well-formed as the master.",
        happens="Reads go to a replica that has not yet got the write.",
        agent_should="Read what was just written from the master, or store a version beside it.",
        kinds=frozenset({"store"}),
        methods=_VALUES,
        **often(STORE, 0.04, harm=3),
    )
)
class StaleReplica(BreaksStore):
    """A read is answered by a replica that has not got the key yet."""

    @staticmethod
    def _nothing(value: Any) -> Any:
        if isinstance(value, dict | set):
            return type(value)()
        if isinstance(value, list):
            return [None] * len(value) if any(part is None for part in value) else []
        return 0 if isinstance(value, int) else None

    def strike(self, call: StoreCall) -> StoreStrike:
        del call  # every read fares alike
        return StoreStrike(rewrite=self._nothing)


@register(
    Row(
        id="redis_ttl_lost",
        boundary="state",
        family="store data",
        category="semantic",
        scope="store",
        best=HARMLESS,
        why="The reply says -1, which a client can check and mend with EXPIRE each time.",
        happens="A SET without KEEPTTL wrote over the key and took its time to live away.",
        agent_should="Check that locks and sessions have a time to live, and set it again.",
        kinds=frozenset({"store"}),
        methods=frozenset({"ttl", "pttl"}),
        **often(STORE, 0.03, harm=2),
    )
)
class TtlLost(BreaksStore):
    """The key has lost its time to live when the client asks for it."""

    def strike(self, call: StoreCall) -> StoreStrike:
        return StoreStrike(first=(("PERSIST", call.key),))


@register(
    Row(
        id="redis_key_evicted",
        boundary="state",
        family="store data",
        category="semantic",
        scope="store",
        best=HIDDEN,
        why="A key that was evicted looks like one that never was.",
        happens="Memory is short and the policy evicts; or the key expired earlier than the agent thought.",
        agent_should="Tell 'new' from 'lost' by a version or a tombstone elsewhere, and do not take lost state for a first visit.",
        kinds=frozenset({"store"}),
        methods=_VALUES | {"ttl", "pttl"},
        **often(STORE, 0.03, harm=3),
    )
)
class KeyEvicted(BreaksStore):
    """The key is evicted just before it is read."""

    def strike(self, call: StoreCall) -> StoreStrike:
        return StoreStrike(first=(("DEL", call.key),))


@register(
    Row(
        id="redis_lost_writes_failover",
        boundary="state",
        family="store data",
        category="semantic",
        scope="store",
        best=HIDDEN,
        why="The server had acknowledged the write; nothing told that it was never replicated.",
        happens="Replication is asynchronous: the master dies with writes that no replica has.",
        agent_should="Keep effects in a durable store, or WAIT for replicas, and read back what must not be lost.",
        kinds=frozenset({"store"}),
        effect="write",
        methods=frozenset(
            [
                "append",
                "decr",
                "decrby",
                "expire",
                "hdel",
                "hincrby",
                "hmset",
                "hset",
                "incr",
                "incrby",
                "lpush",
                "rpush",
                "sadd",
                "set",
                "setex",
                "setnx",
                "srem",
                "xadd",
                "zadd",
            ]
        ),
        **often(STORE, 0.02, harm=3),
    )
)
class WriteLostInFailover(BreaksStore):
    """A write is acknowledged and gone after the failover that follows."""

    def strike(self, call: StoreCall) -> StoreStrike:
        del call  # every write fares alike
        return StoreStrike(forgets=True)


@register(
    Row(
        id="redis_lock_expired",
        boundary="state",
        family="store lock",
        category="semantic",
        scope="store",
        best=RETRIED,
        why="The owner is told when it lets go of the lock; a fencing token keeps it from overwriting the next owner.",
        happens="The work under a lock takes longer than the lock's time to live: a pause, a slow model call.",
        agent_should="Use a fencing token, extend the lock while working, and read LockNotOwnedError as 'another may have done it too'.",
        kinds=frozenset({"store"}),
        effect="write",
        methods=frozenset({"set"}),
        **often(STORE, 0.01, harm=3),
    )
)
class LockExpired(BreaksStore):
    """A lock (SET with NX) runs out as soon as it is taken."""

    def strike(self, call: StoreCall) -> StoreStrike:
        is_lock = "NX" in [word.upper() for word in call.arguments[2:]]
        return StoreStrike(then=(("DEL", call.key),) if is_lock else ())
