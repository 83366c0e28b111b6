"""Cached answers by the similarity of their questions. Works with no network; one tenant's answers are never another's."""

from __future__ import annotations

import asyncio
import functools
import math
import re
import time
from array import array
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from agentlab import telemetry
from agentlab.bounds import within
from agentlab.embeddings import cosine, unit

__all__ = ["CachedAnswer", "Embed", "ResponseCache", "similarity"]

T = TypeVar("T")

WORDS = re.compile(r"[^\W_]+")
LONGEST_QUESTION = 2_000
"""Characters of a question; a longer one is hardly asked twice, and is neither kept nor found."""
NEGATION = re.compile(r"\b(no|not|never|none|nothing|nobody|nor|neither|without|cannot|cant|dont|wont)\b|n['\u2019]t\b", re.IGNORECASE)
NUMBER = re.compile(r"\d+")
SECONDS = 1.0
"""How long a lookup waits for embeddings."""
LONGEST_WAIT = 10.0
"""Seconds after which embeddings are given up. What comes between the two is there for the next lookup."""
PAUSE = 30.0
"""Seconds that embeddings are left alone after they failed."""
BATCH = 200
"""Questions that are embedded at one lookup, at most; the newest first."""
STOP_WORDS = frozenset(
    WORDS.findall(
        "a an and are be can could do does for have how i if in is it may me my of on or please the to what when will with you your"
    )
)
"""Words that say little about a question. Words that turn its meaning round (no, not, without) are not among them."""


@functools.lru_cache(maxsize=2048)
def _features(text: str) -> Mapping[str, float]:
    """Weighted features: whole words (1), and their letter triples (a third each), so that small variations of a word still meet."""
    words = [word for word in WORDS.findall(text.casefold()) if word not in STOP_WORDS]
    found: dict[str, float] = {}
    for word in words:
        found[word] = found.get(word, 0.0) + 1.0
        for triple in (f"#{word}#"[n : n + 3] for n in range(len(word))):
            found[f"~{triple}"] = found.get(f"~{triple}", 0.0) + 1 / 3
    return found


def similarity(one: str, other: str) -> float:
    """How alike two questions are, 0 to 1: the cosine of their word and letter features.

    0 for questions that differ in a number, and for two of which one has a negation and the other has none.
    """
    if _opposed(one, other):
        return 0.0
    left, right = _features(one), _features(other)
    if len(left) > len(right):
        left, right = right, left
    product = sum(weight * right.get(feature, 0.0) for feature, weight in left.items())
    norms = math.sqrt(sum(w * w for w in left.values()) * sum(w * w for w in right.values()))
    return min(1.0, product / norms) if norms else 0.0


