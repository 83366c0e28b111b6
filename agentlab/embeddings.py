"""A provider's embeddings, as a second index of the response cache: it finds questions that say the same in other words."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Sequence
from contextlib import suppress
from operator import mul
from typing import TYPE_CHECKING, Any

from agentlab.errors import InvalidAnswerError
from agentlab.loops import LoopWatch

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["Embeddings", "cosine", "unit"]


class Embeddings:
    """Embeddings of OpenAI, or of a host that speaks its API. No retries: whoever asks has something else to go by.

    `timeout` is seconds for one request, of which the cache waits one; the key is read from `key_variable` at the first call.

    >>> from agentlab import ResponseCache
    >>> cache = ResponseCache({"When are you open?": "From nine to five."}, embed=Embeddings("text-embedding-3-small"))
    """

    def __init__(self, name: str, *, base_url: str = "", key_variable: str = "OPENAI_API_KEY", timeout: float = 10.0) -> None:
        self.name = name
        self._base_url = base_url
        self._key_variable = key_variable
        self._timeout = timeout
        self._sdk: AsyncOpenAI | None = None
        self._loop = LoopWatch()

    async def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text. Raises InvalidAnswerError for anything else, and what the SDK raises."""
        await self._here()
        answer = await self._client().embeddings.create(model=self.name, input=list(texts), encoding_format="float")
        return _vectors(answer, len(texts))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._here()
        if self._sdk is not None:
            await self._sdk.close()
            self._sdk = None

    async def _here(self) -> None:
        """Leave the connections of an event loop that is over."""
        if self._loop.over() and self._sdk is not None:
            left, self._sdk = self._sdk, None
            with suppress(Exception):  # what was open has ended with its loop
                await left.close()

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


def unit(vector: Sequence[float]) -> array[float]:
    """The vector with the length 1, in an eighth of the room. Raises TypeError, ValueError or OverflowError for what is none.

    >>> [round(part, 3) for part in unit([3, 4])]
    [0.6, 0.8]
    """
    length = math.hypot(*vector)
    if not 0 < length < math.inf:
        raise ValueError("A vector of no length points nowhere.")
    return array("f", [part / length for part in vector])


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """How alike two vectors of the length 1 are, 0 to 1; 0 if they cannot be compared. Quick: a cache has a thousand of them.

    >>> cosine([1, 0], [0.6, 0.8]), cosine([1, 0], [1, 0, 0])
    (0.6, 0.0)
    """
    return min(1.0, max(0.0, sum(map(mul, one, other)))) if len(one) == len(other) else 0.0
