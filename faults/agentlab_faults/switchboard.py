"""The MCP servers' side of a run: every request of the agent's clients comes here, and the schedule's fault is picked for it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from agentlab_faults.calls import Call
from agentlab_faults.fault import BreaksMcp, McpCall, McpStrike
from agentlab_faults.injector import Target
from agentlab_faults.journal import McpAnswered, McpAsked
from agentlab_faults.ledger import canonical
from agentlab_faults.mcp.server import answer
from agentlab_faults.played import McpServer
from agentlab_faults.points import Point
from agentlab_faults.run import Run
from agentlab_faults.workshop import Workshop

__all__ = ["Switchboard"]

_METHODS = {"initialize": "initialize", "tools/list": "tools_list"}
"""What a request is called in its point, where it is no call of a tool."""


@dataclass(slots=True, eq=False)
class _Request:
    """One attempt at a request."""

    board: Switchboard
    message: dict[str, Any]
    address: str
    call: Call
    serial: int
    strike: McpStrike | None = None
    fault: str = ""

    def answered(self) -> dict[str, Any]:
        return self.board.plainly(self.message, self.address)

    def struck(self, *, changed: bool) -> None:
        self.board.run.struck(self.fault, self.call, changed=changed)

    def ended(self, end: str, detail: str = "", *, spoiled: bool = False) -> None:
        run, call = self.board.run, self.call
        if run.over:
            return
        if end in ("delivered", "passed") and not spoiled:
            run.calls.done(call)
        run.events.append(McpAnswered(run.now(), self.serial, call.point, call.attempt, end, detail, self.fault))


class Switchboard:
    """Watcher of the MCP transports for one run."""

    def __init__(self, run: Run, workshop: Workshop) -> None:
        self.run = run
        self._workshop = workshop
        self._serial = 0

    def served(self, address: str) -> McpServer | None:
        """The first of the suite's servers whose `at` fits."""
        return next((server for server in self.run.setup.mcp.values() if fnmatchcase(address, server.at)), None)

    def plainly(self, message: dict[str, Any], address: str) -> dict[str, Any]:
        """The lab's own answer."""
        server = self.served(address)
        return answer(server or McpServer(), message, self._ran)

    def _ran(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """A tool's effect and value."""
        self._workshop.commit_served(name, arguments)
        return copy.deepcopy(self.run.setup.tools[name].returns)

    def begin(self, message: dict[str, Any], address: str, transport: Any) -> _Request | None:
        """Place an attempt at a request, and pick its fault; None for what is no point, and after the run."""
        run, method, params = self.run, str(message.get("method")), message.get("params") or {}
        tool = str(params.get("name", "")) if method == "tools/call" else ""
        target = tool or _METHODS.get(method, "")
        if run.over or not target:
            return None
        self._serial += 1
        call = run.calls.place(f"mcp.{target}", canonical([address, method, params.get("arguments")]))
        run.points.setdefault(call.point, Point(call.point, "mcp", target, call.n, host=address, method=method, transport=transport))
        run.events.append(McpAsked(run.now(), self._serial, method, call.point, call.attempt, transport))
        request = _Request(self, message, address, call, self._serial)
        aim = Target("mcp", call.point, call.attempt, run.now(), host=address, tool=tool, method=method, transport=transport)
        injection = run.injector.pick(aim)
        if injection is not None and isinstance(injection.fault, BreaksMcp):
            request.fault = injection.fault.row.id
            request.strike = self._strike(injection.fault, McpCall(message.get("id", 0), method, tool, transport, call.attempt))
        return request

    def _strike(self, fault: BreaksMcp, call: McpCall) -> McpStrike | None:
        try:
            return fault.strike(call)
        except Exception as error:  # noqa: BLE001 - what breaks in a fault is the lab's failure and must not pass for the server's
            self.run.fail(f"The lab failed at {call.method} under {fault.row.id}: {type(error).__name__}: {error}")
            return None
