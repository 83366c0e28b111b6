"""A server of mcp 1 on stdio. Its argument is the file in which it notes its process, and each order that it is asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mcp.server.fastmcp import FastMCP

LOG = Path(sys.argv[1])
shop = FastMCP("shop", log_level="CRITICAL")


def note(line: object) -> None:
    with LOG.open("a") as log:
        log.write(f"{line}\n")


@shop.tool()
def lookup_order(id: str) -> dict[str, float]:  # noqa: A002 - the name that the model sees
    """Look up an order."""
    note(id)
    return {"total": 49.90}


note(os.getpid())
shop.run("stdio")
