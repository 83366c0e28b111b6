"""The ledger: what tools really did to the world, seen at the tool seam and never in the model's messages."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from agentlab_faults.runs import RUN

__all__ = ["Commit", "Execution", "Ledger", "canonical", "plain"]

ExecutionEnd = Literal["pending", "ok", "raised", "unknown", "cancelled"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_DEEPEST = 100
"""Levels of nesting that are told apart in what JSON cannot hold."""


def canonical(value: Any) -> str:
    """JSON with sorted keys: equal values give equal text, in every run. Whatever the value, it raises nothing.

    What JSON lacks is written as its `str()`, without the address of an object in it; sets are sorted.
    """
    try:
        return _encode(value)
    except Exception:  # noqa: BLE001 - keys of several types or of none that JSON has, cycles, endless nesting, a mapping that raises
        return _written_somehow(value)


def plain(value: Any) -> str:
    """A scalar as text: 5512 and "5512" are the same, as are 49.9 and Decimal("49.90"). What is no scalar, as `canonical` writes it."""
    try:
        same = _alike(value)
    except Exception:  # noqa: BLE001 - an integer of thousands of digits, a cycle, a mapping that raises
        same = value
    return same if isinstance(same, str) else canonical(same)


def _alike(value: Any) -> Any:
    """The value with its numbers as text, all the way down."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value)
    if isinstance(value, float | Decimal):
        text = format(Decimal(float.__repr__(value)) if isinstance(value, float) else value, "f")
        return (text.rstrip("0").rstrip(".") if "." in text else text) if value else "0"
    if isinstance(value, Mapping):
        return {key: _alike(item) for key, item in value.items()}
    return [_alike(item) for item in value] if isinstance(value, list | tuple) else value


def _other(value: Any) -> Any:
    """What stands for a value that JSON lacks."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=canonical)
    return _text(value)


def _text(value: Any) -> str:
    try:
        return _ADDRESS.sub("", str(value))
    except Exception:  # noqa: BLE001 - the value is the user's, and so is what its str() raises
        return f"<{type(value).__name__}>"


_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=_other).encode


def _written_somehow(value: Any) -> str:
    try:
        return _written(value, ())
    except Exception:  # noqa: BLE001 - as above; its type is what is left to say
        return _encode(f"<{type(value).__name__}>")


def _written(value: Any, above: tuple[int, ...]) -> str:
    """As JSON would be, had it keys of all types; a value within itself, or too deep, is written by its type alone."""
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if id(value) in above or len(above) > _DEEPEST:
            return _encode(f"<{type(value).__name__}>")
        inner = (*above, id(value))
        if isinstance(value, Mapping):
            items = sorted((_key(key), _written(item, inner)) for key, item in value.items())
            return "{" + ", ".join(f"{key}: {item}" for key, item in items) + "}"
        texts = [_written(item, inner) for item in value]
        return "[" + ", ".join(sorted(texts) if isinstance(value, set | frozenset) else texts) + "]"
    try:
        return _encode(value)
    except ValueError:  # an integer of thousands of digits
        return _encode(_text(value))


def _key(key: Any) -> str:
    text = _encode(key) if isinstance(key, str | int | float | None) else _encode(_text(key))
    return text if text.startswith('"') else f'"{text}"'


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
    run: int = 0
    """Of a session, the number of the run."""
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
    run: int = 0
    """Of a session, the number of the run."""


@dataclass(slots=True)
class Ledger:
    """Executions, and the effects they committed. Two commits of one identity under one key are one effect; the repeats are counted."""

    executions: list[Execution] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    suppressed: int = 0
    """Repeats under a key that had committed the effect before."""
    suppressed_in: dict[int, int] = field(default_factory=dict)
    """The same by run of a session."""

    def commit(self, tool: str, arguments: Mapping[str, Any], *, identity: Sequence[str], key: str, seconds: float) -> bool:
        """Record an effect; `arguments` come without the key, and all of them are its identity where none is declared.

        Identities are compared as `plain` text: it does not matter whether the agent wrote an order's number as a number or as a string.

        False if the same key had committed it before: then it did not happen again.
        """
        same = plain({name: arguments.get(name) for name in identity} if identity else arguments)
        run = RUN.get()
        if key and any(c.tool == tool and c.key == key and c.identity == same for c in self.commits):
            self.suppressed += 1
            self.suppressed_in[run] = self.suppressed_in.get(run, 0) + 1
            return False
        self.commits.append(Commit(tool, same, key, seconds, dict(arguments), run))
        return True

    def of(self, tool: str) -> list[Commit]:
        """The tool's commits in order."""
        return [commit for commit in self.commits if commit.tool == tool]

    def within(self, run: int) -> Ledger:
        """What one run of a session did."""
        return Ledger(
            [done for done in self.executions if done.run == run],
            [commit for commit in self.commits if commit.run == run],
            self.suppressed_in.get(run, 0),
        )

    def duplicates(self) -> list[tuple[str, str]]:
        """(tool, identity) of each effect that happened more than once, in one run of a session."""
        seen = Counter((commit.run, commit.tool, commit.identity) for commit in self.commits)
        return [(tool, identity) for (_, tool, identity), count in seen.items() if count > 1]
