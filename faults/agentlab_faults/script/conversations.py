"""One script for many conversations: a server's clients come and go, and each new conversation begins the script anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from agentlab_faults.script.asked import Asked
from agentlab_faults.script.model import ScriptedModel
from agentlab_faults.script.spec import ScriptSpec, Serving

__all__ = ["Conversations"]

_MOST: Final = 1000
"""Conversations that are remembered; the one that was used longest ago is forgotten first."""
_MOST_CALLS: Final = 50_000
"""Call ids that are remembered."""


class Conversations(ScriptedModel):
    """Tells conversations apart by the user's first words, and plays the scripts to each. Call ids differ among all of them.

    A history that was cut at its front is told by the call ids that it still shows.
    """

    def __init__(self, specs: Sequence[ScriptSpec]) -> None:
        super().__init__(specs)
        self._specs = tuple(specs)
        self._models: dict[str, ScriptedModel] = {}
        self._of_call: dict[str, str] = {}
        self._last: ScriptedModel | None = None

    def serve(self, asked: Asked) -> Serving:
        """Answer a request, as `ScriptedModel` does."""
        key, model = self._conversation(asked)
        self._last = model
        serving = model.serve_as(asked, self._serial)
        self._serial += 1
        self._of_call.update(dict.fromkeys(serving.ids, key))
        while len(self._of_call) > _MOST_CALLS:
            del self._of_call[next(iter(self._of_call))]
        return serving

    def named(self, asked: Asked) -> Asked:
        """As `ScriptedModel` does, within the conversation."""
        return self._conversation(asked)[1].named(asked)

    def _conversation(self, asked: Asked) -> tuple[str, ScriptedModel]:
        key = self._key(asked)
        model = self._models.pop(key, None) or ScriptedModel(self._specs)
        if len(self._models) >= _MOST:
            del self._models[next(iter(self._models))]
        self._models[key] = model
        return key, model

    def spoiled(self, ids: Iterable[str]) -> None:
        """A fault has spoiled the last answer on its way."""
        if self._last is not None:  # a cassette has answered, which knows no calls of ours
            self._last.spoiled(ids)

    def _key(self, asked: Asked) -> str:
        first = asked.user_texts[0] if asked.user_texts else ""
        if first in self._models:
            return first
        return next((self._of_call[call_id] for call_id in reversed(asked.shown()) if call_id in self._of_call), first)
