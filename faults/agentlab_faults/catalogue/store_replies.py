"""Faults of the boundary state that are error replies: the store is there, reads the command, and refuses it.

The words are those of Redis 8. redis-py makes its exceptions of them by its own table: some are errors of the connection there, and are
retried ten times, others are not retried at all.
"""

from __future__ import annotations

from agentlab_faults.catalogue.rates import HARMLESS, PASSES, RETRIED, STAYS, STORE, often
from agentlab_faults.fault import BreaksStore, Row, StoreCall, StoreStrike, register
from agentlab_faults.stores.commands import BLOCKING, GROUPS

__all__ = [
    "BusyScript",
    "CannotPersist",
    "ClusterDown",
    "Loading",
    "MasterDown",
    "NoGroup",
    "NoScript",
    "NotAuthenticated",
    "NotEnoughReplicas",
    "NotPermitted",
    "OutOfMemory",
    "ReadOnlyReplica",
    "TooManyClients",
    "Unblocked",
]


class _Refuses(BreaksStore):
    """The server does nothing and replies with an error."""

    reply: str

    def strike(self, call: StoreCall) -> StoreStrike:
        """The command is refused."""
        del call  # every command fares alike
        return StoreStrike(runs=False, error=self.reply)


@register(
    Row(
        id="redis_readonly",
        boundary="state",
        family="store reply",
        category="transient",
        scope="store",
        best=RETRIED,
        why="The new master takes writes within moments of a failover; as long as none does, the work has to go on without the store.",
        happens="A failover: the client still talks to the old master, which is a replica now.",
        agent_should="Disconnect, look the master up again (Sentinel, DNS) and retry once or twice with a pause.",
        kinds=frozenset({"store"}),
        effect="write",
        **often(STORE, 0.06, harm=2),
    )
)
class ReadOnlyReplica(_Refuses):
    """A write is refused because the server has become a read-only replica."""

    reply: str = "READONLY You can't write against a read only replica."


@register(
    Row(
        id="redis_oom",
        boundary="state",
        family="store reply",
        category="transient",
        scope="store",
        best=RETRIED,
        why="Memory comes back when keys expire; until then reads work and writes do not.",
        happens="The store is full and its policy is noeviction.",
        agent_should="Stop writing what can be done without, keep reading, and raise an alarm.",
        kinds=frozenset({"store"}),
        effect="write",
        **often(STORE, 0.05, harm=2),
    )
)
class OutOfMemory(_Refuses):
    """A write is refused because the store's memory is full."""

    reply: str = "OOM command not allowed when used memory > 'maxmemory'."


@register(
    Row(
        id="redis_loading",
        boundary="state",
        family="store reply",
        category="transient",
        scope="store",
        best=PASSES,
        why="Loading ends; redis-py takes the error for one of the connection and retries ten times within about five seconds.",
        happens="The server was restarted and reads its data back.",
        agent_should="Wait within the deadline, and do what can be done without the store meanwhile.",
        kinds=frozenset({"store"}),
        **often(STORE, 0.03, harm=1),
    )
)
class Loading(_Refuses):
    """Every command is refused while the server loads its data after a restart."""

    reply: str = "LOADING Redis is loading the dataset in memory"


@register(
    Row(
        id="redis_maxclients",
        boundary="state",
        family="store reply",
        category="transient",
        scope="store",
        best=PASSES,
        why="Connections are freed again; redis-py reconnects ten times, which is a storm of its own when many clients do so.",
        happens="Pools without a limit, or a leak of connections, use up the server's maxclients.",
        agent_should="Cap each pool below its share of maxclients, and back off.",
        kinds=frozenset({"store"}),
        **often(STORE, 0.04, harm=2),
    )
)
class TooManyClients(_Refuses):
    """The server refuses the client because too many are connected."""

    reply: str = "ERR max number of clients reached"


@register(
    Row(
        id="redis_noauth",
        boundary="state",
        family="store reply",
        category="auth",
        scope="store",
        best=STAYS,
        why="A password that is missing stays missing; redis-py retries it all the same, as an error of the connection.",
        happens="A password was set or rotated on the server and the client has none.",
        agent_should="Do not retry; degrade, and tell the operator.",
        kinds=frozenset({"store"}),
        **often(STORE, 0.02, harm=2),
    )
)
class NotAuthenticated(_Refuses):
    """The server wants a password that the client did not give."""

    reply: str = "NOAUTH Authentication required."


@register(
    Row(
        id="redis_noperm",
        boundary="state",
        family="store reply",
        category="auth",
        scope="store",
        best=STAYS,
        why="Rights do not come back by asking again.",
        happens="An access list was tightened.",
        agent_should="Stop, degrade, and tell the operator which command is not allowed.",
        kinds=frozenset({"store"}),
        **often(STORE, 0.01, harm=2),
    )
)
class NotPermitted(_Refuses):
    """The user may not run the command."""

    reply: str = "NOPERM User default has no permissions to run this command"


