"""Keeps secrets out of what is shown: the environment's, keys by their known forms, and what follows a name such as `password:`."""

from __future__ import annotations

import os
import re

__all__ = ["FORMS", "HIDDEN", "hide_secrets"]

HIDDEN = "[secret]"
_NAMES = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:_|$)", re.IGNORECASE)
FORMS = re.compile(
    r"\b(?=[Aeghprsxy])(?:(?:sk|rk|pk)-[A-Za-z0-9_\-]{12,}"
    r"|AIza[A-Za-z0-9_\-]{20,}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}"
    r"|(?:gsk|hf)_[A-Za-z0-9]{20,}"
    r"|(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{12,}"
    r"|glpat-[A-Za-z0-9_\-]{16,}"
    r"|ya29\.[A-Za-z0-9_\-]{12,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|A(?:KI|SI)A[A-Z0-9]{12,}"
    r"|eyJ(?:(?<!-eyJ)[A-Za-z0-9_\-]{8,}+|[A-Za-z0-9_\-]{8,500}+)\.[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]+)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"(?:(?:(?!-----BEGIN).)*?-----END [A-Z ]*PRIVATE KEY-----|(?:[A-Za-z0-9+/=\s]|\\[nr])*)"
    r"|(?:(?<=uthorization: Basic )|(?<=uthorization\": \"Basic ))[A-Za-z0-9+/=]{6,}"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=\-]{6,}"
    r"|(?<=://)(?!@)[^/\s:?#\"']*(?::[^/\s]+)?(?=@)",
    re.DOTALL,
)
"""Keys and credentials that are known by how they look. The lab, which may not be imported, has the same: a test compares."""
_NAMED = re.compile(
    r"""(cookie\\*["']?\s*:\s*\\*["']?)(?:[\w.\-]++=[^\s;"',}]++;?[ ]?)++|"""
    r"""((?:key|token|secret|password|passwd|passphrase|pwd|cookie|authorization|credentials?)\\*["']?\s*[:=]\s*\\*["']?)"""
    r"""(?!\[secret\])(?:(?:basic|bearer|token)\s+)?(?:[^\s"',}&\\]++|\\++(?!["'])|&(?![\w.\-]++=))+""",
    re.IGNORECASE,
)
_SHORTEST = 8
"""Shorter values of the environment are too likely to be ordinary words."""


def hide_secrets(text: str) -> str:
    """The text with every secret in it replaced by `[secret]`.

    >>> hide_secrets("redis://user:hunter2@cache:6379/0, key sk-abcdefghijklmnop")
    'redis://[secret]@cache:6379/0, key [secret]'
    """
    known = {value for name, value in os.environ.items() if len(value) >= _SHORTEST and _NAMES.search(name)}
    for value in sorted(known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return _NAMED.sub(rf"\1\2{HIDDEN}", FORMS.sub(HIDDEN, text))
