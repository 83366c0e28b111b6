"""The environment of an app whose provider is a server of ours: where its SDKs find it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["TRUST", "app_environment", "trusting"]

TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""Name a file of authorities to trust: Python's ssl and OpenSSL, requests, curl, Node."""

_WITH_V1 = ("OPENAI_BASE_URL", "OPENAI_API_BASE", "GROQ_BASE_URL", "MISTRAL_API_BASE")
"""Base URLs that end in the API's version (openai, litellm and langchain, groq)."""
_BARE = ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE", "GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE")
"""Base URLs without one (anthropic, google-genai, litellm)."""
_IF_SET = ("AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE", "OLLAMA_HOST")
"""Set only where the app has them: another client is chosen by their mere presence."""
_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY")
_KEYS_OF_GOOGLE = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
"""One of them is enough, and two are told apart with a warning."""
_PLACEHOLDER = "sk-agentlab-scripted-provider"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


_OF_HOST = (
    ("openai.com", ("OPENAI_",)),
    ("anthropic.com", ("ANTHROPIC_",)),
    ("googleapis.com", ("GOOGLE_", "GEMINI_")),
    ("groq.com", ("GROQ_",)),
    ("mistral.ai", ("MISTRAL_",)),
)
"""Providers that speak their own API only: the end of the host, and how their variables begin."""


def app_environment(given: Mapping[str, str], origin: str, *, upstream: str | None = None, own_keys: bool = True) -> dict[str, str]:
    """The app's environment. `origin` is the server's (`http://127.0.0.1:8080`).

    With `upstream`, only that provider's variables are set (all, where it is a gateway), and the app must have its own keys. Without, it
    gets placeholders for those that it lacks; for all of them if its `own_keys` are to stay here.
    """
    base = _base(origin, upstream)
    places = dict.fromkeys(_WITH_V1, base) | dict.fromkeys(_BARE, base.removesuffix("/v1"))
    places |= {name: origin for name in _IF_SET if name in given}
    environment = {**given, **{name: value for name, value in places.items() if _is_of(name, upstream)}}
    for name in ("NO_PROXY", "no_proxy"):  # a proxy in the environment must not be asked for loopback
        already = [host for host in environment.get(name, "").split(",") if host]
        environment[name] = ",".join(dict.fromkeys([*already, *_LOOPBACK]))
    if upstream is None:
        environment.update({name: _PLACEHOLDER for name in _KEYS if not (own_keys and environment.get(name))})
        google = [name for name in _KEYS_OF_GOOGLE if environment.get(name)]
        environment.update(dict.fromkeys([] if google and own_keys else google or _KEYS_OF_GOOGLE[:1], _PLACEHOLDER))
    return environment


def trusting(given: Mapping[str, str], authority: Path) -> dict[str, str]:
    """Variables with which an app trusts `authority` beside those that it trusts anyway. Writes a file next to it."""
    paths = ssl.get_default_verify_paths()
    others = [given[name] for name in TRUST if given.get(name)] or [path for path in (paths.cafile, paths.openssl_cafile) if path][:1]
    files = [Path(path) for path in dict.fromkeys(others)]
    bundle = authority.with_name("trusted.pem")
    bundle.write_bytes(b"\n".join(path.read_bytes() for path in [authority, *files] if path.is_file()))
    return dict.fromkeys(TRUST, str(bundle))


def _base(origin: str, upstream: str | None) -> str:
    """The base URL with the path that the provider's has (`/v1` where its address names none)."""
    path = urlsplit(upstream).path.rstrip("/") if upstream is not None else ""
    return origin + (path or "/v1")


def _is_of(name: str, upstream: str | None) -> bool:
    """Whether the variable is one of the provider's; a gateway may be any."""
    host = urlsplit(upstream).hostname or "" if upstream is not None else ""
    known = next((prefixes for end, prefixes in _OF_HOST if host == end or host.endswith(f".{end}")), ("",))
    return name.startswith(known)
