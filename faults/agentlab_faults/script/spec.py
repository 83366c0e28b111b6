"""What a scripted model is given, and what it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["SAY_FAILED", "Call", "Called", "Finish", "Kind", "Plan", "Say", "ScriptMissing", "ScriptSpec", "Serving", "Turn"]

SAY_FAILED = "I could not complete this: a tool kept failing."
"""What the model says by default when a tool fails once more than the script may call it again."""

Finish = Literal["stop", "tool_calls"]
Kind = Literal["call", "plan", "say", "failed", "aside"]
"""A script's calls; its plan; its own words; `say_failed`; words beside the script, because a needed tool was not offered."""


class ScriptMissing(Exception):  # noqa: N818  # it names what is wrong with the suite: a part of the script is missing
    """An agent asked the script for something that it does not have. This is the lab's failure and never the agent's."""


@dataclass(frozen=True, slots=True)
class Say:
    """The model's last words on a user's prompt: a text, or an object where the agent asks for structured output."""

    text: str | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """The model calls tools, several of them in parallel. `say` is the text beside the calls, if any."""

    calls: tuple[tuple[str, dict[str, Any]], ...]
    say: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the model answers a request with that asks for such an object: a plan, which the agent carries out by making `calls` itself."""

    form: dict[str, Any]
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


Turn = Say | Call | Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSpec:
    """A model's script: for each prompt of the user any number of `Call` and `Plan` turns, and then a `Say`.

    Raises ValueError if there is no turn, if a `Call` calls nothing, or if the last turn is not a `Say`.
    """

    turns: tuple[Turn, ...]
    say_failed: str = SAY_FAILED
    say_without: Mapping[str, str] = field(default_factory=dict)
    """Tool name to what the model says when it needs that tool and is not offered it."""
    failed_when: str | None = None
    """Regular expression, searched in tool results instead of the built-in test for failure."""
    when: str | None = None
    """Regular expression that tells scripts apart: searched in the system and user texts, and in a line `tool:NAME` for each tool."""
    latency: float = 1.0
    """Virtual seconds that an answer takes."""
    retries: int = 2
    """How often a call that ran and failed is called again."""

    def __post_init__(self) -> None:
        if not self.turns:
            raise ValueError("The script has no turns; give it at least one `say`.")
        for number, turn in enumerate(self.turns, 1):
            if isinstance(turn, Call) and not turn.calls:
                raise ValueError(f"Turn {number} of the script calls no tool; name one, or make it a `say`.")
        if not isinstance(self.turns[-1], Say):
            raise ValueError(  # noqa: TRY004  # the turns have the right types, in an order that makes no script
                "The script ends in a call; end it with a `say`, which is what the model answers the user."
            )


@dataclass(frozen=True, slots=True)
class Called:
    """One tool call in an answer. `arguments` is JSON, compact as the provider sends it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Serving:
    """One answer of the model, free of any wire format."""

    content: str | None
    tool_calls: tuple[Called, ...]
    finish_reason: Finish
    ids: tuple[str, ...]
    """Ids of its tool calls, fresh in every serving."""
    turn: int
    """Index of the script's turn; -1 if it is none (`say_failed`, an aside)."""
    kind: Kind
    latency: float
    """Virtual seconds."""
