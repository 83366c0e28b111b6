"""List prices of models, in US dollars for a million input and output tokens. `Model(price=...)` and `Settings.prices` override them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final

__all__ = ["PRICES", "PRICES_AS_OF", "price_of"]

PRICES_AS_OF: Final = "2026-11-28"
"""When the table was compared with the providers' list prices as genai-prices 0.2.3 has them; a test repeats that."""

PRICES: Final[Mapping[str, tuple[float, float]]] = {
    "claude-haiku-4-5": (1.00, 5.00),
    "claude-opus-4-1": (15.00, 75.00),
    "claude-opus-4-5": (5.00, 25.00),
    "claude-opus-4-6": (5.00, 25.00),
    "claude-sonnet-4-5": (3.00, 15.00),
    "claude-sonnet-4-6": (3.00, 15.00),
    "gemini-2.0-flash": (0.10, 0.40),
    "gemini-2.5-flash": (0.30, 2.50),
    "gemini-2.5-flash-lite": (0.10, 0.40),
    "gemini-2.5-pro": (1.25, 10.00),
    "gpt-4.1": (2.00, 8.00),
    "gpt-4.1-mini": (0.40, 1.60),
    "gpt-4.1-nano": (0.10, 0.40),
    "gpt-4o": (2.50, 10.00),
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-5": (1.25, 10.00),
    "gpt-5-mini": (0.25, 2.00),
    "gpt-5-nano": (0.05, 0.40),
    "gpt-5.1": (1.25, 10.00),
    "gpt-5.2": (1.75, 14.00),
    "o3": (2.00, 8.00),
    "o4-mini": (1.10, 4.40),
}
"""Standard prices, without discounts for cached or batched input; where prompts above 200,000 tokens cost more, the price below that."""

_DATED = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2}|latest)$")


@functools.lru_cache(maxsize=1024)
def price_of(model: str) -> tuple[float, float] | None:
    """The list price of a model by its name, with or without a date at its end; None if it is not in the table.

    >>> price_of("gpt-4o-mini-2024-07-18")
    (0.15, 0.6)
    """
    return PRICES.get(model) or PRICES.get(_DATED.sub("", model))
