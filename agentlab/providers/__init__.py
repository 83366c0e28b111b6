"""The providers: how a request is written in the words of each wire API, and how an answer in them is read.

Nothing outside this package knows a provider's words. The SDKs are loaded at the first call.
"""

from __future__ import annotations

from agentlab.models import Model
from agentlab.providers.anthropic import Anthropic
from agentlab.providers.google import Google
from agentlab.providers.openai_chat import OpenAIChat
from agentlab.providers.openai_responses import OpenAIResponses
from agentlab.providers.provider import Assembly, Provider

__all__ = ["Assembly", "Provider", "provider_of"]

_PROVIDERS: dict[str, type[Provider]] = {
    "openai-chat": OpenAIChat,
    "openai-responses": OpenAIResponses,
    "anthropic": Anthropic,
    "google": Google,
}


def provider_of(model: Model) -> Provider:
    """What speaks to the model. Raises MissingExtraError if its SDK is not installed, ValueError for an API that is not known."""
    if model.api not in _PROVIDERS:
        raise ValueError(f"{model.name} has the api {model.api!r}; known are: {', '.join(_PROVIDERS)}.")
    return _PROVIDERS[model.api](model)
