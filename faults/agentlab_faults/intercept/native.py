"""Clients in native code, which no seam and no audit hook of the interpreter can see: they are told to stay off."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

__all__ = ["python_only"]

_SWITCHES: Final = {"LITELLM_RUST": "0"}
"""litellm's Rust client is off unless asked for; the variable wins over `litellm.rust(True)` (litellm 1.106)."""


@contextlib.contextmanager
def python_only() -> Iterator[None]:
    """Switch them off while the block lasts."""
    before = {name: os.environ.get(name) for name in _SWITCHES}
    os.environ.update(_SWITCHES)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
