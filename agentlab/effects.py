"""Effects at most once: idempotency keys for tools that write, and what is known of each effect."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from agentlab.text import as_text, canonical

__all__ = ["Effect", "EffectState", "Effects", "effect_key"]

EffectState = Literal["asked", "done", "unknown", "refused"]
"""The tool was not started yet; it happened; it may have happened; it did not happen."""


def effect_key(run: str, tool: str, arguments: Mapping[str, Any], n: int) -> str:
    """The idempotency key of the n-th confirmed call (from 0) of a tool with these arguments in one run: 32 hexadecimal digits."""
    return hashlib.sha256(canonical([run, tool, arguments, n]).encode("utf-8", "replace")).hexdigest()[:32]


@dataclass(slots=True)
class Effect:
    """One effect that a run asked for. `arguments` are plain JSON, `result` is what the model was shown, `turn` the last that wanted it."""

    tool: str
    arguments: Mapping[str, Any]
    key: str
    state: EffectState = "asked"
    result: str = ""
    turn: int = 0

    def __str__(self) -> str:
        return f"{self.tool}({', '.join(f'{name}={as_text(value)}' for name, value in self.arguments.items())})"


@dataclass(slots=True)
class Effects:
    """The effects of one conversation.

    A key advances only after a *confirmed* completion: a retry, a duplicate call in one turn, a resumed run keep theirs, and a second,
    wanted, identical call gets a new one.
    """

    run: str
    turn: int = 0
    known: list[Effect] = field(default_factory=list)
    past_known: bool = True
    """Whether `known` has all that the conversation did before. If not, no key can be told from one that was used: nothing may be begun."""

    def new_turn(self) -> None:
        """A new user's turn begins: what was confirmed before may be asked for again."""
        self.turn += 1

    def adopt(self, run: str, turn: int, kept: Sequence[Effect]) -> None:
        """Go on from what was kept of a run. What is known here of the same run, and was not kept, is not forgotten."""
        mine = [effect for effect in self.known if effect.state in {"done", "unknown"}] if run == self.run else []
        known = {effect.key: effect for effect in kept}
        for effect in mine:
            if effect.key not in known or known[effect.key].state != "done":
                known[effect.key] = replace(effect, turn=min(effect.turn, turn))
        self.run, self.turn, self.known, self.past_known = run, turn, list(known.values()), True

    def begin(self, tool: str, arguments: Mapping[str, Any]) -> Effect:
        """The effect of this call: the same one, with the same key, until it is confirmed."""
        same = self._same(tool, arguments)
        effect = next((known for known in same if known.state != "done"), None)
        if effect is None:
            plain = json.loads(canonical(arguments))
            effect = Effect(tool, plain, effect_key(self.run, tool, plain, len(same)))
            self.known.append(effect)
        effect.turn = self.turn
        return effect

    def confirm(self, effect: Effect, result: str) -> None:
        """The tool completed: the effect happened."""
        effect.state, effect.result = "done", result

    def done_this_turn(self, tool: str, arguments: Mapping[str, Any]) -> Effect | None:
        """The same effect, if it was confirmed in this turn already."""
        return next((known for known in self._same(tool, arguments) if known.state == "done" and known.turn == self.turn), None)

    def last(self, tool: str, arguments: Mapping[str, Any]) -> Effect | None:
        """The newest effect of this very call, of this or an earlier turn, that happened or may have happened."""
        happened = [known for known in self._same(tool, arguments) if known.state in {"done", "unknown"}]
        return happened[-1] if happened else None

    @property
    def none_ever(self) -> bool:
        """Whether it is certain that nothing was changed in the whole conversation."""
        return self.past_known and all(known.state in {"asked", "refused"} for known in self.known)

    @property
    def this_turn(self) -> tuple[Effect, ...]:
        """Effects of this turn that happened or may have, in order."""
        return tuple(known for known in self.known if known.turn == self.turn and known.state in {"done", "unknown"})

    def _same(self, tool: str, arguments: Mapping[str, Any]) -> list[Effect]:
        name = _name(tool, arguments)
        return [known for known in self.known if known.tool == tool and _name(tool, known.arguments) == name]


def _name(tool: str, arguments: Mapping[str, Any]) -> str:
    """Equal for equal calls, whether their arguments were kept as JSON in between or not."""
    return canonical([tool, json.loads(canonical(arguments))])
