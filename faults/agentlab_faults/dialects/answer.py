"""An answer of a model before it is put into any provider's bytes: what a dialect renders, and what a fault may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agentlab_faults.script.spec import Called

__all__ = ["Answer", "Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. Whole numbers, unless a fault puts something else there."""

    prompt: Any
    completion: Any
    total: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of a model, free of any wire format."""

    content: Any
    """The text; None if there is none. Something else only where a fault puts it."""
    calls: tuple[Called, ...] = ()
    finish: str | None
    """Why the model stopped: `stop`, `tool_calls`, `length`, `content_filter`, `refusal`, `context_window`, `pause`, `malformed_call`, or
    a word that no client knows; each dialect writes its own word for it, and an unknown one as it is. None only where a fault puts it."""
    refusal: str | None = None
    """The model's words of refusal, where the dialect has a place of its own for them."""
    usage: Usage | None
    model: str
    """The model that says it answered."""
    created: int
    """Unix seconds."""
    serial: int
    """Number of the answer in its run, from 1; ids are made of it."""
