"""An agent's MCP servers: their tools join its own as soon as a server can be reached, and a turn goes on without one that cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agentlab import telemetry
from agentlab.bounds import within
from agentlab.breaker import Breaker
from agentlab.closing import close_all
from agentlab.errors import BreakerOpenError, McpServerError
from agentlab.mcp_server import McpServer
from agentlab.toolbox import Toolbox
from agentlab.turn import Turn

__all__ = ["Servers"]

SHARE = 0.2
"""Part of the remaining time that listing a server's tools may use."""


class Servers:
    """The servers whose tools an agent wants."""

    def __init__(self, servers: Sequence[McpServer], toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._servers = list(servers)
        self._unlisted = {server: Breaker(f"mcp:{server.name}", None, telemetry.breaker_changed) for server in servers}

    async def open(self, turn: Turn) -> None:
        """Offer the tools of servers that were not reached yet. One that cannot be reached now is noted in the turn, and done without."""
        await asyncio.gather(*(self._listed(server, breaker, turn) for server, breaker in list(self._unlisted.items())))

    async def aclose(self) -> None:
        """Leave every server."""
        await close_all(*self._servers)

    async def _listed(self, server: McpServer, breaker: Breaker, turn: Turn) -> None:
        try:
            permit = await breaker.admit(2 * server.timeout)
        except BreakerOpenError as error:
            self._without(server, str(error), turn)
            return
        try:
            tools = await within(min(server.timeout, turn.deadline.remaining * SHARE), server.tools(self._toolbox.names))
        except (McpServerError, TimeoutError) as error:
            await permit.fail()
            self._without(server, str(error), turn)
        else:
            await permit.succeed()
            self._toolbox.add([tool for tool in tools if tool.name not in self._toolbox.names])
            self._unlisted.pop(server, None)
        finally:
            await permit.release()

    @staticmethod
    def _without(server: McpServer, why: str, turn: Turn) -> None:
        turn.without[server.name] = turn.withdrawn[server.name] = why
