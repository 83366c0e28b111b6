"""Keeps secrets out of everything that is written: values of the environment that look like secrets, and keys by their known forms."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from agentlab_faults.scrub import FORMS

__all__ = ["MASK", "Masker"]

MASK = "[secret]"
_NAMES = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:_|$)", re.IGNORECASE)
_SHORTEST = 8
"""Shorter values of the environment are too likely to be ordinary words."""


class Masker:
    """Replaces every secret in a text by `[secret]`. Follows the environment as it grows: agents load keys when imported or built."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._raw: Mapping[Any, Any] = getattr(self._environment, "_data", self._environment)
        """What lies under `os.environ`: compared in a microsecond, where its own view decodes every value."""
        self._values: set[str] = set()
        self._pattern = FORMS
        self.learn()

    def learn(self) -> None:
        """Look at the environment again. What was a secret before stays one."""
        self._learned = dict(self._raw)
        found = {value for name, value in self._environment.items() if _NAMES.search(name) and len(value) >= _SHORTEST}
        if found <= self._values:  # pytest changes its own variable with every phase of a test
            return
        self._values |= found
        known = [re.escape(value) for value in sorted(self._values, key=len, reverse=True)]
        self._pattern = re.compile("|".join([*known, FORMS.pattern]), FORMS.flags)

    def __call__(self, text: str) -> str:
        """The text without secrets, and without lone surrogates, which no UTF-8 file can hold."""
        if not text:
            return text
        if self._raw != self._learned:
            self.learn()
        return self._pattern.sub(MASK, text if text.isascii() else text.encode("utf-8", "replace").decode())
