"""The two tools of the bare loops, and their schemas."""

from typing import Any

from agentlab_faults import tool


@tool
async def search_kb(query: str) -> dict[str, Any]:
    return {"articles": [query]}


@tool
async def check_order(order_id: str) -> dict[str, Any]:
    return {"order": order_id}


TOOLS = {"search_kb": search_kb, "check_order": check_order}
PARAMETERS: dict[str, dict[str, Any]] = {
    name: {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    for name, argument in (("search_kb", "query"), ("check_order", "order_id"))
}
TURNS = 20
