"""MCP servers as tools, through the official client (the extra `mcp`): streamable HTTP, or a process on standard input and output.

A server's hints decide the effect class: read-only is `read`, open-world is `external`, everything else `write`, so that a tool without
hints is never repeated blindly. Hints are the server's word; `effects` overrides them by the tool's name.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from agentlab.bounds import forget, within
from agentlab.errors import McpCallError, McpConnectError, McpServerError, MissingExtraError, ToolRefusedError
from agentlab.loops import PerLoop
from agentlab.text import clean, cut
from agentlab.tools import KEY, EffectClass, Tool

if TYPE_CHECKING:
    from mcp import Client

__all__ = ["McpServer", "McpTool"]

UNUSABLE: Final = re.compile(r"[^a-zA-Z0-9_-]")
DESCRIPTION: Final = 2_000
SCHEMA: Final = 20_000
"""Characters of a tool's description and of its schema; a tool with a larger schema is left out."""
PAGES: Final = 20
REFUSED: Final = frozenset({-32601, -32602})
"""JSON-RPC codes that say that nothing was run: no such method, no such tool or wrong arguments."""
CLOSED: Final = -32000


class McpServer:
    """A server whose tools an agent uses. `where` is a URL, `StdioServerParameters`, or whatever else `mcp.Client` connects to.

    It is connected at the first turn, and again after its connection was lost. `timeout` is in seconds: for connecting, and for a call.

    >>> shop = McpServer("https://mcp.shop.example/mcp", name="shop", effects={"refund": "write"})
    >>> shop.name, shop.timeout
    ('shop', 10.0)
    """

    def __init__(self, where: Any, *, name: str, effects: Mapping[str, EffectClass] | None = None, timeout: float = 10.0) -> None:
        self.name = name
        self.timeout = timeout
        self._where = where
        self._effects: dict[str, EffectClass] = dict(effects or {})
        self._session: _Session | None = None
        self._connecting = PerLoop(asyncio.Lock)

    async def tools(self, taken: Collection[str] = ()) -> list[Tool]:
        """The server's tools; one whose name is taken gets the server's name before its own.

        Raises McpServerError if the server cannot be reached or says something else than a list, MissingExtraError.
        """
        session = await self._connected()
        found: dict[str, Tool] = {}
        cursor: str | None = None
        for _ in range(PAGES):
            page = await session.ask(lambda client, at=cursor: client.list_tools(cursor=at), self.name)
            for listed in page.tools:
                name = _free(UNUSABLE.sub("_", listed.name)[:64], self.name, {*taken, *found})
                if name and _is_usable(listed.input_schema):
                    found[name] = McpTool(self, name, listed, self._effects.get(listed.name))
            cursor = page.next_cursor
            if not cursor:
                break
        return list(found.values())

    async def call(self, tool: str, arguments: dict[str, Any], meta: dict[str, Any] | None) -> Any:
        """What the tool returned. Raises ToolRefusedError, McpCallError, McpServerError."""
        session = await self._connected()
        result = await session.ask(lambda client: client.call_tool(tool, arguments, meta=meta), self.name)
        text = "\n".join(part.text if part.type == "text" else f"[{part.type}: not shown]" for part in result.content)
        if result.is_error:
            raise McpCallError(cut(clean(text), DESCRIPTION) or "it gave no reason")
        return text or result.structured_content

    async def aclose(self) -> None:
        """End the session, and the process if there is one."""
        session, self._session = self._session, None
        if session is not None:
            await session.aclose()

    async def _connected(self) -> _Session:
        async with self._connecting.here():
            if self._session is not None and self._session.over:
                await self.aclose()
            if self._session is None:
                session = _Session(self._where)
                try:
                    await within(self.timeout, session.opened())
                except MissingExtraError:
                    raise
                except Exception as error:
                    await session.aclose()
                    raise McpConnectError(f"The MCP server {self.name} cannot be reached ({type(error).__name__})") from error
                except asyncio.CancelledError:  # whoever waited for it had less time
                    session.leave()
                    raise
                self._session = session
            return self._session


