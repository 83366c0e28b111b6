"""The scripted model of one cell: it chooses the script, and hears from the tool seam what really ran."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from agentlab_faults.script.asked import Asked
from agentlab_faults.script.lineage import Lineage
from agentlab_faults.script.prompts import Prompts
from agentlab_faults.script.seam import End, Seam
from agentlab_faults.script.spec import Called, Say, ScriptMissing, ScriptSpec, Serving

__all__ = ["ScriptedModel"]


class ScriptedModel:
    """Plays scripts to one run of an agent. A request is answered by the first script whose `when` matches, else by the one without `when`.

    `prompts` are the user's, in order. `seamed` names tools that are known to pass the tool seam, so that a call of theirs which never
    passed it did not run.
    """

    def __init__(self, specs: Sequence[ScriptSpec], prompts: Sequence[str] = (), *, seamed: Collection[str] = ()) -> None:
        self._seam = Seam(seamed)
        self._prompts = Prompts(prompts)
        scripted = frozenset(name for spec in specs for turn in spec.turns if not isinstance(turn, Say) for name, _ in turn.calls)
        lineages = [Lineage(spec, self._seam, self._prompts, scripted) for spec in specs]
        whens = [re.compile(spec.when) if spec.when is not None else None for spec in specs]
        self._told_apart = [(when, lineage) for when, lineage in zip(whens, lineages, strict=True) if when is not None]
        self._calls: list[Called] = []
        """Every call that was served, in order."""
        self._spoiled: set[str] = set()
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
        asked = self.named(asked)
        serving = self._choose(asked).serve(asked, serial)
        self._calls += serving.tool_calls
        return serving

    def named(self, asked: Asked) -> Asked:
        """The request with our ids at the calls that it shows without any: of equal ones the last that reached the agent, in order."""
        if not asked.unnamed:
            return asked
        calls = [call for message in asked.messages for call in message.get("tool_calls") or () if call["id"] in asked.unnamed]
        shown = _grouped((call["function"]["name"], call["function"]["arguments"], call["id"]) for call in calls)
        served = _grouped((called.name, called.arguments, called.id) for called in self._calls if called.id not in self._spoiled)
        names: dict[str, str] = {}
        for alike, group in shown.items():
            ours = served.get(alike, [])[-len(group) :]
            names.update(zip(group[-len(ours) :], ours, strict=True) if ours else ())
        return dataclasses.replace(asked, messages=[_renamed(message, names) for message in asked.messages], unnamed=frozenset())

    def tool_started(self, name: str, arguments: Mapping[str, Any], call_id: str | None = None) -> str:
        """A tool's body is about to run at the seam. Returns the execution's id. `call_id` is the model's, or None if it is not known."""
        return self._seam.started(name, arguments, call_id)

    def called(self, call_id: str | None) -> str | None:
        """The tool that the model called by this id; None if the id is not the model's."""
        return self._seam.tool_of(call_id)

    def tool_ended(self, execution: str, end: End, value: Any = None) -> None:
        """The execution ended, and the agent got `value`."""
        self._seam.ended(execution, end, value)

    def spoiled(self, ids: Iterable[str]) -> None:
        """A fault has spoiled the answer with these call ids on its way to the agent."""
        lost = set(ids)
        self._spoiled |= lost
        self._seam.spoiled.update(lost)

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


def _alike(name: str, arguments: str) -> tuple[str, str]:
    """What two calls have in common that ask for the same."""
    try:
        return name, json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return name, arguments


def _grouped(calls: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    """The ids of calls (name, arguments, id), equal calls together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, arguments, call_id in calls:
        groups.setdefault(_alike(name, arguments), []).append(call_id)
    return groups


def _renamed(message: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    """The message with other ids for some calls."""
    if message.get("role") == "tool":
        call_id = message.get("tool_call_id", "")
        return {**message, "tool_call_id": names.get(call_id, call_id)}
    if not message.get("tool_calls"):
        return message
    return {**message, "tool_calls": [{**call, "id": names.get(call["id"], call["id"])} for call in message["tool_calls"]]}
