"""The pipes of a stdio server as the client's transport sees them: what it writes to, and what it reads from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from agentlab_faults.fault import McpStrike
from agentlab_faults.mcp.switch import Message, Request, completed
from agentlab_faults.sim.active import standing_still

if TYPE_CHECKING:
    from agentlab_faults.mcp.stdio import Child

__all__ = ["Stdin", "Stdout"]


class Stdin:
    """What the client writes to."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._rest = b""

    async def send(self, data: bytes) -> None:
        """Take lines: each a message of the client's."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                await self._said(line)

    async def _said(self, line: bytes) -> None:
        child = self._child
        message = json.loads(line)
        asks = "method" in message and "id" in message
        attempt = child.attempt_at(message) if asks else None
        if attempt is not None and attempt.strike is not None:
            attempt = self._struck(attempt, attempt.strike, message)
            if attempt is None:
                return
        if child.real is not None:
            child.stdout.owed(message, attempt)
            await child.real.stdin.send(line + b"\n")
        elif asks:
            child.stdout.put(attempt.answered() if attempt is not None else child.board.plainly(message, child.address))
            if attempt is not None:
                attempt.ended("delivered")

    def _struck(self, attempt: Request, strike: McpStrike, message: Message) -> Request | None:
        """What the fault does; the attempt again if the server has still to answer it."""
        child = self._child
        for text in strike.lines:
            child.stdout.put_line(text.encode())
        if strike.exits:
            attempt.struck(changed=True)
            attempt.ended("exited", spoiled=True)
            asyncio.get_running_loop().call_later(strike.delay, child.exit, 1)
            return None
        if strike.silent:
            attempt.struck(changed=True)
            child.deaf = True
            return None
        if child.real is not None and strike.runs:
            return attempt
        clean = attempt.answered() if strike.runs else {"jsonrpc": "2.0", "id": message["id"], "result": {}}
        child.stdout.told(attempt, strike, clean)
        return None

    async def aclose(self) -> None:
        """The client hangs up; a well-behaved server ends."""
        child = self._child
        if child.real is not None:
            await child.real.stdin.aclose()
            child.stdout.let_go()
            with standing_still():
                await child.real.wait()
        elif not child.deaf:
            child.exit(0)


class Stdout:
    """What the client reads from."""

    def __init__(self, real: Any = None) -> None:
        self._real = real
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._owed: dict[Any, tuple[Request | None, ExitStack]] = {}
        """Requests that a real process has still to answer, by id."""
        self._rest = b""
        self._listening: asyncio.Task[None] | None = None

    def put(self, message: Message) -> None:
        """A message of the server's."""
        self.put_line(json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    def put_line(self, line: bytes) -> None:
        """A line, whatever it is."""
        self._chunks.put_nowait(line + b"\n")

    def end(self) -> None:
        """The process has ended."""
        self._chunks.put_nowait(None)

    def told(self, attempt: Request, strike: McpStrike, clean: Message) -> None:
        """The answer to a request that a fault has struck."""
        shown = strike.message(json.loads(json.dumps(clean))) if strike.message else clean
        if self._real is not None:
            shown = completed(shown, attempt.message)
        spoiled = shown != clean or bool(strike.lines)
        attempt.struck(changed=spoiled)
        self.put(shown)
        attempt.ended("delivered", spoiled=spoiled)

    def owed(self, message: Message, attempt: Request | None) -> None:
        """A real process owes an answer; time stands still until it comes."""
        if "method" in message and "id" in message:
            holding = ExitStack()
            holding.enter_context(standing_still())
            self._owed[message["id"]] = attempt, holding

    def let_go(self) -> None:
        """Nothing is waited for any more."""
        for _, holding in self._owed.values():
            holding.close()
        self._owed.clear()

    def listen(self, real: Any) -> None:
        """Take in what a real process prints, as long as it runs."""
        self._listening = asyncio.get_running_loop().create_task(self._listen(real), name="agentlab.mcp.stdio")

    async def _listen(self, real: Any) -> None:
        import anyio  # noqa: PLC0415 - the client has imported it

        try:
            while True:
                self._heard(await real.stdout.receive())
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            self.let_go()
            self.end()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """The next bytes. Raises EndOfStream at the end."""
        del max_bytes  # a line is never split
        chunk = await self._chunks.get()
        if chunk is None:
            self.end()  # for whoever reads on
            raise self._over()
        return chunk

    def _heard(self, data: bytes) -> None:
        """Take what the real process prints, line by line."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            message = _parsed(line)
            answered = message.get("id") if "method" not in message else None
            attempt, holding = self._owed.pop(answered, (None, None)) if isinstance(answered, str | int | float) else (None, None)
            if holding is not None:
                holding.close()
            if attempt is not None and attempt.strike is not None:
                self.told(attempt, attempt.strike, message)
                continue
            self.put_line(line)
            if attempt is not None:
                attempt.ended("delivered")

    def _over(self) -> Exception:
        import anyio  # noqa: PLC0415 - the client has imported it

        return anyio.EndOfStream()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        import anyio  # noqa: PLC0415 - the client has imported it

        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """The client reads no further."""
        self.let_go()
        self.end()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
            await self._real.stdout.aclose()


def _parsed(line: bytes) -> Message:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
