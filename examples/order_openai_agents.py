"""An agent for orders with openai-agents."""

from agents import Agent, OpenAIChatCompletionsModel, function_tool
from openai import AsyncOpenAI


@function_tool
def lookup_order(id: str) -> dict:
    """Look up an order."""
    return {"id": id, "total": 49.90, "status": "delivered"}


@function_tool(timeout=30)
async def refund(order: str, amount: float) -> dict:
    """Refund an order."""
    return {"ok": True, "order": order, "refunded": amount}


def build():
    model = OpenAIChatCompletionsModel("gpt-4o-mini", AsyncOpenAI())
    return Agent(name="orders", instructions="You help customers with their orders.", model=model, tools=[lookup_order, refund])
