"""The app as a child process: in a process group of its own, which ends when we do, however we end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator, Mapping, Sequence

from agentlab.commands.console import CommandError

__all__ = ["Child", "exit_code"]

GRACE = 2.0
"""Seconds that the app has to end after a signal, before it is killed."""
_GUARD = "trap '' INT TERM HUP QUIT TSTP; cat >/dev/null; kill -TERM 0; sleep 1; kill -KILL 0"
"""Leads the app's process group and waits for the end of a pipe that only we hold: even after SIGKILL it ends the whole group."""


class Child:
    """A running app."""

    def __init__(self, guard: Process, app: Process) -> None:
        self._guard, self._app = guard, app
        self._group = guard.pid

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str], *, keyboard: bool) -> Child:
        """Run the command. `keyboard` gives it the terminal, where there is one. Raises CommandError if it cannot be run."""
        guard = await asyncio.create_subprocess_exec("/bin/sh", "-c", _GUARD, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, process_group=0)
        try:
            with _ignoring(signal.SIGTSTP):  # inherited: Ctrl-Z would stop the app, and leave nobody at the terminal
                app = await asyncio.create_subprocess_exec(
                    *command, env=dict(environment), stdin=None if keyboard else DEVNULL, process_group=guard.pid
                )
        except OSError as error:
            os.killpg(guard.pid, signal.SIGKILL)
            await guard.wait()
            raise CommandError(f"{command[0]!r} cannot be run: {error.strerror}.") from error
        child = cls(guard, app)
        if keyboard:
            _give_terminal(guard.pid)
        return child

    async def wait(self) -> int:
        """Wait for the app's end; its exit code, or the negative number of the signal that ended it."""
        return await self._app.wait()

    async def end(self, number: int = signal.SIGTERM) -> None:
        """End the app and all that it has started: the signal, some time, then SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._app.wait(), GRACE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, signal.SIGKILL)
        await self._app.wait()
        await self._guard.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        _give_terminal(os.getpgrp())


def exit_code(code: int) -> int:
    """The exit code to end with: the app's, or 128 and the number of the signal that ended it.

    >>> exit_code(3), exit_code(-15)
    (3, 143)
    """
    return code if code >= 0 else 128 - code


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
