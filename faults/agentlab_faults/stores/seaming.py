"""What the seams of redis-py's sync and async clients have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from agentlab_faults.stores import hub
from agentlab_faults.stores.commands import HANDSHAKE
from agentlab_faults.stores.hub import Attempt, Operation, Work
from agentlab_faults.stores.place import Place

__all__ = ["Method", "classes", "is_connected", "is_of_the_work", "moved", "operation_of_pipeline", "packs", "put", "refuse", "to_refuse"]

Method = Callable[..., Any]


def operation_of_pipeline(pipeline: Any) -> Operation | None:
    """What a pipeline is about to do; None if that is nothing."""
    commands = [args for args, _ in pipeline.command_stack]
    if not commands:
        return None
    wanted = pipeline.is_transaction if hasattr(pipeline, "is_transaction") else pipeline.transaction
    transaction = bool(pipeline.explicit_transaction or wanted)
    return hub.pipeline_of(commands, transaction=transaction)


def classes(module: ModuleType) -> list[Any]:
    """The classes of connections that a module of redis-py, or of fakeredis, has."""
    names = (
        "AbstractConnection",
        "Connection",
        "SSLConnection",
        "UnixDomainSocketConnection",
        "FakeBaseConnection",
        "FakeBaseAsyncConnection",
    )
    return [vars(module)[name] for name in names if name in vars(module)]


def put(owner: Any, name: str, wrap: Callable[[Method], Method]) -> None:
    """Wrap a method, once."""
    below = vars(owner).get(name)
    if below is None or hasattr(below, "agentlab_seam") or getattr(below, "__isabstractmethod__", False):
        return
    wrapper: Any = wrap(below)
    wrapper.agentlab_seam = True
    setattr(owner, name, wrapper)


def is_connected(connection: Any) -> bool:
    """Whether a connection is open."""
    return bool(connection.is_connected) if hasattr(type(connection), "is_connected") else connection._sock is not None


def to_refuse(work: Work, place: Place) -> Attempt | None:
    """The attempt that finds nobody listening, if the schedule says so."""
    attempt = None if work.sent else work.begin(place.address)
    return attempt if attempt is not None and attempt.strike is not None and attempt.strike.refused else None


def refuse(work: Work, attempt: Attempt, place: Place) -> OSError:
    """The attempt ends there; what the operating system says."""
    attempt.struck(changed=True)
    attempt.ended("refused", spoiled=True)
    work.over()
    return place.refused()


def moved(connection: Any) -> bool:
    """Whether an earlier run's server in memory answers this connection, which its client kept; it is given this run's."""
    room = hub.room()
    if room is None or room.server is None or not getattr(connection, "agentlab_served", False) or connection._server is room.server:
        return False
    connection._server = room.server
    return True


def is_of_the_work(work: Work | None, args: tuple[Any, ...], options: dict[str, Any]) -> bool:
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


def packs(below: Method) -> Method:
    """Note that a pipeline's commands are about to be sent."""

    @functools.wraps(below)
    def pack_commands(self: Any, commands: Any) -> Any:
        work = hub.current()
        if work is not None and work.operation.command == "pipeline":
            work.packed = True
        return below(self, commands)

    return pack_commands
