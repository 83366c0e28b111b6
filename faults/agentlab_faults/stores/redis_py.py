"""redis-py: the seams in its clients and connections, sync and async, on a real server and on fakeredis.

A client's call opens a work (`hub`); below it the pool's connecting, the sending of the command and the reading of its reply are the places
where a fault can act. What lies between (retries, back-off, reconnects, hand-shakes, pools) is redis-py's own and runs for real.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType
from typing import Any

from agentlab_faults.sim.active import standing_still
from agentlab_faults.stores import hub
from agentlab_faults.stores.commands import BLOCKING, HANDSHAKE
from agentlab_faults.stores.hub import Attempt, Operation, Work
from agentlab_faults.stores.playing import Ask, Drop, Read, Steps, Wait, answering, sending

__all__ = ["Place", "seam_async_client", "seam_async_connection", "seam_client", "seam_connection"]

Method = Callable[..., Any]
_LOST = "Connection closed by server."


class Place:
    """A connection as a fault sees it: its facts, and the exceptions that redis-py raises there."""

    def __init__(self, connection: Any, *, sync: bool) -> None:
        self._sync = sync
        self._connection = connection
        self._errors: Any = sys.modules["redis.exceptions"]
        self.timeout: float | None = connection.socket_timeout

    @property
    def address(self) -> str:
        """Where the server is: `host:port`, or a socket's path."""
        connection = self._connection
        if type(connection).__module__.startswith("fakeredis") and not hasattr(connection, "agentlab_served"):
            return "fakeredis"
        path = getattr(connection, "path", None)
        return str(path) if path else f"{getattr(connection, 'host', 'localhost')}:{getattr(connection, 'port', 6379)}"

    def refused(self) -> OSError:
        """What the operating system says where nobody listens."""
        host, port = getattr(self._connection, "host", "localhost"), getattr(self._connection, "port", 6379)
        return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused" if self._sync else f"Connect call failed ('{host}', {port})")

    def replied(self, line: str) -> Exception:
        """The exception of an error reply, found by redis-py's own table."""
        parser: Any = sys.modules["redis._parsers.base"]
        made: Exception = parser.BaseParser.parse_error(line)
        return made

    def timed_out(self) -> Exception:
        """The reply did not come in time."""
        return self._made("TimeoutError", "Timeout reading from socket" if self._sync else f"Timeout reading from {self.address}")

    def closed(self) -> Exception:
        """The server closed the connection."""
        return self._made("ConnectionError", _LOST)

    def reset(self) -> Exception:
        """The connection was reset."""
        return self._made("ConnectionError", f"Error while reading from {self.address} : (104, 'Connection reset by peer')")

    def unreadable(self, garbage: bytes) -> Exception:
        """Bytes that are no reply."""
        return self._made("InvalidResponse", f"Protocol Error: {garbage!r}")

    def is_reply(self, error: BaseException) -> bool:
        """Whether the server replied with an error and the connection is kept."""
        return isinstance(error, self._errors.ResponseError)

    def _made(self, name: str, text: str) -> Exception:
        made: Exception = getattr(self._errors, name)(text)
        return made


def _operation_of_pipeline(pipeline: Any) -> Operation | None:
    commands = [args for args, _ in pipeline.command_stack]
    if not commands:
        return None
    wanted = pipeline.is_transaction if hasattr(pipeline, "is_transaction") else pipeline.transaction
    transaction = bool(pipeline.explicit_transaction or wanted)
    return hub.pipeline_of(commands, transaction=transaction)


# The clients


def seam_client(module: ModuleType) -> None:
    """Put the seams into `redis.client`."""
    redis: Any = module
    _put(redis.Redis, "_execute_command", _calls)
    _put(redis.Pipeline, "immediate_execute_command", _calls)
    _put(redis.Pipeline, "execute", _executes)


