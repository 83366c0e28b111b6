"""The environment of an app under chaos: where its SDKs find the server."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CONTROL", "app_environment"]

CONTROL = "AGENTLAB_CHAOS_URL"
"""Tells the app, or its tests, where the server's own API is."""

_WITH_V1 = ("OPENAI_BASE_URL", "OPENAI_API_BASE", "GROQ_BASE_URL", "MISTRAL_API_BASE")
"""Base URLs that end in the API's version (openai, litellm and langchain, groq)."""
_BARE = ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE", "GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE")
"""Base URLs without one (anthropic, google-genai, litellm)."""
_IF_SET = ("AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE", "OLLAMA_HOST")
"""Set only where the app has them: another client is chosen by their mere presence."""
_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY")
_PLACEHOLDER = "sk-agentlab-scripted-provider"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def app_environment(given: Mapping[str, str], origin: str, *, placeholder_keys: bool) -> dict[str, str]:
    """The app's environment. `origin` is the server's (`http://127.0.0.1:8080`); `placeholder_keys` where no real provider is asked."""
    environment = dict(given)
    environment.update(dict.fromkeys(_WITH_V1, f"{origin}/v1"))
    environment.update(dict.fromkeys(_BARE, origin))
    environment.update({name: origin for name in _IF_SET if name in given})
    environment[CONTROL] = f"{origin}/_agentlab"
    for name in ("NO_PROXY", "no_proxy"):  # a proxy in the environment must not be asked for loopback
        already = [host for host in environment.get(name, "").split(",") if host]
        environment[name] = ",".join(dict.fromkeys([*already, *_LOOPBACK]))
    if placeholder_keys:
        environment.update({name: _PLACEHOLDER for name in _KEYS if not environment.get(name)})
        if not (environment.get("GEMINI_API_KEY") or environment.get("GOOGLE_API_KEY")):
            environment["GEMINI_API_KEY"] = _PLACEHOLDER
    return environment
