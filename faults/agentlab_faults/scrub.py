"""Keeps secrets out of what is kept or told of traffic: by the names that they stand under, by known forms, and by value once seen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

__all__ = ["FORMS", "MASK", "Scrubber", "cut", "names_a_secret"]

MASK: Final = "[secret]"
_SHORTEST: Final = 6
"""Letters of a value from which on it is looked for everywhere: shorter ones are too likely to be ordinary words."""
_MOST: Final = 10_000
"""Values that are remembered."""

_WORDS: Final = frozenset({
    "accesskey", "apikey", "authorization", "bearer", "cookie", "credential", "credentials", "cvc", "cvv", "jwt", "otp", "passphrase",
    "passwd", "password", "privatekey", "pwd", "secret", "secretkey", "secrets", "ssn", "token",
})  # fmt: skip
_OF_KEYS: Final = frozenset({
    "access", "account", "api", "auth", "encryption", "goog", "license", "master", "private", "secret", "service", "signing", "ssh",
    "subscription",
})  # fmt: skip
"""Words that make a `key` a secret, rather than a name of something."""
_OF_TOKENS: Final = frozenset({"budget", "count", "counts", "details", "limit", "usage"})
"""Words that make a `token` one of a model's, as in Gemini's `promptTokenCount`."""
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
FORMS: Final = re.compile(
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
"""Keys and credentials that are known by how they look. Its first look-ahead is what makes it quick; nothing is looked
through once for each place where a secret might begin, or an agent's long text would hold up the lab."""
_SAID: Final = re.compile(
    r"""(?i)(cookie\\*["']?\s*:\s*\\*["']?)(?:[\w.\-]++=[^\s;"',}]++;?[ ]?)++|"""
    r"""((?:password|passwd|passphrase|secret|api[_-]?key|token)\\*["']?\s*(?:=|:|\bis\b)\s*\\*["']?)(?:[^\s"',;}&\\]++|\\++(?!["'])|&(?![\w.\-]++=))+"""
)


@lru_cache(maxsize=4096)
def names_a_secret(name: str) -> bool:
    """Whether what stands under this name is a secret.

    >>> list(map(names_a_secret, ("api_key", "apiKey", "X-Goog-Api-Key", "dbPassword")))
    [True, True, True, True]
    >>> list(map(names_a_secret, ("max_tokens", "key", "prompt_cache_key", "promptTokenCount")))
    [False, False, False, False]
    """
    words = [word.lower() for word in _PARTS.findall(name)]
    if any(word in _WORDS and not (word == "token" and after in _OF_TOKENS) for word, after in pairwise([*words, ""])):
        return True
    return any(word == "key" and before in _OF_KEYS for before, word in pairwise(words))


def cut(text: str, most: int) -> str:
    """At most so many characters from its beginning, and no word in part: half a secret is not known for one any more.

    >>> cut("the key abcdefgh is bad", 12)
    'the key ...'
    """
    if len(text) <= most:
        return text
    return text[:most].rpartition(" ")[0] + " ..."


class Scrubber:
    """Replaces secrets by `[secret]`, and remembers them: one that was seen under its name is found in any text after that."""

    def __init__(self) -> None:
        self._values: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, value: str) -> None:
        """This value is a secret, wherever it turns up."""
        if len(value) >= _SHORTEST and value != MASK and value not in self._values and len(self._values) < _MOST:
            self._values[value] = None
            self._pattern = None

    def learn_headers(self, headers: Mapping[str, str]) -> None:
        """Remember the secrets in a request's headers; of `Bearer X` it is X."""
        for name, value in headers.items():
            if not names_a_secret(name):
                continue
            self.learn(value)
            for part in re.split(r"[;,\s]+", value):
                self.learn(part.partition("=")[2] if name.lower() == "cookie" else part)

    def text(self, text: str) -> str:
        """A text without secrets."""
        if self._pattern is None:
            known = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, known)) if known else r"(?!)")
        text = FORMS.sub(MASK, self._pattern.sub(MASK, text))  # before the next: a name takes one word, which may be a form's beginning
        return _SAID.sub(rf"\1\2{MASK}", text)

    def value(self, value: Any) -> Any:
        """JSON's values without secrets: under their names, in texts, and in texts that hold JSON (a tool's arguments)."""
        if isinstance(value, dict):
            return {self.text(name): self._under(name, inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner) for inner in value]
        return self._string(value) if isinstance(value, str) else value

    def _under(self, name: str, value: Any) -> Any:
        if not names_a_secret(name) or isinstance(value, dict | bool) or value is None or value == "":
            return self.value(value)
        if isinstance(value, list):
            return [self._under(name, inner) for inner in value]
        self.learn(str(value))
        return MASK

    def _string(self, text: str) -> str:
        if text[:1] in {"{", "["}:
            try:
                inner = json.loads(text)
            except (ValueError, RecursionError):
                return self.text(text)
            clean = self.value(inner)
            return text if clean == inner else json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
        return self.text(text)

    def query(self, query: str) -> str:
        """A URL's query without secrets; `key` alone is one too (Gemini's)."""
        clean = [(name, self._parameter(name, value)) for name, value in parse_qsl(query, keep_blank_values=True)]
        return urlencode(clean, safe="[]")

    def _parameter(self, name: str, value: str) -> str:
        if name == "key" or names_a_secret(name):
            self.learn(value)
            return MASK
        return self.text(value)

    def headers(self, headers: Iterable[tuple[str, str]], allowed: frozenset[str]) -> list[tuple[str, str]]:
        """Those of the headers whose names are allowed, their values without secrets."""
        return [(name.lower(), self.text(value)) for name, value in headers if name.lower() in allowed]