def _calls(below: Method) -> Method:
    @functools.wraps(below)
    def execute_command(self: Any, *args: Any, **options: Any) -> Any:
        if hub.room() is None:
            return below(self, *args, **options)
        with hub.working(hub.work_of(args)):
            return below(self, *args, **options)

    return execute_command


def _executes(below: Method) -> Method:
    @functools.wraps(below)
    def execute(self: Any, *args: Any, **options: Any) -> Any:
        operation = _operation_of_pipeline(self) if hub.room() is not None else None
        if operation is None:
            return below(self, *args, **options)
        with hub.working(operation):
            return below(self, *args, **options)

    return execute


def seam_async_client(module: ModuleType) -> None:
    """Put the seams into `redis.asyncio.client`."""
    redis: Any = module
    _put(redis.Redis, "execute_command", _calls_async)
    _put(redis.Pipeline, "immediate_execute_command", _calls_async)
    _put(redis.Pipeline, "execute", _executes_async)


def _calls_async(below: Method) -> Method:
    @functools.wraps(below)
    async def execute_command(self: Any, *args: Any, **options: Any) -> Any:
        if hub.room() is None:
            return await below(self, *args, **options)
        with hub.working(hub.work_of(args)):
            return await below(self, *args, **options)

    return execute_command


def _executes_async(below: Method) -> Method:
    @functools.wraps(below)
    async def execute(self: Any, *args: Any, **options: Any) -> Any:
        operation = _operation_of_pipeline(self) if hub.room() is not None else None
        if operation is None:
            return await below(self, *args, **options)
        with hub.working(operation):
            return await below(self, *args, **options)

    return execute


# The connections


def seam_connection(module: ModuleType) -> None:
    """Put the seams into the sync connections of `redis.connection`, or of fakeredis."""
    for connection in _classes(module):
        for name, wrap in (
            ("connect", _connects),
            ("_connect", _dials),
            ("send_command", _sends),
            ("pack_commands", _packs),
            ("send_packed_command", _sends_packed),
            ("read_response", _reads),
        ):
            _put(connection, name, wrap)


def seam_async_connection(module: ModuleType) -> None:
    """Put the seams into the async connections of `redis.asyncio.connection`, or of fakeredis."""
    for connection in _classes(module):
        for name, wrap in (
            ("connect", _connects_async),
            ("_connect", _dials_async),
            ("on_connect_check_health", _shakes_hands_async),
            ("send_command", _sends_async),
            ("pack_commands", _packs),
            ("send_packed_command", _sends_packed_async),
            ("read_response", _reads_async),
        ):
            _put(connection, name, wrap)


def _classes(module: ModuleType) -> list[Any]:
    names = (
        "AbstractConnection",
        "Connection",
        "SSLConnection",
        "UnixDomainSocketConnection",
        "FakeBaseConnection",
        "FakeBaseAsyncConnection",
    )
    return [vars(module)[name] for name in names if name in vars(module)]


def _put(owner: Any, name: str, wrap: Callable[[Method], Method]) -> None:
    below = vars(owner).get(name)
    if below is None or hasattr(below, "agentlab_seam") or getattr(below, "__isabstractmethod__", False):
        return
    wrapper: Any = wrap(below)
    wrapper.agentlab_seam = True
    setattr(owner, name, wrapper)


def _connected(connection: Any) -> bool:
    return bool(connection.is_connected) if hasattr(type(connection), "is_connected") else connection._sock is not None


def _to_refuse(work: Work, place: Place) -> Attempt | None:
    attempt = None if work.sent else work.begin(place.address)
    return attempt if attempt is not None and attempt.strike is not None and attempt.strike.refused else None


def _refuse(work: Work, attempt: Attempt, place: Place) -> OSError:
    attempt.struck(changed=True)
    attempt.ended("refused", spoiled=True)
    work.over()
    return place.refused()


def _moved(connection: Any) -> bool:
    """Whether an earlier run's server in memory answers this connection, which its client kept; it is given this run's."""
    room = hub.room()
    if room is None or room.server is None or not getattr(connection, "agentlab_served", False) or connection._server is room.server:
        return False
    connection._server = room.server
    return True