def _opposed(one: str, other: str) -> bool:
    """Whether they differ in a number or a negation, which neither letters nor embeddings see well."""
    return bool(NEGATION.search(one)) != bool(NEGATION.search(other)) or set(NUMBER.findall(one)) != set(NUMBER.findall(other))


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer that was given before, to which question, and how similar that one is (0 to 1)."""

    question: str
    answer: str
    similarity: float


Embed = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]
"""A vector for each text, all of one length (`agentlab.Embeddings`)."""


class ResponseCache:
    """Answers by question. `threshold` is the least similarity of a hit.

    `size` bounds each tenant's entries, `tenants` their number: the oldest entry goes first, and the tenant not written for longest.

    `seeds` are public answers that every tenant may get: put nothing of anybody's into them.

    With `embed`, `find` also compares meanings where no words meet. Its provider is shown the question, this tenant's own ones and the
    public ones; vectors live and go with their entries.

    >>> cache = ResponseCache({"When are you open?": "From nine to five."})
    >>> cache.put("ann", "Where is my parcel 17?", "In Leeds.")
    >>> [cache.get(tenant, "Where's my parcel 17?") is not None for tenant in ("ann", "bob")]
    [True, False]
    >>> hit = cache.get("bob", "when are you open")
    >>> hit.answer if hit else "nothing"
    'From nine to five.'
    """

    def __init__(
        self,
        seeds: Mapping[str, str] | None = None,
        *,
        threshold: float = 0.85,
        size: int = 1000,
        tenants: int = 1000,
        embed: Embed | None = None,
    ) -> None:
        self.threshold = threshold
        self.size = size
        self.tenants = tenants
        self._seeds = {question: _Entry(answer) for question, answer in (seeds or {}).items()}
        self._tenants: OrderedDict[str, OrderedDict[str, _Entry]] = OrderedDict()
        self._embed = embed
        self._away_until: float | None = None
        self._under_way: set[asyncio.Task[Any]] = set()
        """Embeddings that are late; the loop itself keeps no task alive."""

    def put(self, tenant: str, question: str, answer: str) -> None:
        """Keep an answer for one tenant. The caller keeps degraded answers out."""
        if len(question) > LONGEST_QUESTION:
            return
        entries = self._tenants.setdefault(tenant, OrderedDict())
        self._tenants.move_to_end(tenant)
        if len(self._tenants) > self.tenants:
            self._tenants.popitem(last=False)
        known = entries.get(question)
        entries[question] = _Entry(answer, known.vector if known else None)
        entries.move_to_end(question)
        while len(entries) > self.size:
            entries.popitem(last=False)

    def get(self, tenant: str, question: str) -> CachedAnswer | None:
        """The tenant's own or a public answer to the most similar question above the threshold, by words alone."""
        if len(question) > LONGEST_QUESTION:
            return None
        entries = self._entries(tenant)
        return self._best(entries, {known: similarity(question, known) for known in entries})

    async def find(self, tenant: str, question: str, seconds: float = LONGEST_WAIT) -> CachedAnswer | None:
        """The same, and by meaning if no words meet and embeddings can be had within a second. Never raises for their provider.

        `seconds` bound what goes on after that second, for the next question's sake.
        """
        hit = self.get(tenant, question)
        if hit or self._embed is None or seconds <= 0 or len(question) > LONGEST_QUESTION or self._is_away():
            return hit
        entries = {known: entry for known, entry in self._entries(tenant).items() if not _opposed(question, known)}
        if not entries:
            return None
        asked = await self._in_time(self._vector(self._embed, question, entries, seconds), min(seconds, SECONDS))
        if asked is None:
            return None
        return self._best(entries, {known: cosine(asked, entry.vector) for known, entry in entries.items() if entry.vector})

    async def _vector(self, embed: Embed, question: str, entries: Mapping[str, _Entry], seconds: float) -> Sequence[float] | None:
        """The question's vector; entries get theirs by the way. None if that cannot be had."""
        try:
            asked = await within(min(seconds, LONGEST_WAIT), _vector(embed, question, entries))
        except Exception:  # noqa: BLE001  # whatever a provider's client raises, words are left to go by; telemetry says so
            self._went_away()
            return None
        self._came_back()
        return asked

    async def _in_time(self, work: Coroutine[Any, Any, T], seconds: float) -> T | None:
        """What the work gives in that time, else None: then it goes on, and its provider is left alone until it has ended."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            done, _ = await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if done:
            return task.result()
        self._went_away()
        return None

    def _entries(self, tenant: str) -> dict[str, _Entry]:
        return {**self._seeds, **self._tenants.get(tenant, {})}

    def _best(self, entries: Mapping[str, _Entry], alike: Mapping[str, float]) -> CachedAnswer | None:
        best = max(alike, key=alike.__getitem__, default=None)
        if best is None or alike[best] <= self.threshold:
            return None
        return CachedAnswer(best, entries[best].answer, alike[best])

    def _is_away(self) -> bool:
        return self._away_until is not None and time.monotonic() < self._away_until

    def _went_away(self) -> None:
        if self._away_until is None:
            telemetry.store_changed("embeddings", available=False)
        if not self._is_away():
            self._away_until = time.monotonic() + PAUSE

    def _came_back(self) -> None:
        if self._away_until is not None:
            self._away_until = None
            telemetry.store_changed("embeddings", available=True)


@dataclass(slots=True)
class _Entry:
    """An answer, and its question's vector (of the length 1) once it was needed."""

    answer: str
    vector: array[float] | None = None


async def _vector(embed: Embed, question: str, entries: Mapping[str, _Entry]) -> Sequence[float]:
    """The question's vector; entries without one get theirs by the way."""
    new = [known for known, entry in entries.items() if entry.vector is None][-BATCH:]
    asked, *vectors = await embed([question, *new])
    for known, vector in zip(new, vectors, strict=True):
        entries[known].vector = unit(vector)
    for entry in entries.values():
        if entry.vector is not None and len(entry.vector) != len(asked):
            entry.vector = None  # the provider's vectors have changed: the next lookup asks for this one anew
    return unit(asked)
