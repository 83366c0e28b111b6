"""Requests of OpenAI Chat Completions as they are on the wire."""

from __future__ import annotations

import json
from typing import Any

from agentlab_faults.exchange import Timeouts, WireRequest

__all__ = ["TOOLS", "tool", "wire_request"]


def tool(name: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters or {"type": "object", "properties": {}}, **more}}


TOOLS = [tool("lookup_order"), tool("refund")]


def wire_request(body: Any, headers: dict[str, str] | None = None) -> WireRequest:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"authorization": "Bearer sk-test", "content-type": "application/json"} if headers is None else headers
    url = "https://api.openai.com/v1/chat/completions"
    return WireRequest("httpx2", "POST", url, "api.openai.com", "/v1/chat/completions", sent, content, Timeouts(), sync=True)
