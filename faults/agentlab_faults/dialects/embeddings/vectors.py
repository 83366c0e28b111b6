"""Vectors made of a text's words: the same text has the same vector, and texts that share words lie near each other.

Each word is hashed to a place and a sign (the hashing trick), counts are added up, and the vector is brought to length one. No model, and
the same numbers on every machine.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter

__all__ = ["dimensions_of", "vector"]

_WORD = re.compile(r"\w+")
_DIMENSIONS = {
    "text-embedding-3-large": 3072,
    "gemini-embedding-001": 3072,
    "text-embedding-004": 768,
    "text-multilingual-embedding-002": 768,
}
_USUAL = 1536
"""Dimensions of text-embedding-3-small and -ada-002 (OpenAI's model pages), and of models that nobody told us about."""


def dimensions_of(model: str) -> int:
    """How many numbers a model's vector has, if the request does not say."""
    return _DIMENSIONS.get(model.rpartition("/")[2], _USUAL)


def vector(text: str, dimensions: int) -> list[float]:
    """The text's vector, of length one."""
    numbers = [0.0] * dimensions
    for word, count in Counter(_WORD.findall(text.lower()) or [text]).items():
        digest = hashlib.sha256(word.encode("utf-8", "replace")).digest()
        place = int.from_bytes(digest[:8], "big") % dimensions
        numbers[place] += count if digest[8] % 2 else -count
    length = math.sqrt(sum(number * number for number in numbers))
    if not length:  # words that took each other's places
        numbers[0] = length = 1.0
    return [round(number / length, 8) for number in numbers]
