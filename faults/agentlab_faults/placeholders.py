"""Keys that stand in for those that are not set: SDKs refuse to be built without one, and the scripted provider takes any."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

__all__ = ["missing_keys", "placeholder_keys"]

_KEYS = (("OPENAI_API_KEY",), ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"), ("GEMINI_API_KEY", "GOOGLE_API_KEY"))
"""Where each SDK looks for its key; the first name gets one if none of them has any."""
_NO_KEY = "sk-agentlab-scripted-provider"


def missing_keys() -> list[str]:
    """The variables that stand for the SDKs that find no key in the environment."""
    return [names[0] for names in _KEYS if not any(os.environ.get(name) for name in names)]


@contextlib.contextmanager
def placeholder_keys() -> Iterator[None]:
    """Inside, every SDK finds a key in the environment: the user's own, or one that is none. A key that is set inside stays."""
    before = {name: os.environ.get(name) for name in missing_keys()}
    os.environ.update(dict.fromkeys(before, _NO_KEY))
    try:
        yield
    finally:
        for name, value in before.items():
            if os.environ.get(name) != _NO_KEY:
                continue
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