class _Session:
    """One connection, held by a task of its own: the client's must be left in the task that entered it, and dies with its transport."""

    def __init__(self, where: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[Client] = self._loop.create_future()
        self._leave = asyncio.Event()
        self._lost = False
        self._holder = asyncio.ensure_future(self._held(where))
        self._holder.add_done_callback(forget)

    @property
    def over(self) -> bool:
        """Whether the connection has ended. The client of a process that has died goes on without a word: its calls tell."""
        return self._lost or self._ended

    @property
    def _ended(self) -> bool:
        return self._holder.done() or self._loop.is_closed()

    async def opened(self) -> None:
        """Wait until it is open. Raises what the client raises."""
        either: set[asyncio.Future[Any]] = {self._ready, self._holder}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            self._holder.result()
            raise McpServerError("the connection ended before it began")

    async def ask(self, work: Any, name: str) -> Any:
        """One request. Raises ToolRefusedError, McpServerError."""
        asked = asyncio.ensure_future(work(self._ready.result()))
        try:
            await asyncio.wait({asked, self._holder}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not asked.done():
                asked.cancel()
        if not asked.done() or asked.cancelled():
            raise McpServerError(f"The MCP server {name} ended the connection")
        self._lost |= _closed(asked.exception())
        return _answer(asked, name)

    async def aclose(self) -> None:
        """Leave it; what it raises on its way out says nothing that was not said. What has ended with its event loop is left already."""
        if not self._ended:
            self._leave.set()
            await asyncio.wait({self._holder}, timeout=1.0)
            self.leave()
            await asyncio.wait({self._holder}, timeout=1.0)

    def leave(self) -> None:
        """Cut it, without waiting for its end."""
        self._holder.cancel()

    async def _held(self, where: Any) -> None:
        try:
            from mcp import Client  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap
        except ImportError as error:
            raise MissingExtraError("MCP servers need the extra `mcp`: pip install 'agentlab-chaos[mcp]'.") from error
        async with Client(where) as client:
            self._ready.set_result(client)
            await self._leave.wait()


def _closed(error: BaseException | None) -> bool:
    """Whether it is the client's own word that there is no connection any more; servers use the code for other things."""
    return getattr(error, "code", None) == CLOSED and getattr(error, "message", "") == "Connection closed"


def _answer(asked: asyncio.Future[Any], name: str) -> Any:
    error = asked.exception()
    if error is None:
        return asked.result()
    code, said = getattr(error, "code", None), cut(clean(str(getattr(error, "message", ""))), DESCRIPTION)
    if code in REFUSED:
        raise ToolRefusedError(f"The MCP server {name} refused the call: {said}") from error
    raise McpServerError(f"The MCP server {name} failed ({type(error).__name__})") from error


class McpTool(Tool):
    """One tool of a server: the server's name, schema and hints, and the server's own check of the arguments."""

    def __init__(self, server: McpServer, name: str, listed: Any, effect: EffectClass | None) -> None:
        super().__init__(
            self._never,
            name=name,
            description=cut(clean(listed.description or listed.title or ""), DESCRIPTION),
            effect=effect or _effect(listed.annotations),
            timeout=server.timeout,
        )
        self._server = server
        self._remote = listed.name
        schema = json.loads(json.dumps(listed.input_schema))
        properties = schema.get("properties", {})
        self._takes_key = properties.pop(KEY, None) is not None
        schema["required"] = [name for name in schema.get("required", []) if name != KEY]
        self._idempotent = bool(listed.annotations and listed.annotations.idempotent_hint)
        self._schema = {"type": "function", "function": {"name": self.name, "description": self.description, "parameters": schema}}

    @property
    def keyed(self) -> bool:
        """Whether a call can be repeated safely: it takes a key, or the server says that repeating it changes nothing."""
        return self._takes_key or self._idempotent

    @property
    def schema(self) -> dict[str, Any]:
        """The server's schema as OpenAI's `tools` parameter wants it."""
        return self._schema

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as they are: the server checks them, and its words reach the model. A key is never the model's to choose."""
        return {name: value for name, value in arguments.items() if name != KEY}

    def check(self, result: Any) -> Any:
        """The result as it is: the client has checked it against the server's own schema."""
        return result

    async def call(self, arguments: dict[str, Any], call_id: str | None = None) -> Any:
        """Call the tool on the server. Raises ToolRefusedError, McpCallError, McpServerError."""
        del call_id
        key = arguments.get(KEY)
        given = arguments if self._takes_key else {name: value for name, value in arguments.items() if name != KEY}
        return await self._server.call(self._remote, given, {f"agentlab/{KEY}": key} if key else None)

    @staticmethod
    async def _never() -> None:
        """No function of this process is behind the tool."""


def _effect(hints: Any) -> EffectClass:
    if hints is not None and hints.read_only_hint:
        return "read"
    return "external" if hints is not None and hints.open_world_hint else "write"


def _free(name: str, server: str, taken: Collection[str]) -> str:
    """The name, or the longer one; empty if both are taken."""
    longer = UNUSABLE.sub("_", f"{server}_{name}")[:64]
    return next((free for free in (name, longer) if free and free not in taken), "")


def _is_usable(schema: Any) -> bool:
    return isinstance(schema, dict) and isinstance(schema.get("properties", {}), dict) and len(json.dumps(schema)) <= SCHEMA
