"""Faults of the boundary state that break the connection to the store, or are a matter of time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from agentlab_faults.catalogue.rates import PASSES, STAYS, STORE, often
from agentlab_faults.fault import Best, BreaksStore, Row, Shape, StoreCall, StoreStrike, register

__all__ = ["StoreConnectionLost", "StoreGarbage", "StoreRefused", "StoreReplyCut", "StoreReplyLost", "StoreSlowOnce", "StoreTimeout"]

_LASTING: Mapping[Shape, Best] = {"x3": "recoverable", "always": "needs_fallback"}
"""Its `once` is a fault of its own, since redis-py hides it."""
_ONCE: Mapping[Shape, Best] = {"once": "recoverable"}


@register(
    Row(
        id="redis_conn_refused",
        boundary="state",
        family="store connection",
        category="transient",
        scope="store",
        best=PASSES,
        why="redis-py tries to connect eleven times within about five seconds; after that, what needs the store cannot be done.",
        happens="The server is down, restarts, or is not where the configuration says.",
        agent_should="Degrade where the store is a cache; refuse the work where it holds locks or budgets.",
        kinds=frozenset({"store"}),
        **often(STORE, 0.12, harm=2),
    )
)
class StoreRefused(BreaksStore):
    """Nobody listens at the store's address."""

    def strike(self, call: StoreCall) -> StoreStrike:
        del call  # every command fares alike
        return StoreStrike(refused=True)


@register(
    Row(
        id="redis_conn_lost_after_send",
        boundary="state",
        family="store connection",
        category="transient",
        scope="store",
        best=_LASTING,
        why="redis-py sends the command again up to ten times; if no reply ever comes, nobody knows how often it ran.",
        happens="A failover, a proxy that is restarted, or a firewall that forgets idle connections.",
        agent_should="Send commands that are not idempotent (INCR, LPUSH, XADD) without retries, or in a script with a request id.",
        kinds=frozenset({"store"}),
        outcome_unknown=True,
        **often(STORE, 0.05, harm=3),
    )
)
class StoreConnectionLost(BreaksStore):
    """The server executes the command, and the connection ends before its reply: three times, or each time."""

    lost: Literal["closed", "reset"] = "closed"

    def strike(self, call: StoreCall) -> StoreStrike:
        del call  # every command fares alike
        return StoreStrike(lost=self.lost)


@register(
    Row(
        id="redis_conn_lost_once",
        boundary="state",
        family="store connection",
        category="semantic",
        scope="store",
        best=_ONCE,
        why="The retry is redis-py's own and raises nothing; what must happen once has to be guarded by the command itself.",
        happens="One dropped packet, one connection closed by a proxy.",
        agent_should="Make each write idempotent: SET with a value, SET NX with an id, a script with a request id.",
        kinds=frozenset({"store"}),
        **often(STORE, 0.08, harm=3),
    )
)
class StoreReplyLost(BreaksStore):
    """The server executes the command, its reply is lost, and redis-py sends it a second time without a word."""

    def strike(self, call: StoreCall) -> StoreStrike:
        del call  # every command fares alike
        return StoreStrike(lost="closed")


@register(
    Row(
        id="redis_timeout",
        boundary="state",
        family="store timing",
        category="transient",
        scope="store",
        best=_LASTING,
        why="Each try waits for the client's whole timeout (5 s by default), so eleven of them take about a minute.",
        happens="The server is busy with a slow command, swaps, or the network loses packets.",
        agent_should="Give the store a deadline of its own, well below the agent's, and fewer retries.",
        kinds=frozenset({"store"}),
        outcome_unknown=True,
        **often(STORE, 0.12, harm=3),
    )
)
class StoreTimeout(BreaksStore):
    """The server executes the command and its reply does not come in time."""

    silence: float = math.inf

    def strike(self, call: StoreCall) -> StoreStrike:
        del call  # every command fares alike
        return StoreStrike(delay=self.silence)


@register(
    Row(
        id="redis_slow_once",
        boundary="state",
        family="store timing",
        category="semantic",
        scope="store",
        best=_ONCE,
        why="redis-py gives up after its timeout, asks again and raises nothing: the command ran twice.",
        happens="One slow command of somebody else's, a snapshot, a pause of the machine.",
        agent_should="Use commands that may run twice, or guard them with an id.",
        kinds=frozenset({"store"}),
        **often(STORE, 0.1, harm=3),
    )
)
class StoreSlowOnce(BreaksStore):
    """One reply comes a second after the client's default timeout, and the command is sent again."""

    seconds: float = 6.0

    def strike(self, call: StoreCall) -> StoreStrike:
        del call  # every command fares alike
        return StoreStrike(delay=self.seconds)


@register(
    Row(
        id="redis_garbage",
        boundary="state",
        family="store connection",
        category="permanent",
        scope="store",
        best=STAYS,
        why="What answers there is no store, and will be none at the next try; redis-py does not retry it.",
        happens="The port belongs to something else: an HTTP server, a TLS port without TLS.",
        agent_should="Take it for a wrong configuration: stop, degrade, tell the operator.",
        kinds=frozenset({"store"}),
        **often(STORE, 0.01, harm=2),
    )
)
class StoreGarbage(BreaksStore):
    """The bytes that come back are not of Redis' protocol."""

    garbage: str = "HTTP/1.1 400 Bad Request"

    def strike(self, call: StoreCall) -> StoreStrike:
        del call  # every command fares alike
        return StoreStrike(runs=False, garbage=self.garbage.encode())


@register(
    Row(
        id="redis_truncated_bulk",
        boundary="state",
        family="store connection",
        category="transient",
        scope="store",
        best=PASSES,
        why="redis-py throws the half reply away and asks again on a new connection.",
        happens="The server or a proxy dies while it sends a large reply.",
        agent_should="Nothing for reads; for writes the same as for a lost reply.",
        kinds=frozenset({"store"}),
        **often(STORE, 0.02, harm=2),
    )
)
class StoreReplyCut(BreaksStore):
    """The reply breaks off in the middle and the connection ends."""

    def strike(self, call: StoreCall) -> StoreStrike:
        del call  # every command fares alike
        return StoreStrike(lost="truncated")
