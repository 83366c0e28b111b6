"""openai-agents. Hardened: its retries of the model (4, of network errors and of 408, 409, 429 and 5xx), timeouts of 30 s for each attempt
and each tool, unknown tools told to the model, 20 turns.

It has no fallback of its own: the second host is a `Model` of ours round two of its own, which asks the next one on any of its errors.
Anthropic and Gemini are asked through its `LitellmModel`.
"""

from collections.abc import AsyncIterator
from typing import Any

import openai
from agents import Agent, ModelRetrySettings, ModelSettings, OpenAIChatCompletionsModel, RunConfig, Runner, function_tool, retry_policies
from agents.exceptions import AgentsException
from agents.models.interface import Model
from openai import AsyncOpenAI

from benchmarks.frameworks.wiring import FALLBACK_URL, INSTRUCTIONS, Asked, Wiring

OTHERS = {"anthropic": "anthropic/claude-haiku-4-5", "gemini": "gemini/gemini-2.5-flash"}
FAILS = (openai.APIError, AgentsException)


class Fallback(Model):
    """The first model's answer, or the next one's if it fails; a stream only before its first event."""

    def __init__(self, *models: Model) -> None:
        self._models = models

    async def get_response(self, *args: Any, **kwargs: Any) -> Any:
        for model in self._models[:-1]:
            try:
                return await model.get_response(*args, **kwargs)
            except FAILS:
                continue
        return await self._models[-1].get_response(*args, **kwargs)

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for model in self._models:
            begun = False
            try:
                async for event in model.stream_response(*args, **kwargs):
                    begun = True
                    yield event
            except FAILS:
                if begun or model is self._models[-1]:
                    raise
            else:
                return


async def search_kb(query: str) -> dict[str, Any]:
    """Search the knowledge base."""
    return {"articles": [query]}


async def check_order(order_id: str) -> dict[str, Any]:
    """Look an order up."""
    return {"order": order_id}


def _primary(wiring: Wiring) -> Model:
    if wiring.primary == "openai":
        return OpenAIChatCompletionsModel("gpt-4o-mini", AsyncOpenAI())
    from agents.extensions.models.litellm_model import LitellmModel  # noqa: PLC0415  # litellm takes seconds to import

    return LitellmModel(OTHERS[wiring.primary])


def build(wiring: Wiring) -> Asked:
    model = _primary(wiring)
    if wiring.fallback:
        model = Fallback(model, OpenAIChatCompletionsModel("backup", AsyncOpenAI(base_url=FALLBACK_URL)))
    settings, running, options = ModelSettings(), RunConfig(tracing_disabled=True), dict[str, Any]()
    if wiring.hardened:
        again = retry_policies.any(retry_policies.network_error(), retry_policies.http_status([408, 409, 429, 500, 502, 503, 504, 529]))
        settings = ModelSettings(timeout=30.0, retry=ModelRetrySettings(max_retries=4, policy=again))
        running = RunConfig(tracing_disabled=True, tool_not_found_behavior="return_error_to_model")
        options = {"timeout": 30.0}
    tools = [function_tool(**options)(search_kb), function_tool(**options)(check_order)]
    agent = Agent(name="orders", instructions=INSTRUCTIONS, model=model, tools=tools, model_settings=settings)
    turns = {"max_turns": 20} if wiring.hardened else {}

    async def asked(prompt: str) -> Any:
        if not wiring.stream:
            return (await Runner.run(agent, prompt, run_config=running, **turns)).final_output
        result = Runner.run_streamed(agent, prompt, run_config=running, **turns)
        async for _ in result.stream_events():
            pass
        return result.final_output

    return asked
