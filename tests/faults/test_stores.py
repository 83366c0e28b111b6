"""The faults of stores, through redis-py, sync and async: what is raised, how often it was sent, how long it took.

The table is the wire catalogue's (redis 8.1.0): ten retries with 10 ms to 1 s between them, a timeout of 5 s.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

import fakeredis
import pytest
import redis
import redis.asyncio
from agentlab_faults import BreaksStore, Injection, Played, Point, Schedule, Setup, StoreCall, StoreStrike, Talk, play
from agentlab_faults.catalogue import mode_schedule, select
from agentlab_faults.fault import Shape, all_faults
from agentlab_faults.journal import StoreAnswered, StoreAsked
from agentlab_faults.played import Store
from redis.backoff import NoBackoff
from redis.retry import Retry

SETUP = Setup(stores={"redis": Store(data={"user:7": "Ann", "cart": ["pen", "ink"], "profile": {"city": "Ulm"}})})
FAULTS = [fault for fault in select(["*"]) if issubclass(fault, BreaksStore)]
Does = Callable[[Any], Any]

LOCK = "SET", "lock", "me", "NX", "PX", "30000"
DOES: dict[str, tuple[str, Does]] = {
    "get": ("redis.get.1", lambda client: client.get("user:7")),
    "set": ("redis.set.1", lambda client: client.set("user:7", "Bob")),
    "incr": ("redis.incrby.1", lambda client: client.incr("visits")),
    "ttl": ("redis.ttl.1", lambda client: client.ttl("session")),
    "lock": ("redis.set.1", lambda client: client.execute_command(*LOCK)),
    "blpop": ("redis.blpop.1", lambda client: client.blpop(["cart"], 1)),
    "evalsha": ("redis.evalsha.1", lambda client: client.evalsha("ab12", 0)),
    "xack": ("redis.xack.1", lambda client: client.xack("orders", "workers", "1-0")),
}


def run(does: Does, schedule: Schedule | None = None, *, sync: bool = True, setup: Setup = SETUP, **settings: Any) -> Played:
    """An agent that has a session with a time to live, does one thing with its store, and tells what came of it."""

    async def agent() -> Any:
        client = redis.asyncio.Redis(host="redis.example", **settings)
        try:
            await client.set("session", "open", ex=600)
            return await settle(does(client))
        except Exception as error:  # noqa: BLE001 - what is raised is what is tested
            return error
        finally:
            await client.aclose()

    def sync_agent() -> Any:
        client = redis.Redis(host="redis.example", **settings)
        try:
            client.set("session", "open", ex=600)
            return does(client)
        except Exception as error:  # noqa: BLE001 - as above
            return error

    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(sync_agent() if sync else talk.settle(agent()))

    return play(conversation, setup, schedule or Schedule(), seed=1)


async def settle(value: Awaitable[Any] | Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def single(name: str, at: str, shape: Shape = "once", **settings: Any) -> Schedule:
    return Schedule("t", (Injection(fault=all_faults()[name](**settings), at=at, shape=shape),))


def sent(played: Played, point: str) -> int:
    return sum(isinstance(event, StoreAsked) and event.point == point for event in played.journal)


def struck(name: str, what: str, shape: Shape = "once", *, sync: bool = True, **settings: Any) -> tuple[Any, int, Played]:
    """(what came of it, tries, the run)."""
    at, does = DOES[what]
    at = at.replace(".set.1", ".set.2") if what in ("set", "lock") else at  # the session's SET is the first
    played = run(does, single(name, at, shape), sync=sync, **settings)
    assert played.problems == ()
    assert played.ending == "returned"
    return played.replies[0], sent(played, at), played


BACKOFF = (2.0, 6.0)
AT_ONCE = (0.0, 0.0)
MEASURED = [
    # fault, shape, command, raises, its text, tries, seconds
    ("redis_conn_refused", "always", "get", redis.ConnectionError, "Error 111 connecting to redis.example:6379.", 11, BACKOFF),
    ("redis_conn_lost_after_send", "always", "incr", redis.ConnectionError, "Connection closed by server.", 11, BACKOFF),
    ("redis_timeout", "always", "get", redis.TimeoutError, "Timeout reading from ", 11, (57.0, 61.0)),
    ("redis_readonly", "once", "set", redis.ReadOnlyError, "You can't write against a read only replica.", 1, AT_ONCE),
    ("redis_oom", "once", "set", redis.OutOfMemoryError, "command not allowed when used memory > 'maxmemory'.", 1, AT_ONCE),
    ("redis_loading", "always", "get", redis.BusyLoadingError, "Redis is loading the dataset in memory", 11, BACKOFF),
    ("redis_maxclients", "always", "get", redis.ConnectionError, "max number of clients reached", 11, BACKOFF),
    ("redis_noauth", "always", "get", redis.AuthenticationError, "Authentication required.", 11, BACKOFF),
    ("redis_noperm", "once", "get", redis.exceptions.NoPermissionError, "User default has no permissions", 1, AT_ONCE),
    ("redis_masterdown", "once", "get", redis.exceptions.MasterDownError, "Link with MASTER is down", 1, AT_ONCE),
    ("redis_clusterdown", "once", "get", redis.exceptions.ClusterDownError, "The cluster is down", 1, AT_ONCE),
    ("redis_misconf", "once", "set", redis.ResponseError, "MISCONF Redis is configured to save RDB snapshots", 1, AT_ONCE),
    ("redis_noreplicas", "once", "set", redis.ResponseError, "NOREPLICAS Not enough good replicas to write.", 1, AT_ONCE),
    ("redis_unblocked", "once", "blpop", redis.ResponseError, "UNBLOCKED force unblock from blocking operation", 1, AT_ONCE),
    ("redis_busy_script", "once", "get", redis.ResponseError, "BUSY Redis is busy running a script.", 1, AT_ONCE),
    ("redis_noscript", "once", "evalsha", redis.exceptions.NoScriptError, "No matching script. Please use EVAL.", 1, AT_ONCE),
    ("redis_nogroup", "once", "xack", redis.ResponseError, "NOGROUP No such key", 1, AT_ONCE),
    ("redis_garbage", "once", "get", redis.InvalidResponse, "Protocol Error: b'HTTP/1.1 400 Bad Request'", 1, AT_ONCE),
    ("redis_truncated_bulk", "always", "get", redis.ConnectionError, "Connection closed by server.", 11, BACKOFF),
]


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize(("name", "shape", "what", "raises", "text", "tries", "seconds"), MEASURED, ids=[row[0] for row in MEASURED])
def test_a_fault_raises_what_was_measured_as_often_and_as_late(
    name: str, shape: Any, what: str, raises: type[Exception], text: str, tries: int, seconds: tuple[float, float], sync: bool
) -> None:
    error, times, played = struck(name, what, shape, sync=sync)
    assert type(error) is raises
    assert text in str(error)
    assert times == tries
    assert seconds[0] <= played.seconds <= seconds[1]
    assert [strike.changed for strike in played.strikes] == [True] * tries


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("name", "what", "got", "tries", "seconds"),
    [
        ("redis_conn_lost_once", "incr", 2, 2, (0.0, 0.1)),
        ("redis_slow_once", "incr", 2, 2, (5.0, 5.1)),
        ("redis_stale_replica_read", "get", None, 1, AT_ONCE),
        ("redis_ttl_lost", "ttl", -1, 1, AT_ONCE),
        ("redis_key_evicted", "get", None, 1, AT_ONCE),
        ("redis_key_evicted", "ttl", -2, 1, AT_ONCE),
    ],
)
def test_a_fault_that_raises_nothing_changes_what_the_client_gets(
    name: str, what: str, got: Any, tries: int, seconds: tuple[float, float], sync: bool
) -> None:
    reply, times, played = struck(name, what, sync=sync)
    assert (reply, times) == (got, tries)
    assert seconds[0] <= played.seconds <= seconds[1]
    assert played.strikes[0].changed


def test_a_lost_write_was_acknowledged_and_is_gone() -> None:
    played = run(lambda client: (client.set("user:7", "Bob"), client.get("user:7")), single("redis_lost_writes_failover", "redis.set.2"))
    assert played.replies == ((True, b"Ann"),)
    assert played.strikes[0].changed


def test_a_lost_write_keeps_the_time_to_live_that_the_key_had() -> None:
    played = run(lambda client: (client.set("session", "shut"), client.ttl("session")), single("redis_lost_writes_failover", "redis.set.2"))
    assert played.replies == ((True, 600),)


def test_a_lock_runs_out_as_soon_as_it_is_taken() -> None:
    reply, _, played = struck("redis_lock_expired", "lock")
    assert reply is True
    assert played.strikes[0].changed
    taken = run(lambda client: (client.execute_command(*LOCK), client.execute_command(*LOCK)), single("redis_lock_expired", "redis.set.2"))
    assert taken.replies == ((True, True),)  # somebody else could take it too
    assert run(lambda client: (client.execute_command(*LOCK), client.execute_command(*LOCK))).replies == ((True, None),)


def test_three_lost_replies_are_three_silent_repeats() -> None:
    reply, times, _ = struck("redis_conn_lost_after_send", "incr", "x3")
    assert (reply, times) == (4, 4)


def test_a_reset_says_so() -> None:
    at, does = DOES["get"]
    played = run(does, single("redis_conn_lost_after_send", at, "always", lost="reset"))
    error = played.replies[0]
    assert str(error) == "Error while reading from redis.example:6379 : (104, 'Connection reset by peer')"


def test_without_retries_one_failure_is_raised_at_once() -> None:
    error, times, played = struck("redis_conn_lost_once", "incr", retry=Retry(NoBackoff(), 0))
    assert (type(error), times, played.seconds) == (redis.ConnectionError, 1, 0.0)


def test_the_clients_own_timeout_counts() -> None:
    error, times, played = struck("redis_timeout", "get", "always", socket_timeout=0.3, retry=Retry(NoBackoff(), 2))
    assert (type(error), times, round(played.seconds, 6)) == (redis.TimeoutError, 3, 0.9)


def test_a_client_without_a_timeout_waits_for_ever() -> None:
    at, does = DOES["get"]
    played = run(does, single("redis_timeout", at, "always"), socket_timeout=None)
    assert played.ending == "deadline"


def test_a_command_that_is_refused_has_not_run() -> None:
    played = run(lambda client: [attempt(lambda: client.incr("visits")), client.get("visits")], single("redis_oom", "redis.incrby.1"))
    assert played.replies[0][1] is None


def attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except redis.RedisError as error:
        return type(error).__name__


# Pipelines


def piped(transaction: bool) -> Does:
    def pipeline(client: Any) -> Any:
        return client.pipeline(transaction=transaction).incr("visits").get("user:7").execute()

    return pipeline


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize(
    ("name", "shape", "got", "tries"),
    [
        ("redis_readonly", "once", redis.ReadOnlyError, 1),
        ("redis_loading", "once", [1, b"Ann"], 2),
        ("redis_conn_lost_once", "once", [2, b"Ann"], 2),
        ("redis_slow_once", "once", [2, b"Ann"], 2),
        ("redis_conn_refused", "always", redis.ConnectionError, 11),
        ("redis_timeout", "always", redis.TimeoutError, 11),
    ],
)
def test_a_pipeline_is_one_call(name: str, shape: Any, got: Any, tries: int, transaction: bool, sync: bool) -> None:
    played = run(piped(transaction), single(name, "redis.pipeline.1", shape), sync=sync)
    reply = played.replies[0]
    assert (type(reply) if isinstance(reply, Exception) else reply) == got
    assert sent(played, "redis.pipeline.1") == tries


def test_a_slow_reply_to_a_pipeline_arrives_whole() -> None:
    played = run(piped(transaction=True), single("redis_slow_once", "redis.pipeline.1", seconds=2.0))
    assert (played.replies[0], played.seconds) == ([1, b"Ann"], 2.0)


# Points, scopes, the journal


def test_a_run_shows_the_points_of_its_store() -> None:
    def does(client: Any) -> Any:
        return client.get("user:7"), client.get("user:7"), client.get("user:8"), client.ping()

    played = run(does)
    assert [(point.name, point.kind, point.effect, point.host) for point in played.points] == [
        ("redis.set.1", "store", "write", "redis.example:6379"),
        ("redis.get.1", "store", "read", "redis.example:6379"),
        ("redis.get.2", "store", "read", "redis.example:6379"),
        ("redis.get.3", "store", "read", "redis.example:6379"),
        ("redis.ping.1", "store", "read", "redis.example:6379"),
    ]


def test_the_journal_holds_no_value_and_no_number_of_a_key() -> None:
    played = run(lambda client: client.set("token:5512", "hunter2"))
    told = repr(played.journal)
    assert "hunter2" not in told
    assert "5512" not in told
    asked = [event for event in played.journal if isinstance(event, StoreAsked)]
    assert [(event.command, event.key) for event in asked] == [("set", "session"), ("set", "token:#")]
    answered = [event for event in played.journal if isinstance(event, StoreAnswered)]
    assert [(event.end, event.detail, event.fault) for event in answered] == [("delivered", "OK", "")] * 2


def test_a_fault_of_writes_leaves_the_reads_alone_that_follow() -> None:
    played = run(
        lambda client: [attempt(lambda: client.set("a", "1")), client.get("user:7")], single("redis_readonly", "redis.set.2", "always")
    )
    assert played.replies == (["ReadOnlyError", b"Ann"],)


def test_a_store_that_is_down_stays_down_for_every_command() -> None:
    played = run(
        lambda client: [attempt(lambda: client.get("user:7")), attempt(client.ping)], single("redis_conn_refused", "redis.get.1", "always")
    )
    assert played.replies == (["ConnectionError", "ConnectionError"],)


def test_one_store_that_is_down_does_not_take_another_with_it() -> None:
    def does(client: Any) -> Any:
        return [attempt(lambda: client.get("user:7")), redis.Redis(host="other.example").get("user:7")]

    assert run(does, single("redis_conn_refused", "redis.get.1", "always")).replies == (["ConnectionError", b"Ann"],)


def test_each_run_has_a_server_of_its_own() -> None:
    def does(client: Any) -> Any:
        return client.incr("visits")

    assert [run(does).replies for _ in range(2)] == [(1,), (1,)]


def test_a_client_that_outlives_a_run_gets_the_next_ones_server() -> None:
    kept = redis.Redis(host="redis.example")
    assert [run(lambda _: kept.incr("visits")).replies for _ in range(3)] == [(1,), (1,), (1,)]


def test_the_data_of_the_suite_is_there() -> None:
    played = run(lambda client: (client.lrange("cart", 0, -1), client.hgetall("profile")), decode_responses=True)
    assert played.replies == ((["pen", "ink"], {"city": "Ulm"}),)


def test_keys_expire_in_virtual_time() -> None:
    def does(client: Any) -> Any:
        time.sleep(601)
        return client.get("session")

    played = run(does, setup=Setup(stores=SETUP.stores, deadline=1000))
    assert played.replies == (None,)


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_a_client_of_fakeredis_is_broken_too(sync: bool) -> None:
    def conversation(talk: Talk) -> None:
        async def agent() -> Any:
            client = fakeredis.FakeAsyncRedis()
            try:
                return await client.incr("visits")
            except redis.ConnectionError as error:
                return str(error)
            finally:
                await client.aclose()

        def sync_agent() -> Any:
            return attempt(lambda: fakeredis.FakeRedis().incr("visits"))

        talk.turn("go")
        talk.reply(sync_agent() if sync else talk.settle(agent()))

    clean = [play(conversation, Setup()) for _ in range(2)]
    assert [played.replies for played in clean] == [(1,), (1,)]  # no run sees what an earlier one left
    assert [point.host for point in clean[0].points] == ["fakeredis"]
    broken = play(conversation, Setup(), single("redis_conn_lost_once", "redis.incrby.1"))
    assert broken.replies == ("ConnectionError" if sync else "Connection closed by server.",)


# Modes, and proof of delivery


@pytest.mark.parametrize(
    ("mode", "first", "second"),
    [
        ("store-down", "ConnectionError", "ConnectionError"),
        ("store-silent", "TimeoutError", "TimeoutError"),
        ("store-full", "OutOfMemoryError", "b'Ann'"),
        ("store-flaky", "True", "b'Bob'"),
        ("store-forgets", "True", "None"),
    ],
)
def test_a_mode_breaks_the_store_for_the_whole_run(mode: str, first: str, second: str) -> None:
    def does(client: Any) -> Any:
        return [str(attempt(lambda: client.set("user:7", "Bob"))), str(attempt(lambda: client.get("user:7")))]

    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(does(redis.Redis(host="redis.example")))

    played = play(conversation, SETUP, mode_schedule(mode), seed=1)
    expected = [first, "b'Ann'" if mode == "store-full" else second]
    assert played.replies == (expected,)
    assert any(strike.changed for strike in played.strikes)


def test_a_failover_is_over_after_ten_seconds() -> None:
    def conversation(talk: Talk) -> None:
        client = redis.Redis(host="redis.example", retry=Retry(NoBackoff(), 0))
        seen = []
        for _ in range(3):
            seen.append(str(attempt(lambda: client.set("a", "1"))))
            time.sleep(5)
        talk.turn("go")
        talk.reply(seen)

    assert play(conversation, SETUP, mode_schedule("store-failover"), seed=1).replies == (["ConnectionError", "ReadOnlyError", "True"],)


POINTS = {
    "get": Point("redis.get.1", "store", "get", 1, effect="read", method="get"),
    "set": Point("redis.set.2", "store", "set", 2, effect="write", method="set"),
    "ttl": Point("redis.ttl.1", "store", "ttl", 1, effect="read", method="ttl"),
    "lock": Point("redis.set.2", "store", "set", 2, effect="write", method="set"),
    "blpop": Point("redis.blpop.1", "store", "blpop", 1, effect="write", method="blpop"),
    "evalsha": Point("redis.evalsha.1", "store", "evalsha", 1, effect="write", method="evalsha"),
    "xack": Point("redis.xack.1", "store", "xack", 1, effect="write", method="xack"),
}


def where(fault: type[BreaksStore]) -> str:
    """A command that the fault can act on."""
    order = ("lock",) if fault.row.id == "redis_lock_expired" else tuple(POINTS)
    return next(what for what in order if fault.row.applies(POINTS[what]))


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.row.id for fault in FAULTS])
def test_a_fault_changes_what_the_client_sees_and_one_that_does_nothing_does_not(
    fault: type[BreaksStore], sync: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    what, shape = where(fault), next(iter(fault.row.best))

    does, point = DOES[what][1], POINTS[what].name
    played = run(does, single(fault.row.id, point, shape), sync=sync)
    assert played.strikes
    assert played.strikes[0].changed
    monkeypatch.setattr(fault, "strike", lambda *_: StoreStrike())
    idle = run(does, single(fault.row.id, point, shape), sync=sync)
    assert idle.strikes
    assert not any(strike.changed for strike in idle.strikes)
    assert repr(idle.replies) == repr(run(does, sync=sync).replies)


def test_a_fault_that_breaks_by_itself_is_the_labs_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def strike(self: Any, call: StoreCall) -> StoreStrike:
        raise KeyError(call.command)

    monkeypatch.setattr(all_faults()["redis_oom"], "strike", strike)
    played = run(DOES["set"][1], single("redis_oom", "redis.set.2"))
    assert played.ending == "lab"
    assert "The lab failed at redis.set under redis_oom: KeyError: 'set'" in played.problems
