"""The scripted model of one cell: it chooses the script, and hears from the tool seam what really ran."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from agentlab_faults.script.asked import Asked
from agentlab_faults.script.lineage import Lineage
from agentlab_faults.script.prompts import Prompts
from agentlab_faults.script.seam import End, Seam
from agentlab_faults.script.spec import Call, ScriptMissing, ScriptSpec, Serving

__all__ = ["ScriptedModel"]


class ScriptedModel:
    """Plays scripts to one run of an agent. A request is answered by the first script whose `when` matches, else by the one without `when`.

    `prompts` are the user's, in order. `seamed` names tools that are known to pass the tool seam, so that a call of theirs which never
    passed it did not run.
    """

    def __init__(self, specs: Sequence[ScriptSpec], prompts: Sequence[str] = (), *, seamed: Collection[str] = ()) -> None:
        self._seam = Seam(seamed)
        self._prompts = Prompts(prompts)
        scripted = frozenset(name for spec in specs for turn in spec.turns if isinstance(turn, Call) for name, _ in turn.calls)
        lineages = [Lineage(spec, self._seam, self._prompts, scripted) for spec in specs]
        whens = [re.compile(spec.when) if spec.when is not None else None for spec in specs]
        self._told_apart = [(when, lineage) for when, lineage in zip(whens, lineages, strict=True) if when is not None]
        self._default = next((lineage for when, lineage in zip(whens, lineages, strict=True) if when is None), None)
        self._serial = 0

    def prompted(self, number: int) -> None:
        """The lab has handed prompt `number` (from 0) to the agent. Only needed for prompts that the agent rewrites, or equal ones."""
        self._prompts.current = number

    def serve(self, asked: Asked) -> Serving:
        """Answer a request that the provider would accept.

        Raises ScriptMissing with one sentence if the script does not have what the agent asks for.
        """
        serving = self.serve_as(asked, self._serial)
        self._serial += 1
        return serving

    def serve_as(self, asked: Asked, serial: int) -> Serving:
        """Answer as number `serial`, which goes into the call ids."""
        return self._choose(asked).serve(asked, serial)

    def tool_started(self, name: str, arguments: Mapping[str, Any], call_id: str | None = None) -> str:
        """A tool's body is about to run at the seam. Returns the execution's id. `call_id` is the model's, or None if it is not known."""
        return self._seam.started(name, arguments, call_id)

    def tool_ended(self, execution: str, end: End, value: Any = None) -> None:
        """The execution ended, and the agent got `value`."""
        self._seam.ended(execution, end, value)

    def spoiled(self, ids: Iterable[str]) -> None:
        """A fault has spoiled the answer with these call ids on its way to the agent."""
        self._seam.spoiled.update(ids)

    def _lineages(self) -> list[Lineage]:
        named = [lineage for _, lineage in self._told_apart]
        return named if self._default is None else [*named, self._default]

    def _choose(self, asked: Asked) -> Lineage:
        if not self._told_apart and self._default is not None:
            return self._default
        for when, lineage in self._told_apart:
            if when.search(asked.setting):
                return lineage
        if self._default is not None:
            return self._default
        for call_id in reversed(asked.shown()):
            for lineage in self._lineages():
                if lineage.owns(call_id):
                    return lineage
        patterns = ", ".join(repr(when.pattern) for when, _ in self._told_apart) or "none"
        raise ScriptMissing(f"No script is for this request (their `when`: {patterns}); add one without `when` to answer the rest.")