def _connects(below: Method) -> Method:
    @functools.wraps(below)
    def connect(self: Any, *args: Any, **options: Any) -> Any:
        work = hub.current()
        if _moved(self) or (work is not None and _connected(self) and _to_refuse(work, Place(self, sync=True))):
            self.disconnect()
        return below(self, *args, **options)

    return connect


def _connects_async(below: Method) -> Method:
    @functools.wraps(below)
    async def connect(self: Any, *args: Any, **options: Any) -> Any:
        work = hub.current()
        if _moved(self) or (work is not None and _connected(self) and _to_refuse(work, Place(self, sync=False))):
            await self.disconnect(nowait=True)
        return await below(self, *args, **options)

    return connect


def _dials(below: Method) -> Method:
    @functools.wraps(below)
    def _connect(self: Any) -> Any:
        work, place = hub.current(), Place(self, sync=True)
        attempt = _to_refuse(work, place) if work is not None else None
        if work is not None and attempt is not None:
            raise _refuse(work, attempt, place)
        return below(self)

    return _connect


def _dials_async(below: Method) -> Method:
    @functools.wraps(below)
    async def _connect(self: Any) -> Any:
        work, place = hub.current(), Place(self, sync=False)
        attempt = _to_refuse(work, place) if work is not None else None
        if work is not None and attempt is not None:
            raise _refuse(work, attempt, place)
        with standing_still():
            return await below(self)

    return _connect


def _shakes_hands_async(below: Method) -> Method:
    @functools.wraps(below)
    async def on_connect_check_health(self: Any, *args: Any, **options: Any) -> Any:
        with standing_still():
            return await below(self, *args, **options)

    return on_connect_check_health


def _of_the_work(work: Work | None, args: tuple[Any, ...], options: dict[str, Any]) -> bool:
    """Whether a command on the wire is the client's own call, and not the hand-shake or the health check of a connection."""
    if work is None or work.operation.command == "pipeline" or work.sent or not args:
        return False
    name = args[0].decode() if isinstance(args[0], bytes) else str(args[0])
    own = name.upper() == "PING" and options.get("check_health") is False
    return (
        not own
        and (name.upper() not in HANDSHAKE or work.operation.command == name.lower())
        and name.lower().split()[0] == work.operation.command
    )


def _sends(below: Method) -> Method:
    @functools.wraps(below)
    def send_command(self: Any, *args: Any, **options: Any) -> Any:
        work = hub.current()
        if work is None or not _of_the_work(work, args, options):
            return below(self, *args, **options)
        return _send(self, work, lambda: below(self, *args, **options))

    return send_command


def _packs(below: Method) -> Method:
    @functools.wraps(below)
    def pack_commands(self: Any, commands: Any) -> Any:
        work = hub.current()
        if work is not None and work.operation.command == "pipeline":
            work.packed = True
        return below(self, commands)

    return pack_commands


def _sends_packed(below: Method) -> Method:
    @functools.wraps(below)
    def send_packed_command(self: Any, command: Any, check_health: bool = True) -> Any:
        work = hub.current()
        if work is None or not work.packed or work.sent:
            return below(self, command, check_health)
        work.packed = False
        return _send(self, work, lambda: below(self, command, check_health))

    return send_packed_command


def _send(connection: Any, work: Work, below: Callable[[], Any]) -> Any:
    place = Place(connection, sync=True)
    attempt = work.begin(place.address)
    if attempt is None:
        return below()
    if not _connected(connection):
        connection.connect_check_health(check_health=False)
        attempt = work.begin(place.address) or attempt
    connection.check_health()
    if attempt.strike is not None and attempt.strike.refused:
        _refuse(work, attempt, place)
        connection.disconnect()
        raise place.closed()
    work.sent = True
    if _drive(sending(work, attempt), connection):
        return below()
    return None


