"""Cached answers by the similarity of their questions. Works with no network; one tenant's answers are never another's."""

from __future__ import annotations

import functools
import math
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CachedAnswer", "ResponseCache", "similarity"]

WORDS = re.compile(r"[^\W_]+")
LONGEST_QUESTION = 2_000
"""Characters of a question; a longer one is hardly asked twice, and is neither kept nor found."""
NEGATION = re.compile(r"\b(no|not|never|none|nothing|nobody|nor|neither|without|cannot|cant|dont|wont)\b|n['\u2019]t\b", re.IGNORECASE)
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
    if bool(NEGATION.search(one)) != bool(NEGATION.search(other)):
        return 0.0
    if set(re.findall(r"\d+", one)) != set(re.findall(r"\d+", other)):
        return 0.0
    left, right = _features(one), _features(other)
    if len(left) > len(right):
        left, right = right, left
    product = sum(weight * right.get(feature, 0.0) for feature, weight in left.items())
    norms = math.sqrt(sum(w * w for w in left.values()) * sum(w * w for w in right.values()))
    return min(1.0, product / norms) if norms else 0.0


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer that was given before, to which question, and how similar that one is (0 to 1)."""

    question: str
    answer: str
    similarity: float


class ResponseCache:
    """Answers by question. `threshold` is the least similarity of a hit.

    `size` bounds each tenant's entries, `tenants` their number: the oldest entry goes first, and the tenant not written for longest.

    `seeds` are public answers that every tenant may get: put nothing of anybody's into them.

    >>> cache = ResponseCache({"When are you open?": "From nine to five."})
    >>> cache.put("ann", "Where is my parcel 17?", "In Leeds.")
    >>> [cache.get(tenant, "Where's my parcel 17?") is not None for tenant in ("ann", "bob")]
    [True, False]
    >>> hit = cache.get("bob", "when are you open")
    >>> hit.answer if hit else "nothing"
    'From nine to five.'
    """

    def __init__(self, seeds: Mapping[str, str] | None = None, *, threshold: float = 0.85, size: int = 1000, tenants: int = 1000) -> None:
        self.threshold = threshold
        self.size = size
        self._seeds = dict(seeds or {})
        self.tenants = tenants
        self._tenants: OrderedDict[str, OrderedDict[str, str]] = OrderedDict()

    def put(self, tenant: str, question: str, answer: str) -> None:
        """Keep an answer for one tenant. The caller keeps degraded answers out."""
        if len(question) > LONGEST_QUESTION:
            return
        entries = self._tenants.setdefault(tenant, OrderedDict())
        self._tenants.move_to_end(tenant)
        if len(self._tenants) > self.tenants:
            self._tenants.popitem(last=False)
        entries[question] = answer
        entries.move_to_end(question)
        while len(entries) > self.size:
            entries.popitem(last=False)

    def get(self, tenant: str, question: str) -> CachedAnswer | None:
        """The tenant's own or a public answer to the most similar question above the threshold."""
        if len(question) > LONGEST_QUESTION:
            return None
        entries = {**self._seeds, **self._tenants.get(tenant, {})}
        best: CachedAnswer | None = None
        for known, answer in entries.items():
            alike = similarity(question, known)
            if alike > self.threshold and (best is None or alike > best.similarity):
                best = CachedAnswer(known, answer, alike)
        return best
