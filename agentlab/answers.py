"""A model's answer, whoever gave it: what it says, and the checks that make an answer of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agentlab.errors import InvalidAnswerError
from agentlab.text import clean, without_thoughts

__all__ = ["CHARACTERS_PER_TOKEN", "Answer", "RequestedCall", "Said", "accept", "longest"]

CHARACTERS_PER_TOKEN = 4
"""A common estimate for English, used when a provider reports no usage."""
LONGEST_PER_TOKEN = 32
"""No tokenizer gives more characters a token on real text; a longer answer than its maximum allows is garbage."""


@dataclass(frozen=True, slots=True)
class RequestedCall:
    """One tool call as the model asked for it. `id` may be empty, `arguments` anything."""

    id: str
    name: str
    arguments: object
    private: Any = None
    """What the provider wants to see again with this call (JSON), for nobody else to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a provider's answer says, its finish accepted, nothing else checked yet. Tokens are 0 where it does not say."""

    text: str
    calls: tuple[RequestedCall, ...] = ()
    finish: str
    model: object = ""
    input_tokens: int = 0
    output_tokens: int = 0
    private: Any = None
    """What the provider wants to see again with this message (JSON), for nobody else to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A valid answer: text, or calls, or both."""

    text: str
    calls: tuple[RequestedCall, ...]
    model: str
    """The model that says it answered."""
    finish: str
    input_tokens: int
    output_tokens: int
    estimated: bool
    private: Any = None


def longest(max_tokens: int) -> int:
    """Characters that no answer of so many tokens can have."""
    return max_tokens * LONGEST_PER_TOKEN


def accept(said: Said, *, sent_characters: int, max_tokens: int) -> Answer:
    """The answer, if there is something in it and it is not longer than it can be. Raises InvalidAnswerError."""
    text = without_thoughts(clean(said.text))
    if not said.calls and not text.strip():
        raise InvalidAnswerError("empty", "The model answered with nothing")
    if len(text) > longest(max_tokens):
        raise InvalidAnswerError("too_long", "The model's answer is longer than it can be")
    estimated = not (said.input_tokens and said.output_tokens)
    written = len(text) + sum(len(str(call.arguments)) for call in said.calls)
    return Answer(
        text=text,
        calls=said.calls,
        model=clean(said.model) if isinstance(said.model, str) else "",
        finish=said.finish,
        input_tokens=sent_characters // CHARACTERS_PER_TOKEN if estimated else said.input_tokens,
        output_tokens=written // CHARACTERS_PER_TOKEN + 1 if estimated else said.output_tokens,
        estimated=estimated,
        private=said.private,
    )
