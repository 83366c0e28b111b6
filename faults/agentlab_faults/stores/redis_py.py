"""redis-py: the seams in its sync clients and connections, on a real server and on fakeredis.

A client's call opens a work (`hub`); below it the pool's connecting, the sending of the command and the reading of its reply are the places
where a fault can act. What lies between (retries, back-off, reconnects, hand-shakes, pools) is redis-py's own and runs for real.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from agentlab_faults.stores import hub
from agentlab_faults.stores.hub import Work
from agentlab_faults.stores.place import Place
from agentlab_faults.stores.playing import Ask, Drop, Read, Steps, Wait, answering, sending
from agentlab_faults.stores.seaming import (
    Method,
    classes,
    is_connected,
    is_of_the_work,
    moved,
    operation_of_pipeline,
    packs,
    put,
    refuse,
    to_refuse,
)

__all__ = ["seam_client", "seam_connection"]


def seam_client(module: ModuleType) -> None:
    """Put the seams into `redis.client`."""
    redis: Any = module
    put(redis.Redis, "_execute_command", _calls)
    put(redis.Pipeline, "immediate_execute_command", _calls)
    put(redis.Pipeline, "execute", _executes)


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
        operation = operation_of_pipeline(self) if hub.room() is not None else None
        if operation is None:
            return below(self, *args, **options)
        with hub.working(operation):
            return below(self, *args, **options)

    return execute


def seam_connection(module: ModuleType) -> None:
    """Put the seams into the sync connections of `redis.connection`, or of fakeredis."""
    for connection in classes(module):
        for name, wrap in (
            ("connect", _connects),
            ("_connect", _dials),
            ("send_command", _sends),
            ("pack_commands", packs),
            ("send_packed_command", _sends_packed),
            ("read_response", _reads),
        ):
            put(connection, name, wrap)


def _connects(below: Method) -> Method:
    @functools.wraps(below)
    def connect(self: Any, *args: Any, **options: Any) -> Any:
        work = hub.current()
        if moved(self) or (work is not None and is_connected(self) and to_refuse(work, Place(self, sync=True))):
            self.disconnect()
        return below(self, *args, **options)

    return connect


def _dials(below: Method) -> Method:
    @functools.wraps(below)
    def _connect(self: Any) -> Any:
        work, place = hub.current(), Place(self, sync=True)
        attempt = to_refuse(work, place) if work is not None else None
        if work is not None and attempt is not None:
            raise refuse(work, attempt, place)
        return below(self)

    return _connect


def _sends(below: Method) -> Method:
    @functools.wraps(below)
    def send_command(self: Any, *args: Any, **options: Any) -> Any:
        work = hub.current()
        if work is None or not is_of_the_work(work, args, options):
            return below(self, *args, **options)
        return _send(self, work, lambda: below(self, *args, **options))

    return send_command


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
    if not is_connected(connection):
        connection.connect_check_health(check_health=False)
        attempt = work.begin(place.address) or attempt
    connection.check_health()
    if attempt.strike is not None and attempt.strike.refused:
        refuse(work, attempt, place)
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