@register(
    Row(
        id="redis_masterdown",
        boundary="state",
        family="store reply",
        category="transient",
        scope="store",
        best=RETRIED,
        why="The link comes back or another replica answers; a stale answer would have been worse.",
        happens="A replica has lost its master and is told not to serve old data.",
        agent_should="Retry later or read from the master.",
        kinds=frozenset({"store"}),
        effect="read",
        **often(STORE, 0.03, harm=2),
    )
)
class MasterDown(_Refuses):
    """A read is refused by a replica that has lost its master."""

    reply: str = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."


@register(
    Row(
        id="redis_clusterdown",
        boundary="state",
        family="store reply",
        category="transient",
        scope="store",
        best=RETRIED,
        why="A cluster elects new masters within seconds; a plain client does not retry by itself.",
        happens="A majority of the cluster's masters cannot be reached.",
        agent_should="Back off and retry within the deadline.",
        kinds=frozenset({"store"}),
        **often(STORE, 0.02, harm=2),
    )
)
class ClusterDown(_Refuses):
    """The cluster refuses every command."""

    reply: str = "CLUSTERDOWN The cluster is down"


@register(
    Row(
        id="redis_misconf",
        boundary="state",
        family="store reply",
        category="transient",
        scope="store",
        best=RETRIED,
        why="Writes are taken again once a snapshot has been saved.",
        happens="The disk under the store is full or read-only.",
        agent_should="Stop writes, go on reading, and raise an alarm; do not keep retrying.",
        kinds=frozenset({"store"}),
        effect="write",
        **often(STORE, 0.02, harm=2),
    )
)
class CannotPersist(_Refuses):
    """A write is refused because the server cannot save its snapshots."""

    reply: str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."


@register(
    Row(
        id="redis_noreplicas",
        boundary="state",
        family="store reply",
        category="transient",
        scope="store",
        best=RETRIED,
        why="Replicas come back; until then the server protects writes by refusing them.",
        happens="Replicas are down or lag behind, and min-replicas-to-write is set.",
        agent_should="Back off and retry within the deadline.",
        kinds=frozenset({"store"}),
        effect="write",
        **often(STORE, 0.02, harm=2),
    )
)
class NotEnoughReplicas(_Refuses):
    """A write is refused because too few replicas would get it."""

    reply: str = "NOREPLICAS Not enough good replicas to write."


@register(
    Row(
        id="redis_unblocked",
        boundary="state",
        family="store reply",
        category="transient",
        scope="store",
        best=RETRIED,
        why="The same blocking command can be sent again to the new master.",
        happens="A failover happens while a client waits for a list or a stream.",
        agent_should="Send the command again, after a pause.",
        kinds=frozenset({"store"}),
        methods=BLOCKING - {"wait"},
        **often(STORE, 0.02, harm=2),
    )
)
class Unblocked(_Refuses):
    """A waiting command is thrown off because the server changed its role."""

    reply: str = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"


@register(
    Row(
        id="redis_busy_script",
        boundary="state",
        family="store reply",
        category="transient",
        scope="store",
        best=PASSES,
        why="The script ends or is killed.",
        happens="Someone runs a Lua script that takes seconds.",
        agent_should="Back off and retry within the deadline.",
        kinds=frozenset({"store"}),
        **often(STORE, 0.01, harm=2),
    )
)
class BusyScript(_Refuses):
    """Every command is refused while a script blocks the server."""

    reply: str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."


@register(
    Row(
        id="redis_noscript",
        boundary="state",
        family="store reply",
        category="transient",
        scope="store",
        best=HARMLESS,
        why="The script's text is in the client's hands, so EVAL works each time.",
        happens="The server was restarted or failed over, and its cache of scripts is empty.",
        agent_should="Send the script once with EVAL (redis-py's register_script loads it again).",
        kinds=frozenset({"store"}),
        methods=frozenset({"evalsha"}),
        **often(STORE, 0.02, harm=1),
    )
)
class NoScript(_Refuses):
    """The server does not know the script of an EVALSHA any more."""

    reply: str = "NOSCRIPT No matching script. Please use EVAL."


@register(
    Row(
        id="redis_nogroup",
        boundary="state",
        family="store reply",
        category="permanent",
        scope="store",
        best=RETRIED,
        why="The group can be made again and the command repeated; if it keeps vanishing, the stream cannot be used.",
        happens="The stream was evicted, or the group was lost with a failover.",
        agent_should="Make the group again (MKSTREAM) from the last known id, and say that messages may be lost.",
        kinds=frozenset({"store"}),
        methods=GROUPS,
        **often(STORE, 0.02, harm=3),
    )
)
class NoGroup(_Refuses):
    """The stream's consumer group is gone."""

    reply: str = "NOGROUP No such key 'stream' or consumer group 'group'"
