"""Effects at most once: idempotency keys for tools that write, and what is known of each effect."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agentlab.text import canonical

__all__ = ["Effect", "EffectState", "Effects", "effect_key"]

EffectState = Literal["asked", "done", "unknown", "refused"]
"""The tool was not started yet; it happened; it may have happened; it did not happen."""


def effect_key(run: str, tool: str, arguments: Mapping[str, Any], n: int) -> str:
    """The idempotency key of the n-th confirmed call (from 0) of a tool with these arguments in one run: 32 hexadecimal digits."""
    return hashlib.sha256(canonical([run, tool, arguments, n]).encode("utf-8", "replace")).hexdigest()[:32]


@dataclass(slots=True)
class Effect:
    """One effect that a run asked for."""

    tool: str
    arguments: Mapping[str, Any]
    key: str
    state: EffectState = "asked"
    result: Any = None

    def __str__(self) -> str:
        return f"{self.tool}({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"


@dataclass(slots=True)
class Effects:
    """The effects of one conversation.

    A key advances only after a *confirmed* completion: a retry, a duplicate call in one turn, a resumed run keep theirs, and a second,
    wanted, identical call gets a new one.
    """

    run: str
    _open: dict[str, Effect] = field(default_factory=dict)
    _confirmed: dict[str, int] = field(default_factory=dict)
    _turn: list[Effect] = field(default_factory=list)

    def new_turn(self) -> None:
        """A new user's turn begins: what was confirmed before may be asked for again."""
        self._turn = []

    def begin(self, tool: str, arguments: Mapping[str, Any]) -> Effect:
        """The effect of this call: the same one, with the same key, until it is confirmed."""
        name = canonical([tool, arguments])
        effect = self._open.get(name)
        if effect is None:
            key = effect_key(self.run, tool, arguments, self._confirmed.get(name, 0))
            effect = self._open[name] = Effect(tool, dict(arguments), key)
        if effect not in self._turn:
            self._turn.append(effect)
        return effect

    def confirm(self, effect: Effect, result: Any) -> None:
        """The tool completed: the effect happened."""
        name = canonical([effect.tool, effect.arguments])
        effect.state, effect.result = "done", result
        if self._open.pop(name, None) is not None:
            self._confirmed[name] = self._confirmed.get(name, 0) + 1

    def done_this_turn(self, tool: str, arguments: Mapping[str, Any]) -> Effect | None:
        """The same effect, if it was confirmed in this turn already."""
        name = canonical([tool, arguments])
        return next((e for e in self._turn if e.state == "done" and canonical([e.tool, e.arguments]) == name), None)

    @property
    def none_ever(self) -> bool:
        """Whether it is certain that nothing was changed in the whole conversation."""
        pending = any(effect.state == "unknown" for effect in self._open.values())
        return not self._confirmed and not pending

    @property
    def this_turn(self) -> tuple[Effect, ...]:
        """Effects of this turn that happened or may have, in order."""
        return tuple(effect for effect in self._turn if effect.state in {"done", "unknown"})
