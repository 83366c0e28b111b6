"""A scenario made ready to be played: the engine's set-up, what its runs are judged by, and what each schedule allows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any, TypeVar

from agentlab_faults.dialects.limits import Limits
from agentlab_faults.played import Clean, McpServer, McpTool, Played, Setup, Store, Tool
from agentlab_faults.schedule import Schedule
from agentlab_faults.script import Call, Plan, Say, ScriptSpec
from agentlab_reports.schema import OUTCOMES, Best, Outcome

from agentlab_suites.honesty import ADMITS, IDIOMS, Honesty, compiled
from agentlab_suites.load import LoadedSuite
from agentlab_suites.model import Check, McpKeys, Scenario, SessionKeys, ToolKeys, Turn
from agentlab_suites.outcome import Case, decide
from agentlab_suites.outside_agents import DEADLINE
from agentlab_suites.session_runs import Judged, decide_session
from agentlab_suites.units import Limit, Multiple

__all__ = ["DISCOVERY_REQUESTS", "Scene", "scenes", "step_of"]

DISCOVERY_REQUESTS = 500
"""A fault-free run that asks its provider more often than this is stopped."""
_FACTOR, _ROOM = 10, 30
"""The lab's limits: so many times the fault-free run's figure, and at least so many requests more."""

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Scene:
    """One scenario of a suite, ready to play."""

    name: str
    scenario: Scenario
    loaded: LoadedSuite
    setup: Setup
    case: Case
    deadline: float
    """Of one run, in virtual seconds."""

    def judged(self, played: Played, schedule: Schedule, mask: Callable[[str], str] = str) -> Judged:
        """The outcome of a run, or the worst of a session's."""
        never = self.never(schedule)
        if self.scenario.session is not None:
            return decide_session(self.case, played, schedule, never, self.deadline, mask)
        return Judged(decide(self.case, played, schedule, never), played, ())

    def limited(self, clean: Clean) -> Setup:
        """The set-up of a cell, with limits that follow from the fault-free run."""
        budget = self.scenario.budget or self.loaded.suite.defaults.budget
        requests = _limit(budget.requests, clean.requests, max(_FACTOR * clean.requests, clean.requests + _ROOM))
        tokens = _limit(budget.tokens, clean.tokens, max(_FACTOR * clean.tokens, clean.tokens + _ROOM * max(clean.tokens, 1)))
        return replace(self.setup, max_requests=requests, max_tokens=tokens)

    def never(self, schedule: Schedule) -> tuple[Check, ...]:
        """Checks that must not hold under the schedule."""
        return tuple(check for under in _matching(self.scenario.under, schedule) for check in under.never)

    def allowed(self, schedule: Schedule, best: Best) -> list[Outcome]:
        """The outcomes that pass, best first: what the suite says, the scenario before the suite, else what page 8D allows by default."""
        said = [under.allow for under in _matching(self.scenario.under, schedule) if under.allow is not None]
        said += _matching(self.loaded.suite.allow, schedule) if schedule.injections else []
        if said:
            return sorted(said[0], key=OUTCOMES.index, reverse=True)
        if best == "success":
            return ["success"]
        exposure: list[Outcome] = ["silent_wrong"] if best == "undetectable" else []
        return ["success", "degraded_honest", "clean_failure", *exposure]

    def skipped(self, schedule: Schedule, today: dt.date) -> tuple[str, str] | None:
        """(reason, last day) if the schedule is waived today."""
        for skip in _matching(self.scenario.skip, schedule):
            if today <= skip.until:
                return skip.reason, skip.until.isoformat()
        return None


def scenes(loaded: LoadedSuite, *, watchdog: float | None, hooked: Mapping[str, str], outside: bool = False) -> list[Scene]:
    """Every scenario of the suite in its order. `hooked` gives the place of bare tools that were found in the agent's module.

    `outside` this process time is real and the tools are the agent's own.
    """
    found = [_scene(loaded, name, scenario, watchdog, hooked) for name, scenario in loaded.suite.scenarios.items()]
    return [replace(scene, setup=_in_real_time(scene)) for scene in found] if outside else found


def _in_real_time(scene: Scene) -> Setup:
    """Nobody wants to wait for what nobody asked for: shorter deadlines, and answers that come at once."""
    scenario, defaults = scene.scenario, scene.loaded.suite.defaults
    deadline = scenario.deadline or (defaults.deadline if "deadline" in defaults.model_fields_set else DEADLINE)
    latency = scenario.latency or (defaults.latency if "latency" in defaults.model_fields_set else 0.0)
    scripts = tuple(replace(spec, latency=latency) for spec in scene.setup.scripts)
    return replace(scene.setup, scripts=scripts, deadline=deadline, tools={}, stores={}, mcp={})


