"""langchain's `create_agent`. Hardened: its middleware for retries of the model (4) and of tools (2), tool errors told to the model, and at
most 20 model calls; `timeout` 30 s of the model. It has no timeout for tools.

With a fallback host: `ModelFallbackMiddleware`.
"""

from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import (
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRefusalMiddleware,
    ModelRetryMiddleware,
    ToolErrorMiddleware,
    ToolRetryMiddleware,
)
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

from benchmarks.frameworks.wiring import FALLBACK_URL, INSTRUCTIONS, Asked, Wiring

CHATS: dict[str, tuple[Any, str]] = {
    "openai": (ChatOpenAI, "gpt-4o-mini"),
    "anthropic": (ChatAnthropic, "claude-haiku-4-5"),
    "gemini": (ChatGoogleGenerativeAI, "gemini-2.5-flash"),
}


@tool
async def search_kb(query: str) -> dict[str, Any]:
    """Search the knowledge base."""
    return {"articles": [query]}


@tool
async def check_order(order_id: str) -> dict[str, Any]:
    """Look an order up."""
    return {"order": order_id}


def build(wiring: Wiring) -> Asked:
    options: dict[str, Any] = {"timeout": 30.0} if wiring.hardened else {}
    middleware: list[Any] = []
    if wiring.fallback:
        middleware.append(ModelFallbackMiddleware(ChatOpenAI(model="backup", base_url=FALLBACK_URL, **options)))
    if wiring.hardened:
        middleware += [
            ModelRetryMiddleware(max_retries=4, on_failure="error"),
            ModelRefusalMiddleware(),
            ModelCallLimitMiddleware(run_limit=20, exit_behavior="error"),
            ToolErrorMiddleware(lambda error, request: f"{request.tool_call['name']} failed ({type(error).__name__})."),
            ToolRetryMiddleware(max_retries=2, on_failure="error"),
        ]
    chat, name = CHATS[wiring.primary]
    agent: Any = create_agent(chat(model=name, **options), [search_kb, check_order], system_prompt=INSTRUCTIONS, middleware=middleware)

    async def asked(prompt: str) -> Any:
        question = {"messages": [{"role": "user", "content": prompt}]}
        if not wiring.stream:
            return (await agent.ainvoke(question))["messages"][-1].text
        last: Any = None
        async for mode, value in agent.astream(question, stream_mode=["messages", "values"]):
            last = value if mode == "values" else last
        return last["messages"][-1].text

    return asked
