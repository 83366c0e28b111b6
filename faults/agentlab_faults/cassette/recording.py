"""Recording: what a real provider answered, without secrets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agentlab_faults.cassette.matching import plain
from agentlab_faults.cassette.streams import scrubbed
from agentlab_faults.cassette.take import Take, Tape, piece, save
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.intercept.endpoints import classify
from agentlab_faults.scrub import Scrubber

__all__ = ["Recorder"]

_HEADERS: Final = frozenset({
    "content-type", "retry-after", "retry-after-ms", "openai-version", "openai-processing-ms", "anthropic-version",
    "x-ratelimit-limit-requests", "x-ratelimit-limit-tokens", "x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens",
})  # fmt: skip
"""Headers of an answer that are kept. All others (cookies, organisations, request ids) are not."""


class Recorder:
    """Keeps every answer to a model call. The file is written anew after each, so that a secret that shows later is out of all of it."""

    def __init__(self, path: Path, upstream: str, scrubber: Scrubber) -> None:
        self._path, self._tape, self._scrubber = path, Tape(upstream=upstream), scrubber
        self._kept: list[tuple[str, WireRequest, Exchange, Sequence[tuple[float, bytes]]]] = []

    def __call__(self, wire: WireRequest, exchange: Exchange, pieces: Sequence[tuple[float, bytes]]) -> None:
        """Keep one exchange, if it is a model's. Raises OSError if the file cannot be written."""
        endpoint = classify(wire)
        if endpoint is None or endpoint.kind != "provider" or endpoint.api == "side":
            return
        self._kept.append((endpoint.api, wire, exchange, tuple(pieces)))
        for kept in self._kept:  # the first time round learns, the second hides
            self._take(*kept)
        save(self._path, self._tape, [self._take(*kept) for kept in self._kept])

    @property
    def takes(self) -> int:
        """How many exchanges are kept."""
        return len(self._kept)

    def _take(self, api: str, wire: WireRequest, exchange: Exchange, pieces: Sequence[tuple[float, bytes]]) -> Take:
        scrub = self._scrubber
        return Take(
            api=api,
            method=wire.method,
            path=scrub.text(wire.path),
            query=scrub.query(wire.url.partition("?")[2]),
            request=scrub.value(plain(wire.body)),
            status=exchange.status,
            headers=tuple(scrub.headers(exchange.headers, _HEADERS)),
            pieces=tuple(piece(after, data) for after, data in scrubbed(pieces, scrub)),
        )
