"""The hub of stores: which run watches, and which operation a client is at.

A client's seam opens a `Work` for each of its calls, whatever that call makes of it: connecting, sending, losing and sending again are
*attempts* at the same work. The seams of the connection below find the work here.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from agentlab_faults.fault import StoreStrike
from agentlab_faults.stores.commands import effect_of, key_of, masked

__all__ = ["Attempt", "End", "Operation", "Room", "Work", "current", "pipeline_of", "room", "unseen", "watching", "work_of", "working"]

End = Literal["delivered", "error", "timeout", "broken", "refused", "abandoned"]
"""How an attempt ended: a reply, an error reply, the client's own timeout, a broken connection, none at all, or the client went away."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A client's call: a command with its arguments as text, or a pipeline of several."""

    command: str
    arguments: tuple[str, ...]
    key: str
    effect: Literal["read", "write"]
    replies: int = 1
    """How many replies the server sends."""
    transaction: bool = False

    @property
    def fingerprint(self) -> str:
        """Equal for two attempts at one call: the command and its key, without numbers and ids."""
        return masked(f"{self.command} {self.key}")


class Attempt(Protocol):
    """One attempt at an operation, as the run sees it."""

    strike: StoreStrike | None

    def struck(self, *, changed: bool) -> None:
        """The fault has acted, and the client can tell (or not)."""
        ...

    def ended(self, end: End, detail: str = "", *, spoiled: bool = False) -> None:
        """The attempt is over."""
        ...


class Room(Protocol):
    """A run of the lab, as the seams see it."""

    server: Any
    """The server in memory that answers every client; None where clients reach their own."""

    def begin(self, operation: Operation, address: str) -> Attempt | None:
        """A new attempt; None if nobody watches any more."""
        ...


@dataclass(slots=True, eq=False)
class Work:
    """One operation under way, with the attempt that is open, and the replies that were made up for it."""

    room: Room
    operation: Operation
    attempt: Attempt | None = None
    packed: bool = False
    """The bytes of a pipeline were made and not yet sent."""
    sent: bool = False
    before: tuple[Any, Any] = (None, 0)
    """The key's dump and its life in milliseconds before the command."""
    touched: bool = False
    """A command of the server's own changed something."""
    left: int = 0
    """Replies still to be read."""
    planted: list[Any] = field(default_factory=list)

    def begin(self, address: str) -> Attempt | None:
        """The open attempt, or a new one."""
        if self.attempt is None:
            self.attempt = self.room.begin(self.operation, address)
            self.sent, self.before, self.touched = False, (None, 0), False
            self.left, self.planted = self.operation.replies, []
        return self.attempt

    def over(self) -> None:
        """The attempt has ended; what follows is a new one."""
        self.attempt = None
        self.sent = False


_work: contextvars.ContextVar[Work | None] = contextvars.ContextVar("agentlab_store_work", default=None)


class _Current:
    __slots__ = ("room",)

    def __init__(self) -> None:
        self.room: Room | None = None


_current = _Current()


@contextlib.contextmanager
def watching(watcher: Room) -> Iterator[None]:
    """Let `watcher` see every command while the block lasts."""
    before, _current.room = _current.room, watcher
    try:
        yield
    finally:
        _current.room = before


def room() -> Room | None:
    """The run that watches now."""
    return _current.room


def current() -> Work | None:
    """The work that the caller's connection is used for."""
    work = _work.get()
    return work if work is not None and work.room is _current.room else None


@contextlib.contextmanager
def working(operation: Operation) -> Iterator[None]:
    """A client is at this operation while the block lasts."""
    watcher = _current.room
    token = _work.set(None if watcher is None else Work(watcher, operation))
    try:
        yield
    finally:
        _work.reset(token)


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """What the caller's connections do while the block lasts is nobody's work."""
    token = _work.set(None)
    try:
        yield
    finally:
        _work.reset(token)


def work_of(arguments: Sequence[Any]) -> Operation:
    """The operation of a command as a client was given it: `("GET", "user:7")`, also `("SCRIPT LOAD", ...)`."""
    words = [word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word) for word in arguments]
    command, *more = words[0].lower().split()
    arguments = (*more, *words[1:])
    return Operation(command, arguments, key_of(command, arguments), effect_of(command))


def pipeline_of(commands: Sequence[Sequence[Any]], *, transaction: bool) -> Operation:
    """The operation of a pipeline; it writes if one of its commands does."""
    each = [work_of(command) for command in commands]
    keys = " ".join(f"{one.command} {one.key}" for one in each)
    effect: Literal["read", "write"] = "write" if any(one.effect == "write" for one in each) else "read"
    return Operation("pipeline", (), keys, effect, len(each) + 2 * transaction, transaction)
