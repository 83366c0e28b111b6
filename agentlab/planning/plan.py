"""A plan: what is to be done, with which tools, and in which order. What is wrong with one is all said at once."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from agentlab.errors import InvalidArgumentsError
from agentlab.text import canonical
from agentlab.tools import Tool

__all__ = ["MOST_STEPS", "Limits", "Plan", "PlanState", "PlanStep", "PlannedCall", "filled", "needs", "problems"]

MOST_STEPS = 32
REFERENCE = re.compile(r"\$([A-Za-z0-9_-]{1,64})((?:\.[A-Za-z0-9_-]+)*)")
"""A text in a step's input that stands for another step's result, or for a part of it: `$lookup`, `$lookup.address.city`, `$search.0`."""
POSSIBLE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One call of a tool. A text `$ID` or `$ID.KEY` in `input` stands for another step's result; `fallback_tool` gets the same input."""

    id: str
    description: str
    tool: str
    input: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    fallback_tool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps towards a goal, and what the model expects them to cost: US dollars and seconds.

    >>> look = PlanStep(id="look", description="Find it.", tool="look")
    >>> tell = PlanStep(id="tell", description="Say it.", tool="tell", depends_on=("look",))
    >>> needs(Plan(goal="Tell where it is.", steps=(tell, look)))
    {'tell': ['look'], 'look': []}
    """

    goal: str
    steps: tuple[PlanStep, ...]
    dollars: float = 0.0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The plan as plain JSON, for whoever has to approve it."""
        plain: dict[str, Any] = json.loads(canonical(asdict(self)))
        return plain


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call that was made for a step."""

    tool: str
    arguments: dict[str, Any]


@dataclass(slots=True)
class PlanState:
    """A plan under way: the calls that were made for its steps, by their ids; why steps were not done; what the history has already."""

    plan: Plan
    calls: dict[str, PlannedCall] = field(default_factory=dict)
    undone: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan may use: US dollars (None: unlimited) and seconds. Without `dependencies` every step must stand alone."""

    dollars: float | None
    seconds: float
    dependencies: bool = True


def needs(plan: Plan) -> dict[str, list[str]]:
    """The steps that each step waits for, each once: those it names, and those whose results stand in its input."""
    known = {step.id for step in plan.steps}
    return {step.id: list(dict.fromkeys([*step.depends_on, *_references(step.input, known)])) for step in plan.steps}


def filled(value: Any, results: Mapping[str, Any]) -> Any:
    """An input with results in the place of references. Raises InvalidArgumentsError if a result has not what is referred to."""
    if isinstance(value, Mapping):
        return {key: filled(item, results) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, results) for item in value]
    match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1] not in results:
        return value
    found = results[match[1]]
    for key in match[2].split(".")[1:]:
        found = _part(found, key, value)
    return found


def problems(plan: Plan, tools: Mapping[str, Tool], limits: Limits) -> list[str]:
    """Every reason why the plan cannot be carried out; none if it can."""
    return [*_misnamed(plan, tools), *_disordered(plan, limits), *_unfit(plan, tools), *_too_dear(plan, limits)]


def _part(value: Any, key: str, reference: str) -> Any:
    if isinstance(value, Mapping) and key in value:
        return value[key]
    if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
        return value[int(key)]
    raise InvalidArgumentsError(f"{reference} names nothing: the result has no {key!r}.")


def _references(value: Any, known: set[str]) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item, known)
    match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if match is not None and match[1] in known:
        yield match[1]


def _misnamed(plan: Plan, tools: Mapping[str, Tool]) -> Iterator[str]:
    if len(plan.steps) > MOST_STEPS:
        yield f"The plan has {len(plan.steps)} steps; at most {MOST_STEPS} are carried out."
    for name, times in Counter(step.id for step in plan.steps).items():
        if times > 1:
            yield f"{times} steps have the id {name!r}."
        if not POSSIBLE_ID.fullmatch(name):
            yield f"The id {name[:80]!r} is not 1 to 64 letters, digits, '_' and '-'."
    for step in plan.steps:
        for what, tool in (("tool", step.tool), ("fallback tool", step.fallback_tool)):
            if tool is not None and tool not in tools:
                yield f"Step {step.id!r} names the {what} {tool[:64]!r}, which does not exist; tools are: {', '.join(tools) or 'none'}."
        if step.fallback_tool == step.tool:
            yield f"Step {step.id!r} has its own tool as its fallback."


def _disordered(plan: Plan, limits: Limits) -> Iterator[str]:
    graph = needs(plan)
    for name, waits_for in graph.items():
        for missing in waits_for:
            if missing not in graph:
                yield f"Step {name!r} depends on {missing[:64]!r}, which is no step."
        if waits_for and not limits.dependencies:
            yield f"Step {name!r} depends on {', '.join(waits_for)[:200]}; every step of this plan must stand alone."
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"Steps wait for each other in a circle: {' -> '.join(reversed(error.args[1]))}."


def _unfit(plan: Plan, tools: Mapping[str, Tool]) -> Iterator[str]:
    known = {step.id for step in plan.steps}
    for step in plan.steps:
        for name in dict.fromkeys(name for name in (step.tool, step.fallback_tool) if name is not None and name in tools):
            reason = _misfit(step.input, tools[name], known)
            if reason:
                yield f"Step {step.id!r}: {reason}"


def _misfit(given: Mapping[str, Any], tool: Tool, known: set[str]) -> str:
    """What is wrong with an input; where it waits for a result, only the names of its parameters can be looked at."""
    if not any(_references(given, known)):
        try:
            tool.validate(dict(given))
        except InvalidArgumentsError as error:
            return str(error)
        return ""
    parameters = tool.schema["function"]["parameters"]
    surplus = sorted(given.keys() - parameters.get("properties", {}).keys())
    missing = [name for name in parameters.get("required", ()) if name not in given]
    if surplus or missing:
        told = [f"{name!r} is missing" for name in missing] + [f"there is no {name[:64]!r}" for name in surplus]
        return f"The arguments do not fit {tool.name}: {', '.join(told)}."
    return ""


def _too_dear(plan: Plan, limits: Limits) -> Iterator[str]:
    for name, value, limit in (("dollars", plan.dollars, limits.dollars), ("seconds", plan.seconds, limits.seconds)):
        if not (math.isfinite(value) and value >= 0):
            yield f"The estimate of {value} {name} is no possible amount."
        elif limit is not None and value > limit:
            yield f"The plan is expected to take {value:g} {name}; at most {limit:g} are left."
