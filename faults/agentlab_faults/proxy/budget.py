"""The budget of live pass-through: requests and money, counted before anything is passed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agentlab_faults.dialects.understanding import documents

__all__ = ["Budget", "Price", "Purse", "usage_in"]

_BYTES_A_TOKEN = 3
"""Bytes of JSON for one token at least, so that an estimate is too high rather than too low (English text has about four)."""
_ANSWER_TOKENS = 16_384
"""Taken for the length of an answer whose request sets no limit."""

_PROMPT: Final[Mapping[str, Mapping[str, int]]] = {
    "prompt_tokens": {},
    "input_tokens": {"cache_creation_input_tokens": 2, "cache_read_input_tokens": 1},
    "promptTokenCount": {"toolUsePromptTokenCount": 1},
}
"""Names of a prompt's tokens, each with those that the API counts beside it, and how many times their price is at most."""
_COMPLETION: Final[Mapping[str, Mapping[str, int]]] = {
    "completion_tokens": {},
    "output_tokens": {},
    "candidatesTokenCount": {"thoughtsTokenCount": 1},
}
"""The same for an answer's."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens, in and out."""

    prompt: float
    completion: float

    def of(self, prompt: int, completion: int) -> float:
        """Dollars for so many tokens."""
        return (prompt * self.prompt + completion * self.completion) / 1e6


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent on a real provider."""

    requests: int = 200
    dollars: float | None = None
    price: Price | None = None


class Purse:
    """How much of a budget is left. Before a request is passed on its dearest cost is put aside; what it cost replaces that."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.requests = 0
        self.dollars = 0.0
        """Spent, and put aside for what is under way."""

    def open(self, body: dict[str, Any], size: int) -> float | str:
        """Put the cost of one more request aside: dollars; or the sentence that says why it is not passed on."""
        budget = self._budget
        if self.requests >= budget.requests:
            return f"The budget of {budget.requests} requests to the real provider is used up; raise it with --max-requests."
        aside = 0.0
        if budget.dollars is not None and budget.price is not None:
            aside = budget.price.of(size // _BYTES_A_TOKEN + 1, _longest(body))
            if self.dollars + aside > budget.dollars:
                return (
                    f"The budget of {budget.dollars:g} dollars does not cover this request, which may cost {aside:.4f} beside "
                    f"{self.dollars:.4f} spent; raise it with --max-cost, or set a smaller limit of tokens in the request."
                )
        self.requests += 1
        self.dollars += aside
        return aside

    @property
    def said(self) -> str:
        """What was passed on, and what it cost as far as that is counted."""
        cost = f" for {self.dollars:.4f} dollars" if self._budget.price is not None else ""
        return f"passed {self.requests} of at most {self._budget.requests} requests on{cost}"

    def settle(self, aside: float, usage: tuple[int, int] | None) -> None:
        """Replace what was put aside by the cost; a request whose usage is not known keeps what was put aside."""
        if usage is not None and self._budget.price is not None and aside:
            self.dollars += self._budget.price.of(*usage) - aside


def _longest(body: dict[str, Any]) -> int:
    """The most tokens that a request allows for the answers."""
    limits = [body.get(name) for name in ("max_tokens", "max_completion_tokens", "max_output_tokens")]
    generation = body.get("generationConfig")
    if isinstance(generation, dict):
        limits.append(generation.get("maxOutputTokens"))
    told = [limit for limit in limits if isinstance(limit, int) and limit > 0]
    count = body.get("n")
    return max(told, default=_ANSWER_TOKENS) * (count if isinstance(count, int) and count > 0 else 1)


def usage_in(content: bytes) -> tuple[int, int] | None:
    """(prompt, completion) tokens that an answer tells, whole or as events; None if it tells none."""
    prompt = completion = None
    for document in documents(content):
        for usage in _usages(document):
            prompt = _number(usage, _PROMPT, prompt)
            completion = _number(usage, _COMPLETION, completion)
    return None if prompt is None and completion is None else (prompt or 0, completion or 0)


def _usages(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The usage objects of one document: at its top, or in the message or response that it carries."""
    holders = [document, document.get("message"), document.get("response")]
    usages = [holder.get(name) for holder in holders if isinstance(holder, dict) for name in ("usage", "usageMetadata")]
    return [usage for usage in usages if isinstance(usage, dict)]


def _number(usage: dict[str, Any], names: Mapping[str, Mapping[str, int]], before: int | None) -> int | None:
    """The tokens that it counts under one of the names, and what is billed beside them; `before` if it counts none.

    What is billed beside may stand alone: Gemini's thoughts, of an answer that was cut before its first word.
    """
    alone = 0
    for name, beside in names.items():
        told = sum(times * _whole(usage.get(part)) for part, times in {name: 1, **beside}.items())
        if isinstance(usage.get(name), int):
            return told
        alone = max(alone, told)
    return max(alone, before or 0) if alone else before


def _whole(told: object) -> int:
    return told if isinstance(told, int) else 0
