"""A provider's embeddings, as a second index of the response cache: it finds questions that say the same in other words."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentlab.errors import InvalidAnswerError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["Embeddings", "cosine"]


class Embeddings:
    """Embeddings of OpenAI, or of a host that speaks its API. No retries: whoever asks has something else to go by.

    `timeout` is in seconds; the key is read from `key_variable` at the first call.

    >>> from agentlab import ResponseCache
    >>> cache = ResponseCache({"When are you open?": "From nine to five."}, embed=Embeddings("text-embedding-3-small"))
    """

    def __init__(self, name: str, *, base_url: str = "", key_variable: str = "OPENAI_API_KEY", timeout: float = 1.0) -> None:
        self.name = name
        self._base_url = base_url
        self._key_variable = key_variable
        self._timeout = timeout
        self._sdk: AsyncOpenAI | None = None

    async def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text. Raises InvalidAnswerError for anything else, and what the SDK raises."""
        answer = await self._client().embeddings.create(model=self.name, input=list(texts), encoding_format="float")
        return _vectors(answer, len(texts))

    async def aclose(self) -> None:
        """Close the connections."""
        if self._sdk is not None:
            await self._sdk.close()
            self._sdk = None

    def _client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

        if self._sdk is None:
            key = os.environ.get(self._key_variable) or f"no-{self._key_variable}"
            self._sdk = AsyncOpenAI(api_key=key, base_url=self._base_url or None, timeout=self._timeout, max_retries=0)
        return self._sdk


def _vectors(answer: Any, number: int) -> list[list[float]]:
    """The vectors of an answer in the order of the texts. A provider may send anything."""
    try:
        found = {int(item.index): [float(value) for value in item.embedding] for item in answer.data}
        vectors = [found[n] for n in range(number)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidAnswerError("embeddings", "The provider's answer holds no vector for each text") from error
    if len({len(vector) for vector in vectors}) > 1 or not all(map(_usable, vectors)):
        raise InvalidAnswerError("embeddings", "The provider's vectors cannot be compared")
    return vectors


def _usable(vector: list[float]) -> bool:
    return math.isfinite(sum(value * value for value in vector)) and any(vector)


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """How alike two vectors are, 0 to 1; 0 if they cannot be compared.

    >>> cosine([1, 0], [1, 1]), cosine([1, 0], [1, 0, 0])
    (0.7071067811865475, 0.0)
    """
    norms = math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))
    if len(one) != len(other) or not norms:
        return 0.0
    return min(1.0, max(0.0, sum(a * b for a, b in zip(one, other, strict=True)) / norms))
