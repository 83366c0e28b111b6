"""An agent for orders with langchain."""

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


@tool
def lookup_order(id: str) -> dict:
    """Look up an order."""
    return {"id": id, "total": 49.90, "status": "delivered"}


@tool
async def refund(order: str, amount: float) -> dict:
    """Refund an order."""
    return {"ok": True, "order": order, "refunded": amount}


def build():
    model = ChatOpenAI(model="gpt-4o-mini")
    return create_agent(model, [lookup_order, refund], system_prompt="You help customers with their orders.")
