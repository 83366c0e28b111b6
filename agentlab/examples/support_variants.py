"""The support agent on each provider, whole and streamed, as factories that a suite can name:

    agentlab test customer_support --agent agentlab.examples.support_variants:anthropic_streamed

The fallback is always another provider's model. The SDKs are loaded with this module, so that no run waits for them.
"""

from __future__ import annotations

from agentlab.agent import Agent
from agentlab.examples.support import CHAINS, build
from agentlab.providers import provider_of

__all__ = [
    "anthropic",
    "anthropic_streamed",
    "google",
    "google_streamed",
    "openai_chat_streamed",
    "openai_responses",
    "openai_responses_streamed",
]


for _model in {model for chain in CHAINS.values() for model in chain}:
    provider_of(_model).load()


def anthropic() -> Agent:
    """Anthropic first, OpenAI as fallback."""
    return build("anthropic")


def anthropic_streamed() -> Agent:
    """The same, streamed."""
    return build("anthropic", stream=True)


def google() -> Agent:
    """Google first, Anthropic as fallback."""
    return build("google")


def google_streamed() -> Agent:
    """The same, streamed."""
    return build("google", stream=True)


def openai_chat_streamed() -> Agent:
    """`build`'s OpenAI first and its second host, streamed."""
    return build(stream=True)


def openai_responses() -> Agent:
    """OpenAI's responses first, Anthropic as fallback."""
    return build("openai-responses")


def openai_responses_streamed() -> Agent:
    """The same, streamed."""
    return build("openai-responses", stream=True)
