"""A server of our own on a real socket, and a client that may send any bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from agentlab_faults.proxy import Certificates, Door, Front, Limits, Plan, Scopes, Scripted, Server, make_plan
from agentlab_faults.script import Call, Say, ScriptSpec

SCRIPT = ScriptSpec(
    turns=(Call((("lookup_order", {"id": "5512"}),)), Say("Order 5512 is on its way.")),
    latency=0.0,
)
TOOLS = [{"type": "function", "function": {"name": "lookup_order", "parameters": {"type": "object", "properties": {}}}}]


def chat(text: str = "Where is order 5512?", **more: Any) -> dict[str, Any]:
    """The body of a chat completion request."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], "tools": TOOLS, **more}


def post(path: str, body: Any, *headers: str, host: str = "127.0.0.1") -> bytes:
    """A request as bytes; `body` is written as JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", f"host: {host}", "content-type: application/json", f"content-length: {len(data)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + data


ASK = post("/v1/chat/completions", chat(), "authorization: Bearer sk-test")


async def until(what: Callable[[], bool]) -> None:
    """Wait until it is so; the test's own limit of time ends it otherwise."""
    while not what():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.005)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Write bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").strip().split("\r\n")
        return int(first.split()[1]), {line.partition(": ")[0]: line.partition(": ")[2] for line in lines}

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        status, headers = await self.head()
        if "content-length" in headers:
            return status, await self.reader.readexactly(int(headers["content-length"]))
        return status, b"".join([piece async for piece in self.pieces()])

    async def pieces(self) -> AsyncIterator[bytes]:
        """The chunks of a body, as they come."""
        while size := int(await self.reader.readline(), 16):
            yield await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        return await self.reader.read()


class Chaos:
    """A server, and what it has seen."""

    def __init__(self, server: Server, scopes: Scopes) -> None:
        self.server, self.scopes = server, scopes

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A connection to the server."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def ask(self, data: bytes = ASK) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        async with self.client() as client:
            await client.send(data)
            return await client.answer()


@contextlib.asynccontextmanager
async def chaos(
    faults: Sequence[str] = (),
    *,
    script: ScriptSpec = SCRIPT,
    limits: Limits | None = None,
    plan: Plan | None = None,
    certificates: Certificates | None = None,
    **how: Any,
) -> AsyncIterator[Chaos]:
    """A running server with a script."""
    tls = certificates is not None
    scopes = Scopes(plan=plan or make_plan(faults, tls=tls, **how), scripts=(script,), tls=tls)
    front = Front(scopes, Scripted())
    front.server = server = Server(front, limits=limits)
    front.door = door = Door(scopes, server, certificates)
    server.greet = door.greet if tls else None
    scopes.switched = door.switched
    await server.start()
    door.turn()
    try:
        async with asyncio.timeout(20):
            yield Chaos(server, scopes)
    finally:
        await door.close()
        await server.close()
