"""An agent for orders as a graph of langgraph, with a checkpointer for its memory."""

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition


@tool
def lookup_order(id: str) -> dict:
    """Look up an order."""
    return {"id": id, "total": 49.90, "status": "delivered"}


@tool
def refund(order: str, amount: float) -> dict:
    """Refund an order."""
    return {"ok": True, "order": order, "refunded": amount}


def build():
    model = ChatOpenAI(model="gpt-4o-mini").bind_tools([lookup_order, refund])

    async def think(state):
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("think", think).add_node("tools", ToolNode([lookup_order, refund], handle_tool_errors=True))
    graph.add_edge(START, "think").add_conditional_edges("think", tools_condition).add_edge("tools", "think")
    return graph.compile(checkpointer=InMemorySaver())
