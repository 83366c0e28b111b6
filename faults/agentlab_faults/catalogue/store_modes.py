"""The modes of stores."""

from __future__ import annotations

from agentlab_faults.catalogue.modes import Mode, add_mode
from agentlab_faults.catalogue.store_connections import StoreRefused, StoreReplyLost, StoreTimeout
from agentlab_faults.catalogue.store_data import KeyEvicted
from agentlab_faults.catalogue.store_replies import OutOfMemory, ReadOnlyReplica
from agentlab_faults.fault import Fault
from agentlab_faults.schedule import Injection, Window


def _store(fault: Fault, *, window: Window | None = None, every: int = 1) -> Injection:
    """The fault at every command that it can act on."""
    return Injection(fault=fault, kind="store", shape="always", window=window or Window(), every=every)


add_mode(
    Mode(
        name="store-down",
        summary="Nobody listens at the store's address for the whole run.",
        happens="The store's machine, or the network to it, is down.",
        best="needs_fallback",
        why="Only an agent that can do its work without the store gets through; else it has to be said.",
        injections=(_store(StoreRefused()),),
    )
)
add_mode(
    Mode(
        name="store-failover",
        summary="For the first 5 s the store refuses connections, and for 5 s more it is a read-only replica.",
        happens="A managed store replaces its master: some seconds without anyone, then the old address leads to a replica for a while.",
        best="needs_fallback",
        why="Ten retries within five seconds just do not reach the end of it, and a read-only error is not retried by the client at all.",
        injections=(_store(StoreRefused(), window=Window(0.0, 5.0)), _store(ReadOnlyReplica(), window=Window(5.0, 10.0))),
    )
)
add_mode(
    Mode(
        name="store-silent",
        summary="The store takes every command and its reply never comes.",
        happens="The server swaps, is stuck in a slow script, or a firewall drops its packets.",
        best="needs_fallback",
        why="Each command costs the client's timeout times its retries, so the agent has to leave the store out before its deadline.",
        injections=(_store(StoreTimeout()),),
    )
)
add_mode(
    Mode(
        name="store-full",
        summary="The store takes no writes because its memory is full; reads work.",
        happens="Keys without a time to live add up, under the policy noeviction.",
        best="needs_fallback",
        why="Writes fail for the whole run, so what they were for has to be done without them or be refused.",
        injections=(_store(OutOfMemory()),),
    )
)
add_mode(
    Mode(
        name="store-flaky",
        summary="The reply to every second command is lost after the command has run.",
        happens="A proxy in front of the store drops connections under load.",
        best="recoverable",
        why="The client's retry gets its reply; commands that may run twice do no harm.",
        injections=(_store(StoreReplyLost(), every=2),),
    )
)
add_mode(
    Mode(
        name="store-forgets",
        summary="Every key is evicted just before it is read.",
        happens="The store is used as a cache with too little memory, and as a memory by an agent.",
        best="undetectable",
        why="A lost key looks like one that never was, so it is reported as exposure.",
        injections=(_store(KeyEvicted()),),
    )
)
