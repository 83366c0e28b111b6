"""Putting the seams of MCP in, once a process: now for the modules that are loaded, later for those that are not."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from agentlab_faults.intercept.importing import after_import

__all__ = ["install"]


@cache
def install() -> None:
    """Watch for the official client. Imports nothing of it."""
    after_import({"mcp.client.session": _session, "mcp.client.stdio": _stdio})


def _session(module: ModuleType) -> None:
    from agentlab_faults.mcp.tools import seam_session  # noqa: PLC0415 - not before the client is there

    seam_session(module)


def _stdio(module: ModuleType) -> None:
    from agentlab_faults.mcp.stdio import seam_stdio  # noqa: PLC0415 - brings asyncio: not before the client is there

    seam_stdio(module)
