"""Which API keys a scripted provider takes.

It has no list of keys, so every key passes that could be one. Refused are a key with blanks, control characters or letters outside of
ASCII, and what a variable leaves behind that was never set or never put in: `None`, `null`, `undefined`, `$NAME`, `${NAME}`, and a key in
quotes.
"""

from __future__ import annotations

import re

__all__ = ["bearer", "is_unset", "possible"]

_KEY = re.compile(r"[\x21-\x7e]+")
_UNSET = re.compile(r"None|null|undefined|\$\w+|\$\{\w+\}")
_QUOTED = re.compile(r"([\"']).*\1")


def possible(key: str) -> bool:
    """Whether the text could be a key."""
    return bool(_KEY.fullmatch(key)) and not is_unset(key) and not _QUOTED.fullmatch(key)


def is_unset(key: str) -> bool:
    """Whether the text is what a variable leaves behind that was never set; such a word may be told again, a key never."""
    return bool(_UNSET.fullmatch(key))


def bearer(authorization: str) -> str:
    """The token of an `Authorization: Bearer` header; empty if it is none."""
    scheme, _, key = authorization.partition(" ")
    return key if scheme == "Bearer" else ""
