"""MCP over stdio: the server's process as the client's transport sees it, one of the lab's own or a shim round a real one.

Messages are lines of JSON. A real process runs in real time: as long as it owes an answer the virtual clock stands still.
"""

from __future__ import annotations

import asyncio
import errno
import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, Self

from agentlab_faults.mcp.pipes import Stdin, Stdout
from agentlab_faults.mcp.switch import Board, Message, Request, address_of, current

__all__ = ["Child", "seam_stdio"]


def seam_stdio(module: ModuleType) -> None:
    """Put the seams into `mcp.client.stdio`: where it starts a process, and where it ends one."""
    stdio: Any = module
    if hasattr(stdio._create_platform_compatible_process, "agentlab_seam"):
        return
    start, end = stdio._create_platform_compatible_process, stdio._terminate_process_tree

    @functools.wraps(start)
    async def started(command: str, args: list[str], *more: Any, **options: Any) -> Any:
        board = current()
        if board is None:
            return await start(command, args, *more, **options)
        return await _started(board, command, args, lambda: start(command, args, *more, **options))

    @functools.wraps(end)
    async def ended(process: Any, *more: Any, **options: Any) -> None:
        if not isinstance(process, Child):
            await end(process, *more, **options)
        elif process.real is not None:
            await end(process.real, *more, **options)
        else:
            process.exit(-15)

    started.agentlab_seam = True  # type: ignore[attr-defined]  # how a second look knows our own wrapper
    stdio._create_platform_compatible_process, stdio._terminate_process_tree = started, ended


async def _started(board: Board, command: str, args: list[str], start: Callable[[], Any]) -> Child:
    address = address_of(command, args)
    first = board.begin({"id": 0, "method": "initialize"}, address, "stdio")
    strike = first.strike if first is not None else None
    if first is not None and strike is not None and strike.missing:
        first.struck(changed=True)
        first.ended("broken", "FileNotFoundError", spoiled=True)
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", command)
    real = None if board.served(address) is not None or (strike is not None and strike.exits and not strike.lines) else await start()
    child = Child(board, address, first, real)
    if first is not None and strike is not None and strike.exits and not strike.lines:
        first.struck(changed=True)
        first.ended("exited", spoiled=True)
        child.exit(1)
    return child


class Child:
    """A server's process. `real` is the one that the shim is round."""

    def __init__(self, board: Board, address: str, first: Request | None, real: Any) -> None:
        self.board = board
        self.address = address
        self.first = first
        """The attempt at `initialize`, which begins with the process."""
        self.real = real
        self.pid = 0 if real is None else real.pid
        self.stdin = Stdin(self)
        self.stdout = Stdout(real)
        if real is not None:
            self.stdout.listen(real)
        self._code: int | None = None
        self._over = asyncio.Event()
        self.deaf = False
        """It does not end when its stdin is closed."""

    @property
    def returncode(self) -> int | None:
        """The exit code; None as long as it runs."""
        return self._code if self.real is None or self._code is not None else self.real.returncode

    def exit(self, code: int) -> None:
        """The process ends."""
        if self._code is None:
            self._code = code
            self._over.set()
            self.stdout.end()

    async def wait(self) -> int | None:
        """Wait for its end; the exit code. mcp 1 asks for it, and for the context manager."""
        if self.real is None:
            await self._over.wait()
        return self.returncode if self.real is None else await self.real.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.real is not None:
            await self.real.aclose()

    def attempt_at(self, message: Message) -> Request | None:
        """The attempt that a request belongs to."""
        if message.get("method") == "initialize" and self.first is not None:
            first, self.first = self.first, None
            first.message = message
            return first
        return self.board.begin(message, self.address, "stdio")
