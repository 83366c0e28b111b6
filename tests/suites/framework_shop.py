"""The same shop in four frameworks, with tools whose bodies must never run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from agents import Agent as OpenAIAgent
from agents import OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from fastmcp.client.transports import StdioTransport
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from openai import AsyncOpenAI
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.mcp import MCPToolset

__all__ = [
    "langchain",
    "langgraph",
    "openai_agents",
    "openai_agents_mcp_http",
    "openai_agents_mcp_stdio",
    "openai_agents_responses",
    "pydantic_ai",
    "pydantic_ai_mcp_http",
    "pydantic_ai_mcp_stdio",
]

COMMAND, ARGUMENTS = "python", ["no_such_server.py"]


def url() -> str:
    """The MCP server's address: a real one's, or one that the lab answers for."""
    return os.environ.get("SHOP_MCP_URL", "https://mcp.shop.example/mcp")


def lookup_order(id: str) -> dict[str, Any]:  # noqa: A002 - the name that the model sees
    """Look up an order."""
    raise AssertionError(f"the real lookup of {id} ran")


async def refund(order: str, amount: float) -> dict[str, Any]:
    """Refund an order."""
    raise AssertionError(f"the real refund of {order}, {amount}, ran")


def pydantic_ai() -> Any:
    return PydanticAgent("openai-chat:gpt-4o-mini", tools=[lookup_order, refund], tool_timeout=30)


def openai_agents() -> Any:
    tools = [function_tool(timeout=None if made is lookup_order else 30)(made) for made in (lookup_order, refund)]
    return OpenAIAgent(name="shop", model=OpenAIChatCompletionsModel("gpt-4o-mini", AsyncOpenAI()), tools=list(tools))


def openai_agents_responses() -> Any:
    """Over the Responses API, which is this framework's default."""
    return OpenAIAgent(name="shop", model=OpenAIResponsesModel("gpt-4o-mini", AsyncOpenAI()), tools=list(openai_agents().tools))


def langchain() -> Any:
    return create_agent(ChatOpenAI(model="gpt-4o-mini"), [tool(lookup_order), tool(refund)])


def langgraph() -> Any:
    tools = [tool(lookup_order), tool(refund)]
    model = ChatOpenAI(model="gpt-4o-mini").bind_tools(tools)

    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("think", think).add_node("tools", ToolNode(tools, handle_tool_errors=True))
    graph.add_edge(START, "think").add_conditional_edges("think", tools_condition).add_edge("tools", "think")
    return graph.compile(checkpointer=InMemorySaver())


def openai_agents_mcp_http() -> Any:
    """Its tools are an MCP server's, over streamable HTTP."""
    return _asking_over(lambda: MCPServerStreamableHttp({"url": url()}))


def openai_agents_mcp_stdio() -> Any:
    """The same over stdio: the lab answers, and no process is started."""
    return _asking_over(lambda: MCPServerStdio({"command": COMMAND, "args": ARGUMENTS}))


def pydantic_ai_mcp_http() -> Any:
    """Over pydantic-ai's client, which is fastmcp's."""
    return PydanticAgent("openai-chat:gpt-4o-mini", toolsets=[MCPToolset(url())])


def pydantic_ai_mcp_stdio() -> Any:
    return PydanticAgent("openai-chat:gpt-4o-mini", toolsets=[MCPToolset(StdioTransport(COMMAND, ARGUMENTS))])


def _asking_over(server: Callable[[], Any]) -> Any:
    async def agent(text: str) -> Any:
        async with server() as shop:
            model = OpenAIChatCompletionsModel("gpt-4o-mini", AsyncOpenAI())
            return (await Runner.run(OpenAIAgent(name="shop", model=model, mcp_servers=[shop]), text)).final_output

    return agent
