"""What a request's bytes say, worked out once for equal bytes.

Retries send the same bytes, and so do the cells of a scenario up to the place where the fault strikes. What is worked out from the bytes
alone is therefore kept for the process: it is shared, and nobody changes anything in it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any, Final

from agentlab_faults.calls import fingerprint
from agentlab_faults.dialects import Dialect
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.script import Asked

__all__ = ["Reading", "parsed", "reading"]

_KEPT: Final = 256
_LONGEST: Final = 1 << 16
"""Bytes of the longest body that is kept."""
_HEADERS: Final = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "anthropic-version")
"""What front doors look at besides the URL and the body."""


class Reading:
    """One request's body as its dialect reads it; nothing in it may be changed."""

    __slots__ = ("_asked", "_passed", "_tokens", "body", "dialect", "fingerprint")

    def __init__(self, dialect: Dialect, body: dict[str, Any]) -> None:
        self.dialect = dialect
        self.body = body
        self.fingerprint = fingerprint(dialect.conversation(body))
        self._passed: tuple[str | None, ...] | None = None
        self._asked: Asked | None = None
        self._tokens: int | None = None

    def refusal(self, request: WireRequest, *, serial: int) -> Exchange | None:
        """The provider's refusal, or None. Raises ScriptMissing for what the provider can do and a script cannot."""
        head = (request.url, *map(request.headers.get, _HEADERS))
        if head == self._passed:
            return None
        refusal = self.dialect.refuse(request, self.body or None, serial=serial)
        if refusal is None:
            self._passed = head
        return refusal

    def asked(self) -> Asked:
        """What the request asks of the model; only of one that is not refused."""
        if self._asked is None:
            self._asked = self.dialect.read(self.body)
        return self._asked

    def tokens(self) -> int:
        """An estimate of the tokens that the request is billed for."""
        if self._tokens is None:
            self._tokens = self.dialect.prompt_tokens(self.body)
        return self._tokens


def reading(dialect: Dialect, content: bytes, memory: Mapping[str, Any]) -> Reading:
    """The body of a request, with what the provider remembers of the run put into it."""
    found = _kept(dialect, content) if len(content) <= _LONGEST else _read(dialect, content)
    body = dialect.recalled(found.body, memory)
    return found if body is found.body else Reading(dialect, body)


def parsed(content: bytes) -> dict[str, Any]:
    """A request's JSON object; anything else is an empty one, which the scripted provider then refuses as the real one does."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _read(dialect: Dialect, content: bytes) -> Reading:
    return Reading(dialect, parsed(content))


_kept = functools.lru_cache(_KEPT)(_read)
