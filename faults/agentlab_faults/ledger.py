"""The ledger: what tools really did to the world, seen at the tool seam and never in the model's messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Commit", "Execution", "Ledger", "canonical"]

ExecutionEnd = Literal["pending", "ok", "raised", "unknown", "cancelled"]

_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str).encode


def canonical(value: Any) -> str:
    """JSON with sorted keys: equal values give equal text."""
    return _encode(value)


@dataclass(slots=True)
class Execution:
    """One execution of a tool."""

    id: str
    tool: str
    arguments: Mapping[str, Any]
    point: str
    attempt: int
    started: float
    """Virtual seconds."""
    end: ExecutionEnd = "pending"
    ended: float | None = None
    value: Any = None
    commits: int = 0
    """How often its effect has happened (or was suppressed by its key), whatever the agent was told."""


@dataclass(frozen=True, slots=True)
class Commit:
    """An effect that happened."""

    tool: str
    identity: str
    key: str
    """The idempotency key it carried; empty for none."""
    seconds: float
    arguments: Mapping[str, Any]


@dataclass(slots=True)
class Ledger:
    """Executions, and the effects they committed. Two commits of one identity under one key are one effect; the repeats are counted."""

    executions: list[Execution] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    suppressed: int = 0

    def commit(self, tool: str, arguments: Mapping[str, Any], *, identity: Sequence[str], key: str, seconds: float) -> bool:
        """Record an effect; `arguments` come without the key, and all of them are its identity where none is declared.

        False if the same key had committed it before: then it did not happen again.
        """
        same = canonical({name: arguments.get(name) for name in identity} if identity else arguments)
        if key and any(c.tool == tool and c.key == key and c.identity == same for c in self.commits):
            self.suppressed += 1
            return False
        self.commits.append(Commit(tool, same, key, seconds, dict(arguments)))
        return True

    def of(self, tool: str) -> list[Commit]:
        """The tool's commits in order."""
        return [commit for commit in self.commits if commit.tool == tool]

    def duplicates(self) -> list[tuple[str, str]]:
        """(tool, identity) of each effect that happened more than once."""
        seen: dict[tuple[str, str], int] = {}
        for commit in self.commits:
            pair = (commit.tool, commit.identity)
            seen[pair] = seen.get(pair, 0) + 1
        return [pair for pair, count in seen.items() if count > 1]
