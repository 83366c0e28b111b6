"""The shop in langchain with langchain-mcp-adapters, which live with mcp 1 alone: they have an environment of their own."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any

from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI

__all__ = ["http", "stdio"]


def http() -> Any:
    """Its tools are loaded when it is asked; each call opens a session of its own."""
    return _loading({"transport": "http", "url": os.environ.get("SHOP_MCP_URL", "https://mcp.shop.example/mcp")})


def stdio() -> Any:
    arguments = shlex.split(os.environ.get("SHOP_MCP_ARGS", "no_such_server.py"))
    return _loading({"transport": "stdio", "command": sys.executable, "args": arguments})


def _loading(connection: Any) -> Any:
    async def agent(text: str) -> Any:
        tools = await MultiServerMCPClient({"shop": connection}).get_tools()
        return await create_agent(ChatOpenAI(model="gpt-4o-mini"), tools).ainvoke({"messages": [("user", text)]})

    return agent
