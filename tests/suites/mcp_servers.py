"""The example's suite for agents whose framework has an MCP client, and a real server for them on loopback.

The server is made with the official package: with mcp 2, or with mcp 1 where that is installed.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn
from agentlab_suites.cell import play_cell
from agentlab_suites.load import LoadedSuite, load_suite
from agentlab_suites.plan import Prepared, cells_of, discover

__all__ = ["MCP_1", "outcomes_of", "serving", "shop_suite"]

MCP_1 = version("mcp").startswith("1.")
EXAMPLE = Path(__file__).parents[2] / "examples" / "mcp_tools.suite.yaml"


def shop_suite(folder: Path, *, real: bool = False) -> LoadedSuite:
    """The example's suite with faults of tools too, for a server at any address; for a real one nothing of it is declared."""
    text = EXAMPLE.read_text().replace("at: mcp.shop.example", "at: '*'").replace('"mcp_*"', '"mcp_*", "tool_*"')
    if real:
        declared = text[text.index("mcp:\n") : text.index("scenarios:")]
        text = text.replace(declared, "").replace("returns: {total: 49.90}", "body: real")
    path = folder / "shop.suite.yaml"
    path.write_text(text)
    return load_suite(path)


def outcomes_of(ready: Prepared) -> tuple[set[str], Callable[[str], tuple[str, int]]]:
    """The points of the fault-free run, which is green; and what plays the cell of a schedule: its outcome, and how often it was seen."""
    found = discover(ready)
    ends = [(one.outcome, one.failure) for one in found]
    assert ends == [("success", "")], ends
    cells = {cell.id: cell for cell in cells_of(ready, found)}

    def outcome(schedule: str) -> tuple[str, int]:
        line = play_cell(cells[f"order_total[{schedule}]"], ready.agent).line
        return line.outcome, line.seen

    return {point.name for point in found[0].points}, outcome


@contextmanager
def serving() -> Iterator[tuple[str, list[str]]]:
    """The server's address, and the orders that its tool was asked for."""
    asked: list[str] = []
    module, name = ("mcp.server.fastmcp", "FastMCP") if MCP_1 else ("mcp.server.mcpserver", "MCPServer")
    shop: Any = getattr(importlib.import_module(module), name)("shop", log_level="CRITICAL")

    @shop.tool()
    def lookup_order(id: str) -> dict[str, float]:  # noqa: A002 - the name that the model sees
        """Look up an order."""
        asked.append(id)
        return {"total": 49.90}

    server = uvicorn.Server(uvicorn.Config(shop.streamable_http_app(), port=0, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, name="shop")
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/mcp", asked
    finally:
        server.should_exit = True
        thread.join()
