"""MCP: what an agent's client asks of its servers, over streamable HTTP and stdio, answered by the lab or on its way to a real server."""

from agentlab_faults.mcp.installing import install
from agentlab_faults.mcp.switch import watching

__all__ = ["install", "watching"]
