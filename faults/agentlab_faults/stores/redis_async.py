"""redis-py: the seams in its async clients and connections: those of the sync ones (`redis_py`), awaited."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType
from typing import Any

from agentlab_faults.sim.active import standing_still
from agentlab_faults.stores import hub
from agentlab_faults.stores.commands import BLOCKING
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

__all__ = ["seam_async_client", "seam_async_connection"]


def seam_async_client(module: ModuleType) -> None:
    """Put the seams into `redis.asyncio.client`."""
    redis: Any = module
    put(redis.Redis, "execute_command", _calls_async)
    put(redis.Pipeline, "immediate_execute_command", _calls_async)
    put(redis.Pipeline, "execute", _executes_async)


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
        operation = operation_of_pipeline(self) if hub.room() is not None else None
        if operation is None:
            return await below(self, *args, **options)
        with hub.working(operation):
            return await below(self, *args, **options)

    return execute


def seam_async_connection(module: ModuleType) -> None:
    """Put the seams into the async connections of `redis.asyncio.connection`, or of fakeredis."""
    for connection in classes(module):
        for name, wrap in (
            ("connect", _connects_async),
            ("_connect", _dials_async),
            ("on_connect_check_health", _shakes_hands_async),
            ("send_command", _sends_async),
            ("pack_commands", packs),
            ("send_packed_command", _sends_packed_async),
            ("read_response", _reads_async),
        ):
            put(connection, name, wrap)


def _connects_async(below: Method) -> Method:
    @functools.wraps(below)
    async def connect(self: Any, *args: Any, **options: Any) -> Any:
        work = hub.current()
        if moved(self) or (work is not None and is_connected(self) and to_refuse(work, Place(self, sync=False))):
            await self.disconnect(nowait=True)
        return await below(self, *args, **options)

    return connect


def _dials_async(below: Method) -> Method:
    @functools.wraps(below)
    async def _connect(self: Any) -> Any:
        work, place = hub.current(), Place(self, sync=False)
        attempt = to_refuse(work, place) if work is not None else None
        if work is not None and attempt is not None:
            raise refuse(work, attempt, place)
        with standing_still():
            return await below(self)

    return _connect


def _shakes_hands_async(below: Method) -> Method:
    @functools.wraps(below)
    async def on_connect_check_health(self: Any, *args: Any, **options: Any) -> Any:
        with standing_still():
            return await below(self, *args, **options)

    return on_connect_check_health


def _sends_async(below: Method) -> Method:
    @functools.wraps(below)
    async def send_command(self: Any, *args: Any, **options: Any) -> Any:
        work = hub.current()
        if work is None or not is_of_the_work(work, args, options):
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
    if not is_connected(connection):
        await connection.connect_check_health(check_health=False)
        attempt = work.begin(place.address) or attempt
    await connection.check_health()
    if attempt.strike is not None and attempt.strike.refused:
        refuse(work, attempt, place)
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


def _at_once() -> bool:
    """Whether the command is one that a server answers at once, and not one that waits for somebody."""
    work = hub.current()
    return work is not None and work.operation.command not in BLOCKING