def _reads(below: Method) -> Method:
    @functools.wraps(below)
    def read_response(self: Any, *args: Any, **options: Any) -> Any:
        work = hub.current()
        if work is None or not work.sent or work.attempt is None:
            return below(self, *args, **options)
        return _drive(answering(work, work.attempt, Place(self, sync=True)), self, lambda: below(self, *args, **options))

    return read_response


def _drive(steps: Steps, connection: Any, read: Callable[[], Any] | None = None) -> Any:
    """Take the steps in a sync client."""
    try:
        step = next(steps)
        while True:
            try:
                result = _step(step, connection, read)
            except BaseException as error:  # noqa: BLE001 - handed to the steps, which record it and raise it again
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value


def _step(step: Any, connection: Any, read: Callable[[], Any] | None) -> Any:
    match step:
        case Wait(seconds):
            return time.sleep(seconds)
        case Drop():
            return connection.disconnect()
        case Read() if read is not None:
            return read()
        case Ask(command):
            with hub.unseen():
                connection.send_command(*command)
                return connection.read_response(disable_decoding=True)
    raise AssertionError(step)


def _at_once() -> bool:
    """Whether the command is one that a server answers at once, and not one that waits for somebody."""
    work = hub.current()
    return work is not None and work.operation.command not in BLOCKING


def _sends_async(below: Method) -> Method:
    @functools.wraps(below)
    async def send_command(self: Any, *args: Any, **options: Any) -> Any:
        work = hub.current()
        if work is None or not _of_the_work(work, args, options):
            return await below(self, *args, **options)
        return await _send_async(self, work, lambda: below(self, *args, **options))

    return send_command


def _sends_packed_async(below: Method) -> Method:
    @functools.wraps(below)
    async def send_packed_command(self: Any, command: Any, check_health: bool = True) -> Any:
        work = hub.current()
        if work is None or not work.packed or work.sent:
            return await below(self, command, check_health)
        work.packed = False
        return await _send_async(self, work, lambda: below(self, command, check_health))

    return send_packed_command


async def _send_async(connection: Any, work: Work, below: Callable[[], Any]) -> Any:
    place = Place(connection, sync=False)
    attempt = work.begin(place.address)
    if attempt is None:
        return await below()
    if not _connected(connection):
        await connection.connect_check_health(check_health=False)
        attempt = work.begin(place.address) or attempt
    await connection.check_health()
    if attempt.strike is not None and attempt.strike.refused:
        _refuse(work, attempt, place)
        await connection.disconnect()
        raise place.closed()
    work.sent = True
    if await _drive_async(sending(work, attempt), connection):
        return await below()
    return None


def _reads_async(below: Method) -> Method:
    @functools.wraps(below)
    async def read_response(self: Any, *args: Any, **options: Any) -> Any:
        work = hub.current()
        if work is None or not work.sent or work.attempt is None:
            return await below(self, *args, **options)
        return await _drive_async(answering(work, work.attempt, Place(self, sync=False)), self, lambda: below(self, *args, **options))

    return read_response


async def _drive_async(steps: Steps, connection: Any, read: Callable[[], Any] | None = None) -> Any:
    """Take the steps in an async client."""
    try:
        step = next(steps)
        while True:
            try:
                result = await _step_async(step, connection, read)
            except BaseException as error:  # noqa: BLE001 - handed to the steps, which record it and raise it again
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value


async def _step_async(step: Any, connection: Any, read: Callable[[], Any] | None) -> Any:
    match step:
        case Wait(seconds):
            return await asyncio.sleep(seconds)
        case Drop():
            return await connection.disconnect(nowait=True)
        case Read() if read is not None:
            with standing_still() if _at_once() else nullcontext():
                return await read()
        case Ask(command):
            with hub.unseen(), standing_still():
                await connection.send_command(*command)
                return await connection.read_response(disable_decoding=True)
    raise AssertionError(step)
