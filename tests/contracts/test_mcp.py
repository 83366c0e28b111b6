"""One call of the official MCP client over streamable HTTP goes through the lab."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import mcp
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.intercept import End
from mcp.client.streamable_http import streamable_http_client

from .answers import Wire
from .calling import called

URL = "https://tools.corp/mcp"


class Server(Wire):
    """The least of an MCP server: it greets, and has one tool."""

    def __call__(self, request: WireRequest) -> tuple[Exchange, Callable[[End], None]]:
        self.requests.append(request)
        asked = json.loads(request.body) if request.body else {}
        result = self._result(asked)
        if result is None:
            return Exchange(status=202 if request.method == "POST" else 405), self.ends.append
        body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode()
        return Exchange(headers=(("content-type", "application/json"),), body=(body,)), self.ends.append

    def _result(self, asked: dict[str, Any]) -> Any:
        match asked:
            case {"method": "initialize", "params": {"protocolVersion": version}}:
                return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
            case {"method": "tools/list"}:
                return {"tools": [{"name": "weather", "inputSchema": {"type": "object"}}]}
            case {"method": "tools/call"}:
                return {"content": [{"type": "text", "text": "18 degrees"}], "isError": False}
        return None


async def weather() -> Any:
    async with streamable_http_client(URL) as streams, mcp.ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        answer = await session.call_tool("weather", {})
        return answer.content[0].text


def test_one_call_goes_through_the_lab() -> None:
    server = Server()
    assert called(weather, server) == "18 degrees"
    assert {request.library for request in server.requests} == {"httpx" if version("mcp").startswith("1.") else "httpx2"}
    assert {request.url for request in server.requests} == {URL}
