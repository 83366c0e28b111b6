"""What `agentlab chaos` costs on real sockets: at most 2 ms of one core a request (500 a second), and 2 ms added to an answer.

Servers in processes of their own: one that answers from a script and breaks nothing, the same with faults armed, and one that passes on
to the first with faults armed. Throughput is told by the server's own CPU time, so that other processes do not count; what is added is the
difference of medians, one request straight and one through, by turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from benchmarks.measure import Figure, publish

REQUESTS = 1_600
CONNECTIONS = 8
PAIRS = 200
STREAMS = 15
LIMIT = 120.0
"""Seconds after which the benchmark gives up."""
FAULTS = ("--faults", "http_500", "--rate", "0.02")
"""A share so small that the median is that of good answers, with the dealer at work on each request."""
SCRIPT = "script:\n  - say: Hello.\n"
SLOW = "script:\n  - say: Hello, this is a longer answer.\nlatency: 200ms\n"


class Served:
    """A running `agentlab chaos`."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "agentlab.cli", "chaos", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        log = self.process.stderr
        found = re.search(r"http://127\.0\.0\.1:(\d+)", log.readline()) if log is not None else None
        if log is None or found is None:
            raise RuntimeError("The server did not say where it listens.")
        self.port = int(found[1])
        threading.Thread(target=log.read, daemon=True).start()  # a log that nobody reads would stop the server

    def cpu(self) -> float:
        """CPU seconds that the server has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[Served]:
    server = Served(*arguments)
    try:
        yield server
    finally:
        server.end()


def asked(number: int, *, stream: bool = False) -> bytes:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"Hello {number}"}], "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer k\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection:
    """A kept connection; no HTTP library in between, so that the client costs next to nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def pieces(self, request: bytes) -> AsyncIterator[bytes]:
        """Send it, and hand over the answer's head and then its body's pieces."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        yield head
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length:
            yield await self._reader.readexactly(int(length[1]))
            return
        while size := int(await self._reader.readline(), 16):
            yield await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)

    async def ask(self, request: bytes) -> float:
        """Seconds from the request to the answer's last byte."""
        begin = time.perf_counter()
        async for _ in self.pieces(request):
            pass
        return time.perf_counter() - begin

    async def first_byte(self, request: bytes) -> tuple[float, float]:
        """Seconds to the body's first byte, and to its last."""
        begin = time.perf_counter()
        times = [time.perf_counter() - begin async for _ in self.pieces(request)]
        return times[1], times[-1]


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


async def load(server: Served) -> float:
    """Seconds of the server's CPU a request, under `CONNECTIONS` clients at once."""

    async def some(first: int) -> None:
        async with connected(server.port) as client:
            for number in range(first, first + REQUESTS // CONNECTIONS):
                await client.ask(asked(number))

    await some(0)
    before = server.cpu()
    await asyncio.gather(*(some(n * REQUESTS) for n in range(CONNECTIONS)))
    return (server.cpu() - before) / REQUESTS


async def added(straight: Served, through: Served) -> tuple[float, float]:
    """Median seconds of a request straight to the server, and those that going through adds."""
    async with connected(straight.port) as one, connected(through.port) as two:
        pairs = [(await one.ask(asked(number)), await two.ask(asked(number))) for number in range(PAIRS + 20)]
    kept = pairs[20:]  # the first ones open connections
    return statistics.median(a for a, _ in kept), statistics.median(b for _, b in kept) - statistics.median(a for a, _ in kept)


async def streams(straight: Served, through: Served) -> tuple[float, float]:
    """Median seconds that going through adds to a stream's first byte, and from its first byte to its last."""
    more, rest = [], []
    async with connected(straight.port) as one, connected(through.port) as two:
        for number in range(STREAMS):
            first, _ = await one.first_byte(asked(number, stream=True))
            late, last = await two.first_byte(asked(number, stream=True))
            more.append(late - first)
            rest.append(last - late)
    return statistics.median(more), statistics.median(rest)


async def measure(script: str, slow: str) -> list[Figure]:
    with served("--script", script) as plain, served("--script", script, *FAULTS) as armed, served("--script", slow) as streaming:
        live = ("--max-requests", "1000000", *FAULTS)
        with (
            served("--upstream", f"http://127.0.0.1:{plain.port}", *live) as passing,
            served("--upstream", f"http://127.0.0.1:{streaming.port}", *live) as passing_streams,
        ):
            quiet, broken, passed = await load(plain), await load(armed), await load(passing)
            alone, more = await added(plain, passing)
            late, rest = await streams(streaming, passing_streams)
    note = "{:,.0f} requests a second on one core, {} connections"
    return [
        Figure("chaos --script, a request", quiet * 1e3, "ms CPU", bar=2.0, note=note.format(1 / quiet, CONNECTIONS)),
        Figure("chaos --script --faults, a request", broken * 1e3, "ms CPU", bar=2.0, note=note.format(1 / broken, CONNECTIONS)),
        Figure("chaos --upstream --faults, a request", passed * 1e3, "ms CPU", bar=2.0, note=note.format(1 / passed, CONNECTIONS)),
        Figure("chaos --upstream, added to an answer", more * 1e3, "ms", bar=2.0, note=f"median; {alone * 1e3:.2f} ms straight"),
        Figure(
            "chaos --upstream, added to a stream's first byte",
            late * 1e3,
            "ms",
            bar=2.0,
            note=f"held back: {rest * 1e3:.0f} ms more",
        ),
    ]


async def bounded(script: str, slow: str) -> list[Figure]:
    async with asyncio.timeout(LIMIT):
        return await measure(script, slow)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        script, slow = Path(folder, "script.yaml"), Path(folder, "slow.yaml")
        script.write_text(SCRIPT)
        slow.write_text(SLOW)
        publish(asyncio.run(bounded(str(script), str(slow))))


if __name__ == "__main__":
    main()
