"""pydantic-ai. Hardened: `retries` 3, `tool_timeout` and the models' `timeout` 30 s, `max_retries` 4 of the SDK, a limit of 20 requests,
a hook that tells the model of a tool's exception (`ModelRetry`).

With a fallback host: `FallbackModel`, on any error of a model; hardened it also rejects answers that are filtered, cut or empty.
"""

from typing import Any

from openai import AsyncOpenAI
from pydantic_ai import Agent, ModelRetry, UsageLimits
from pydantic_ai.capabilities import Hooks
from pydantic_ai.exceptions import ContentFilterError, OutputTokenLimitExceeded
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.frameworks.wiring import FALLBACK_URL, INSTRUCTIONS, Asked, Wiring


async def search_kb(query: str) -> dict[str, Any]:
    """Search the knowledge base."""
    return {"articles": [query]}


async def check_order(order_id: str) -> dict[str, Any]:
    """Look an order up."""
    return {"order": order_id}


async def _told(_context: Any, *, call: Any, error: Exception, **_other: Any) -> Any:
    """Told to the model instead of ending the run."""
    raise ModelRetry(f"{call.tool_name} failed ({type(error).__name__}).") from error


def _empty(response: ModelResponse) -> bool:
    return not response.parts


def build(wiring: Wiring) -> Asked:
    options: dict[str, Any] = {"max_retries": 4} if wiring.hardened else {}

    def model(name: str, **place: Any) -> OpenAIChatModel:
        return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=AsyncOpenAI(**place, **options)))

    models: Any = model("gpt-4o-mini")
    if wiring.fallback:
        backup = model("backup", base_url=FALLBACK_URL)
        rejects: Any = [Exception, ContentFilterError, OutputTokenLimitExceeded, *([] if wiring.stream else [_empty])]
        models = FallbackModel(models, backup, fallback_on=rejects) if wiring.hardened else FallbackModel(models, backup)
    hardening: dict[str, Any] = {}
    if wiring.hardened:
        told = Hooks(tool_execute_error=_told)
        hardening = {"retries": 3, "tool_timeout": 30.0, "model_settings": {"timeout": 30.0}, "capabilities": [told]}
    agent: Any = Agent(models, instructions=INSTRUCTIONS, tools=[search_kb, check_order], **hardening)
    limits: dict[str, Any] = {"usage_limits": UsageLimits(request_limit=20)} if wiring.hardened else {}

    async def asked(prompt: str) -> Any:
        if not wiring.stream:
            return (await agent.run(prompt, **limits)).output
        async with agent.run_stream(prompt, **limits) as running:
            return await running.get_output()

    return asked
