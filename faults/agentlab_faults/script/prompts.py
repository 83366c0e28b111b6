"""Which of the user's prompts a request is about: a conversation of several prompts goes on in the script after each `say`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from agentlab_faults.script.asked import Asked
from agentlab_faults.script.spec import Say, ScriptMissing, ScriptSpec

__all__ = ["Prompts", "segments"]


def segments(spec: ScriptSpec) -> list[range]:
    """The script's turns, cut after each `Say`: one range of turn numbers for each prompt of the user."""
    cuts = [0, *(number + 1 for number, turn in enumerate(spec.turns) if isinstance(turn, Say))]
    return [range(start, stop) for start, stop in pairwise(cuts)]


class Prompts:
    """The prompts that the lab hands to the agent, in order."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [text.strip() for text in texts]
        self.current: int | None = None
        """The prompt that the agent was handed last, if the lab says so."""

    def segment(self, asked: Asked, spec: ScriptSpec, count: int, before: int, *, said: bool, last: str) -> int:
        """The segment that a request is about. `before`, `said` and `last` are the segment of the answer that it follows, whether that
        was the segment's last one, and the user's last text then.

        Raises ScriptMissing if the conversation has gone on to a prompt for which the script has no turns.
        """
        if count == 1 and len(self._texts) < 2:
            return 0
        reached = self._reached(asked, spec, before, count, moved_on=said and asked.user_texts[-1:] != [last])
        if reached >= count and spec.when is None:
            raise ScriptMissing(
                f"The agent asked the model about prompt {reached + 1}, and the script answers {count}; add turns up to a `say` for each."
            )
        return min(max(before, reached), count - 1)

    def _reached(self, asked: Asked, spec: ScriptSpec, before: int, count: int, *, moved_on: bool) -> int:
        visible = self._visible(asked.user_texts)
        current = self.current if spec.when is None else None
        if current is not None:
            return current if visible is None else max(visible, min(before + moved_on, current))
        return min(before + moved_on, count - 1) if visible is None else visible

    def _visible(self, user_texts: Sequence[str]) -> int | None:
        """The latest prompt that the history shows, read in order, so that equal prompts are told apart."""
        if self._current_is_in(user_texts):
            return self.current
        at = -1
        for text in user_texts:
            at = self._after(at, text.strip())
        return None if at < 0 else at

    def _current_is_in(self, user_texts: Sequence[str]) -> bool:
        if self.current is None or self.current >= len(self._texts):
            return False
        return any(self._texts[self.current] in text for text in user_texts)

    def _after(self, at: int, text: str) -> int:
        """The prompt reached by one more message of the user."""
        for number in range(at + 1, len(self._texts)):
            if self._texts[number] == text:
                return number
        cursor = 0
        for number in range(at + 1, len(self._texts)):
            found = text.find(self._texts[number], cursor) if self._texts[number] else -1
            if found >= 0:
                at, cursor = number, found + len(self._texts[number])
        return at