def _scene(loaded: LoadedSuite, name: str, scenario: Scenario, watchdog: float | None, hooked: Mapping[str, str]) -> Scene:
    suite = loaded.suite
    spec = _spec(scenario, suite.defaults.latency) if scenario.provider is None else None
    served = {tool for server in suite.mcp.values() for tool in server.tools}
    deadline = scenario.deadline or suite.defaults.deadline
    setup = Setup(
        scripts=() if spec is None else (spec,),
        cassette=loaded.cassettes.get(name),
        prompts=scenario.prompts,
        tools={tool: _tool(tool, keys, hooked.get(tool), served=tool in served) for tool, keys in suite.tools.items()},
        stores={kind: Store(body=keys.body, data=dict(keys.data)) for kind, keys in suite.stores.items()},
        mcp={server: _mcp(keys) for server, keys in suite.mcp.items()},
        deadline=_until(scenario.session, deadline),
        session=scenario.session is not None,
        max_requests=DISCOVERY_REQUESTS,
        limits=Limits(**suite.limits.model_dump()),
        allow_hosts=frozenset(suite.allow_hosts),
        watchdog=watchdog,
    )
    return Scene(name, scenario, loaded, setup, _case(loaded, scenario), deadline)


def _until(session: SessionKeys | None, deadline: float) -> float:
    """When the last run must have ended."""
    if session is None:
        return deadline
    return deadline * session.count if session.times is None else session.times[-1] + deadline


def _spec(scenario: Scenario, latency: float) -> ScriptSpec:
    return ScriptSpec(
        turns=tuple(step_of(turn) for turn in scenario.script),
        say_failed=scenario.say_failed,
        say_without=dict(scenario.say_without),
        failed_when=scenario.failed_when,
        latency=scenario.latency or latency,
    )


def _mcp(keys: McpKeys) -> McpServer:
    tools = {name: McpTool(description=tool.description, input=tool.input, output=tool.output) for name, tool in keys.tools.items()}
    return McpServer(at=keys.at, tools=tools)


def _tool(name: str, keys: ToolKeys, hooked: str | None, *, served: bool) -> Tool:
    return Tool(
        name=name,
        effect=keys.effect,
        identity=keys.identity,
        key=keys.key,
        body=keys.body,
        returns=keys.returns,
        at=keys.at or hooked,
        served=served,
    )


def _case(loaded: LoadedSuite, scenario: Scenario) -> Case:
    suite = loaded.suite
    own = scenario.admits or suite.admits
    honesty = Honesty(
        _patterns(suite.claims | scenario.claims),
        _patterns(suite.denies | scenario.denies),
        compiled(own or chain.from_iterable(ADMITS.values())),
        () if own else compiled(chain.from_iterable(IDIOMS.values())),  # what a suite takes for an admission is one
    )
    return Case(
        turns=len(scenario.prompts),
        expect=scenario.expect,
        turn_checks=scenario.turn_checks,
        honesty=honesty,
        writes=frozenset(tool for tool, keys in suite.tools.items() if keys.effect != "read"),
        errors=suite.errors,
    )


def _patterns(by_tool: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    return {tool: compiled(patterns) for tool, patterns in by_tool.items()}


def step_of(turn: Turn) -> Call | Plan | Say:
    """A turn of a script as the scripted model takes it."""
    if turn.plan is not None:
        return Plan(dict(turn.plan), turn.calls)
    if turn.call is not None:
        return Call(turn.calls, turn.say if isinstance(turn.say, str) else None)
    return Say(turn.say if isinstance(turn.say, str | dict) else "")


def _limit(limit: Limit | None, clean: int, default: int) -> int:
    if limit is None:
        return default
    return max(1, int(limit * clean)) if isinstance(limit, Multiple) else int(limit)


def _matching(by_glob: Mapping[str, V], schedule: Schedule) -> list[V]:
    """The entries whose glob names the schedule's mode, or any of its faults."""
    names = [schedule.mode] if schedule.mode else [injection.fault.row.id for injection in schedule.injections]
    return [value for glob, value in by_glob.items() if any(fnmatchcase(name, glob) for name in names)]
