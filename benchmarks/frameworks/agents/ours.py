"""The reference runtime. There is nothing to switch on: every layer is there by default. `Model(stream=True)` asks for streams."""

from typing import Any

from agentlab import Agent, Model, tool
from benchmarks.frameworks.wiring import FALLBACK_URL, INSTRUCTIONS, Asked, Wiring


@tool
async def search_kb(query: str) -> dict[str, Any]:
    """Search the knowledge base."""
    return {"articles": [query]}


@tool
async def check_order(order_id: str) -> dict[str, Any]:
    """Look an order up."""
    return {"order": order_id}


def build(wiring: Wiring) -> Asked:
    primary = {
        "openai": Model(name="gpt-4o-mini", stream=wiring.stream),
        "responses": Model(name="gpt-4o-mini", api="openai-responses", stream=wiring.stream),
        "anthropic": Model(name="claude-haiku-4-5", api="anthropic", stream=wiring.stream),
        "gemini": Model(name="gemini-2.5-flash", api="google", stream=wiring.stream),
    }
    models = [primary[wiring.primary]]
    if wiring.fallback:
        models.append(Model(name="backup", base_url=FALLBACK_URL, limit_field="max_tokens", stream=wiring.stream))
    return Agent("orders", instructions=INSTRUCTIONS, models=models, tools=[search_kb, check_order])
