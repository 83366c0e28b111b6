"""What one attempt at a store's command comes to, as steps: the seams take them, sync or async, each with its own way to wait and to read.

The order is that of a real server: it may do something of its own, executes the command or not, is silent, and then replies,
replies with an error, or is gone.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from agentlab_faults.fault import StoreStrike
from agentlab_faults.stores.hub import Attempt, Work

__all__ = ["Ask", "Drop", "Read", "Steps", "Wait", "Wire", "answering", "sending"]

_FOREVER: Final = 1e9
"""Seconds of one step of an endless silence."""
_EXECABORT: Final = "EXECABORT Transaction discarded because of previous errors."


@dataclass(frozen=True, slots=True)
class Ask:
    """Step: have the server execute a command of its own, and send its reply back."""

    command: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """Step: read one reply as the client would, and send it back."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Step: let virtual seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Step: the connection is gone."""


Steps = Generator[Ask | Read | Wait | Drop, Any, Any]


class Wire(Protocol):
    """A connection's facts and words."""

    timeout: float | None
    """Seconds that the client waits for a reply."""

    def replied(self, line: str) -> Exception:
        """The exception of an error reply."""
        ...

    def timed_out(self) -> Exception: ...

    def closed(self) -> Exception: ...

    def reset(self) -> Exception: ...

    def unreadable(self, garbage: bytes) -> Exception: ...

    def is_reply(self, error: BaseException) -> bool:
        """Whether an exception is an error reply, after which the connection is kept."""
        ...


def sending(work: Work, attempt: Attempt) -> Steps:
    """What the server does on its own before the command; returns whether the command is sent at all."""
    strike = attempt.strike
    if strike is None:
        return True
    for command in strike.first:
        work.touched |= bool((yield Ask(command)))
    if strike.forgets:
        work.before = yield from _kept(work.operation.key)
    return strike.runs


def _kept(key: str) -> Steps:
    dump = yield Ask(("DUMP", key))
    life = yield Ask(("PTTL", key))
    return dump, life


def answering(work: Work, attempt: Attempt, wire: Wire) -> Steps:
    """The reply to read; raises as the client's own reading would."""
    if work.planted:
        return _planted(work)
    if attempt.strike is None or work.left < work.operation.replies:
        return (yield from _clean(work, attempt, wire))
    try:
        reply = yield from _struck(work, attempt, attempt.strike, wire)
    except BaseException:
        if not work.planted:
            work.over()
        raise
    if not work.left:
        work.over()
    return reply


def _planted(work: Work) -> Any:
    """The next of the replies that were made up at once, for a pipeline."""
    reply = work.planted.pop(0)
    if not work.planted:
        work.over()
    if isinstance(reply, Exception):
        raise reply
    return reply


def _clean(work: Work, attempt: Attempt, wire: Wire) -> Steps:
    try:
        reply = yield Read()
    except BaseException as error:
        work.left -= 1
        if not wire.is_reply(error):
            attempt.ended("broken" if isinstance(error, Exception) else "abandoned", type(error).__name__)
            work.over()
        elif work.left == 0:
            attempt.ended("error", type(error).__name__)
            work.over()
        raise
    work.left -= 1
    if work.left == 0:
        attempt.ended("delivered", _sort(reply))
        work.over()
    return reply


def _struck(work: Work, attempt: Attempt, strike: StoreStrike, wire: Wire) -> Steps:
    told = False
    try:
        reply = (yield from _executed(work, strike, wire)) if strike.runs else None
        shown = strike.rewrite(copy.deepcopy(reply)) if strike.rewrite and not isinstance(reply, Exception) else reply
        spoiled = work.touched or shown != reply or bool(strike.error or strike.lost or strike.garbage)
        attempt.struck(changed=spoiled or strike.delay > 0)
        yield from _silence(attempt, strike.delay, wire)
        told = True
        return (yield from _told(work, attempt, strike, wire, shown, spoiled))
    except BaseException as error:
        if not told and not isinstance(error, Exception):
            attempt.ended("abandoned", type(error).__name__, spoiled=True)
        raise


def _executed(work: Work, strike: StoreStrike, wire: Wire) -> Steps:
    """The command's own reply (an exception if it is an error reply), and what the server does after it."""
    reply: Any = None
    lost = bool(strike.lost or strike.garbage or strike.delay == math.inf or (wire.timeout is not None and strike.delay > wire.timeout))
    for _ in range(work.operation.replies if lost else 1):
        try:
            reply = yield Read()
        except Exception as error:
            if not wire.is_reply(error):
                raise
            reply = error
    for command in strike.then:
        work.touched |= bool((yield Ask(command)))
    if strike.forgets:
        yield from _forget(work)
    return reply


def _forget(work: Work) -> Steps:
    """Put the key back to what it was before the command."""
    key, (dump, life) = work.operation.key, work.before
    if (yield from _kept(key))[0] == dump:
        return
    work.touched = True
    yield Ask(("DEL", key))
    if dump is not None:
        yield Ask(("RESTORE", key, max(life, 0), dump))


def _silence(attempt: Attempt, delay: float, wire: Wire) -> Steps:
    if wire.timeout is not None and delay > wire.timeout:
        yield Wait(wire.timeout)
        yield Drop()
        attempt.ended("timeout", spoiled=True)
        raise wire.timed_out()
    while delay == math.inf:
        yield Wait(_FOREVER)
    if delay > 0:
        yield Wait(delay)


def _told(work: Work, attempt: Attempt, strike: StoreStrike, wire: Wire, reply: Any, spoiled: bool) -> Steps:
    if strike.lost or strike.garbage:
        yield Drop()
        attempt.ended("broken", strike.lost or "garbage", spoiled=True)
        raise wire.unreadable(strike.garbage) if strike.garbage else wire.reset() if strike.lost == "reset" else wire.closed()
    if strike.error:
        return (yield from _refused(work, attempt, strike.error, wire))
    work.left -= 1
    if not work.left:
        attempt.ended("error" if isinstance(reply, Exception) else "delivered", _sort(reply), spoiled=spoiled)
    if isinstance(reply, Exception):
        raise reply
    return reply


def _refused(work: Work, attempt: Attempt, line: str, wire: Wire) -> Steps:
    """The server refuses the command, or each command of a pipeline."""
    error = wire.replied(line)
    attempt.ended("error", type(error).__name__, spoiled=True)
    if not wire.is_reply(error):
        yield Drop()
        raise error
    operation = work.operation
    if operation.transaction:
        work.planted = [b"OK", *(wire.replied(line) for _ in range(operation.replies - 2)), wire.replied(_EXECABORT)]
    else:
        work.planted = [wire.replied(line) for _ in range(operation.replies)]
    return _planted(work)


def _sort(reply: Any) -> str:
    """What sort of reply it is, without what it holds: stores hold secrets."""
    if reply is None:
        return "nil"
    if isinstance(reply, bool | int | float):
        return str(reply)
    if isinstance(reply, bytes | str):
        return "OK" if reply in (b"OK", "OK") else f"{len(reply)} bytes"
    return f"{len(reply)} elements" if isinstance(reply, list | tuple | dict | set | frozenset) else type(reply).__name__
