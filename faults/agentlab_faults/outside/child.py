"""An app as a child process: in a process group of its own, which ends when we do, however we end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

__all__ = ["CannotRun", "Child"]

GRACE: Final = 2.0
"""Seconds that the app has to end after a signal, before it is killed."""
LEFT: Final = 0.5
"""Seconds that the rest of its output is waited for after its end: a process that it left behind may hold the pipe for ever."""
MOST: Final = 1_000_000
"""Bytes that are kept of what it prints."""
LAST: Final = 4_000
"""Bytes that are kept of the end of its standard error."""
_GUARD: Final = "trap '' INT TERM HUP QUIT TSTP; cat >/dev/null; kill -TERM 0; sleep 1; kill -KILL 0"
"""Leads the app's process group and waits for the end of a pipe that only we hold: even after SIGKILL it ends the whole group."""


class CannotRun(Exception):  # noqa: N818 - it says what is so
    """The command cannot be run; the text is one sentence."""


class _Process(asyncio.SubprocessProtocol):
    """What is heard of one process: what it prints where that is a pipe, and its end."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.out, self.err = bytearray(), bytearray()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        """It has ended, and so has everything that held its pipes."""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self.out += data[: MOST - len(self.out)]
        else:
            self.err = (self.err + data)[-LAST:]

    def process_exited(self) -> None:
        self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a pipe that broke has ended too
        self.closed.set_result(None)


_Started = tuple[asyncio.SubprocessTransport, _Process]


class Child:
    """A running app."""

    def __init__(self, guard: _Started, app: _Started, *, keyboard: bool) -> None:
        self._guard, self._guarded = guard
        self._transport, self._app = app
        self._group = self._guard.get_pid()
        self._keyboard = keyboard

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str], *, keyboard: bool = False) -> Child:
        """Run the command: with `keyboard` at the terminal, where there is one, else with nothing to read and all it prints kept.

        Raises CannotRun.
        """
        loop = asyncio.get_running_loop()
        guard = await loop.subprocess_exec(_Process, "/bin/sh", "-c", _GUARD, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, process_group=0)
        group = guard[0].get_pid()
        stdin, output = (None, None) if keyboard else (DEVNULL, PIPE)
        try:
            with _ignoring(signal.SIGTSTP) if keyboard else contextlib.nullcontext():  # Ctrl-Z would leave nobody at the terminal
                app = await loop.subprocess_exec(
                    _Process, *command, env=dict(environment), stdin=stdin, stdout=output, stderr=output, process_group=group
                )
        except BaseException as error:
            os.killpg(group, signal.SIGKILL)
            await _over(guard)
            if isinstance(error, OSError | ValueError):
                raise CannotRun(f"{command[0]!r} cannot be run: {getattr(error, 'strerror', None) or error}.") from error
            raise
        if keyboard:
            _give_terminal(group)
        return cls(guard, app, keyboard=keyboard)

    @property
    def out(self) -> str:
        """What it has printed, of which the first million bytes are kept; nothing of an app at the terminal."""
        return self._app.out.decode("utf-8", "replace").strip()

    @property
    def err(self) -> str:
        """The end of what it wrote to standard error."""
        return self._app.err.decode("utf-8", "replace").strip()

    @property
    def code(self) -> int | None:
        """Its exit code, or the negative number of the signal that ended it; None while it runs."""
        return self._transport.get_returncode()

    async def wait(self) -> int:
        """Wait for the app's end, and for what it has printed; its exit code, or the negative number of the signal that ended it."""
        await asyncio.shield(self._app.exited)
        await asyncio.wait([self._app.closed], timeout=LEFT)
        return self.code or 0

    async def end(self, number: int = signal.SIGTERM) -> None:
        """End the app and all that it has started: the signal, some time, then SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, number)
        await asyncio.wait([self._app.exited], timeout=GRACE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, signal.SIGKILL)
        for started in ((self._transport, self._app), (self._guard, self._guarded)):
            await _over(started)
        if self._keyboard:
            _give_terminal(os.getpgrp())


async def _over(started: _Started) -> None:
    """Wait until a killed process is gone, and close what is left of its pipes."""
    transport, process = started
    await asyncio.shield(process.exited)
    transport.close()
    await asyncio.shield(process.closed)


def _give_terminal(group: int) -> None:
    """Make a process group the one that the terminal's keys go to; nothing where there is no terminal."""
    if not sys.stdin.isatty():
        return
    with _ignoring(signal.SIGTTOU), contextlib.suppress(OSError):  # a background process that touches its terminal is stopped
        os.tcsetpgrp(sys.stdin.fileno(), group)
        os.killpg(group, signal.SIGCONT)


@contextlib.contextmanager
def _ignoring(number: signal.Signals) -> Iterator[None]:
    """Ignore a signal meanwhile."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)
