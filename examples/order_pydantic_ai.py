"""An agent for orders with pydantic-ai."""

from pydantic_ai import Agent


def lookup_order(id: str) -> dict:
    """Look up an order."""
    return {"id": id, "total": 49.90, "status": "delivered"}


async def refund(order: str, amount: float) -> dict:
    """Refund an order."""
    return {"ok": True, "order": order, "refunded": amount}


def build():
    return Agent(
        "openai-chat:gpt-4o-mini", instructions="You help customers with their orders.", tools=[lookup_order, refund], tool_timeout=30
    )
