"""Keeps secrets out of everything that is written: values of the environment that look like secrets, and keys by their known forms."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from agentlab_faults.scrub import FORMS

__all__ = ["MASK", "MaskedFormatter", "Masker"]

MASK = "[secret]"
_NAMES = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:_|$)", re.IGNORECASE)
_SHORTEST = 8
"""Shorter values of the environment are too likely to be ordinary words."""


def _encodable(text: str) -> str:
    """The text without lone surrogates, which stand for bytes that are no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _written(value: str) -> tuple[str, ...]:
    """How a secret may stand in a text: as it is, in an address, and in JSON."""
    return (
        _encodable(value),
        quote(value, safe="", errors="surrogateescape"),
        quote(value, errors="surrogateescape"),
        quote_plus(value, errors="surrogateescape"),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
    )


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
        written = {form for value in self._values for form in _written(value)}
        known = [re.escape(form) for form in sorted(written, key=lambda form: (-len(form), form))]
        self._pattern = re.compile("|".join([*known, FORMS.pattern]), FORMS.flags)

    def __call__(self, text: str) -> str:
        """The text without secrets, and without lone surrogates, which no UTF-8 file can hold."""
        if not text:
            return text
        if self._raw != self._learned:
            self.learn()
        return self._pattern.sub(MASK, _encodable(text))


class MaskedFormatter(logging.Formatter):
    """What another formatter makes of a record, without secrets."""

    def __init__(self, inner: logging.Formatter, mask: Callable[[str], str]) -> None:
        super().__init__()
        self._inner, self._mask = inner, mask

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return self._mask(self._inner.format(record))
