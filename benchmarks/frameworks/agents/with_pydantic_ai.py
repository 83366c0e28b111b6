"""pydantic-ai. Hardened: `retries` 3, `tool_timeout` and the models' `timeout` 30 s, `max_retries` 4 of the SDK, a limit of 20 requests,
a hook that tells the model of a tool's exception (`ModelRetry`).

With a fallback host: `FallbackModel`, on any error of a model; hardened it also rejects answers that are filtered, cut or empty.
"""

from typing import Any

from anthropic import AsyncAnthropic
from google.genai.types import HttpRetryOptions
from openai import AsyncOpenAI
from pydantic_ai import Agent, ModelRetry, UsageLimits
from pydantic_ai.capabilities import Hooks
from pydantic_ai.exceptions import ContentFilterError, OutputTokenLimitExceeded
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
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


def _retries(wiring: Wiring) -> dict[str, Any]:
    return {"max_retries": 4} if wiring.hardened else {}


def _primary(wiring: Wiring) -> Model:
    if wiring.primary == "anthropic":
        return AnthropicModel("claude-haiku-4-5", provider=AnthropicProvider(anthropic_client=AsyncAnthropic(**_retries(wiring))))
    if wiring.primary == "gemini":
        retries: dict[str, Any] = {"retry_options": HttpRetryOptions(attempts=5)} if wiring.hardened else {}
        return GoogleModel("gemini-2.5-flash", provider=GoogleProvider(**retries))
    return OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(openai_client=AsyncOpenAI(**_retries(wiring))))


def _empty(response: ModelResponse) -> bool:
    return not response.parts


def build(wiring: Wiring) -> Asked:
    models: Any = _primary(wiring)
    if wiring.fallback:
        backup = OpenAIChatModel("backup", provider=OpenAIProvider(openai_client=AsyncOpenAI(base_url=FALLBACK_URL, **_retries(wiring))))
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
