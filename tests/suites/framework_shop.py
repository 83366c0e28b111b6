"""The same shop in four frameworks, with tools whose bodies must never run."""

from __future__ import annotations

from typing import Any

from agents import Agent as OpenAIAgent
from agents import OpenAIChatCompletionsModel, function_tool
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from openai import AsyncOpenAI
from pydantic_ai import Agent as PydanticAgent

__all__ = ["langchain", "langgraph", "openai_agents", "pydantic_ai"]


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
