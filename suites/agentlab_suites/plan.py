"""The plan of a run: every scenario is played once without faults (discovery), and the cells follow from what that run showed."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from agentlab_faults.catalogue import UnknownFault, all_modes, at_events, mode_schedule, modes_for, nearest, select, shapes_in_turn, singles
from agentlab_faults.catalogue.laws import unset_setting
from agentlab_faults.fault import BreaksTool, Fault, all_faults
from agentlab_faults.journal import ToolEnded
from agentlab_faults.ledger import canonical
from agentlab_faults.outside import CannotAsk, CannotRun
from agentlab_faults.played import Clean, Played
from agentlab_faults.points import CHUNK, Point
from agentlab_faults.proxy.plan import possible_part, why_not
from agentlab_faults.schedule import FAULT_FREE, Schedule

from agentlab_suites.agents import Agent
from agentlab_suites.bare_tools import find_bare_tools, hook_tools, refuse_unseamed
from agentlab_suites.load import LoadedSuite
from agentlab_suites.outside_agents import refuse_inside
from agentlab_suites.problems import BadAgent, BadInput
from agentlab_suites.scene import Scene, scenes
from agentlab_suites.session_runs import windowed
from agentlab_suites.stage import perform

__all__ = ["CellKind", "Discovered", "PlannedCell", "Prepared", "Shapes", "cells_of", "discover", "journal_digest", "prepare"]

CellKind = Literal["control", "single", "mode", "discovery"]
Shapes = Literal["all", "one"]
"""Whether a pair of point and fault is played in all its shapes, or in one of them, taken in turn."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a scenario's fault-free run showed; plain data, so that workers can share it."""

    scenario: str
    failure: str
    """Why no cells can be made of it; empty if all went well."""
    outcome: str
    points: tuple[Point, ...] = ()
    clean: Clean = field(default_factory=lambda: Clean({}, 0, 0))
    journal: str = ""
    """SHA-256 of the journal."""
    models: tuple[str, ...] = ()
    system_prompts: tuple[str, ...] = ()
    tool_schemas: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One item: a scenario under a schedule."""

    scene: Scene
    kind: CellKind
    schedule: Schedule
    discovered: Discovered

    @property
    def id(self) -> str:
        """`refund_order[openai.chat.2-http_429_rate]`."""
        return f"{self.scene.name}[{self.schedule.name or self.kind}]"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A suite and its agent, seen to fit together; nothing has run yet."""

    loaded: LoadedSuite
    agent: Agent
    scenes: tuple[Scene, ...]
    hooks: tuple[Any, ...]
    seed: int

    def undo(self) -> None:
        """Take the seams out of bare tools again."""
        for hooked in self.hooks:
            hooked.undo()


def prepare(loaded: LoadedSuite, agent: Agent, *, seed: int = 0, watchdog: float | None = 30.0) -> Prepared:
    """Find the tools' seams. Raises BadSuite for a tool that would run for real, and for what no agent outside can have."""
    if agent.outside is not None:
        refuse_inside(loaded)
        return Prepared(loaded, agent, tuple(scenes(loaded, watchdog=None, hooked={}, outside=True)), (), seed)
    found = find_bare_tools(loaded, agent)
    refuse_unseamed(loaded, agent, found)
    hooks = hook_tools(loaded, found)
    places = {tool: bare.place for tool, bare in found.items()}
    return Prepared(loaded, agent, tuple(scenes(loaded, watchdog=watchdog, hooked=places)), tuple(hooks), seed)


def discover(prepared: Prepared) -> list[Discovered]:
    """Play every scenario without faults. Raises BadAgent if the factory gives something that is no agent."""
    return [_discover(scene, prepared.agent, prepared.seed) for scene in prepared.scenes]


def _discover(scene: Scene, agent: Agent, seed: int) -> Discovered:
    played = perform(agent, scene.setup, FAULT_FREE, seed=seed, session=scene.scenario.session)
    if isinstance(played.error, BadAgent):
        raise played.error
    if isinstance(played.error, CannotAsk | CannotRun):
        raise BadAgent(f"The agent {agent.name!r} cannot be asked: {played.error}")
    judged = scene.judged(played, FAULT_FREE).worst
    failure = "" if judged.outcome == "success" else f"the fault-free run ended in {judged.outcome}: {judged.why}"
    return Discovered(
        scene.name,
        failure or ("" if agent.outside is not None else _unseen_tools(scene, played)),
        judged.outcome,
        tuple(_fitted(played)),
        played.clean,
        journal_digest(played),
        played.models,
        tuple(_sha(prompt) for prompt in played.system_prompts),
        {name: _sha(schema) for name, schema in played.tool_schemas.items()},
    )


def _fitted(played: Played) -> Iterator[Point]:
    """The points, those of tools with the faults that would change nothing in what the tool returned."""
    choosy = [fault() for fault in all_faults().values() if issubclass(fault, BreaksTool) and _is_choosy(fault)]
    returned = dict(_returned(played))
    for point in played.points:
        if point.name in returned:
            unmoved = tuple(fault.row.id for fault in choosy if not fault.moves(returned[point.name]))
            yield replace(point, unmoved=unmoved)
        else:
            yield point


def _is_choosy(fault: type[BreaksTool]) -> bool:
    return fault.moves is not BreaksTool.moves and not unset_setting(fault)


def _returned(played: Played) -> Iterator[tuple[str, Any]]:
    """What each tool returned, by point. The agent may have changed the very object since: then as it was written down."""
    written = {event.execution: event.value for event in played.journal if isinstance(event, ToolEnded)}
    for done in played.ledger.executions:
        if done.end == "ok" and canonical(done.value) == written.get(done.id):
            yield done.point, done.value
        elif done.end == "ok":
            with contextlib.suppress(ValueError):  # more than JSON can hold: every fault is planned
                yield done.point, json.loads(written[done.id])


def _unseen_tools(scene: Scene, played: Played) -> str:
    ran = {execution.tool for execution in played.ledger.executions}
    called = dict.fromkeys(tool for turn in scene.scenario.script for tool, _ in turn.calls)
    unseen = [tool for tool in called if tool not in ran]
    if not unseen:
        return ""
    return f"the script called {', '.join(unseen)}, but no such tool ran where the lab could see it; say where it is with 'at:'"


def journal_digest(played: Played) -> str:
    """SHA-256 of everything that crossed the agent's edge, with its virtual times."""
    return _sha("\n".join(map(repr, played.journal)))


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def cells_of(
    prepared: Prepared,
    discovered: Sequence[Discovered],
    globs: Sequence[str] = (),
    *,
    force: bool = False,
    named: Sequence[str] = (),
    shapes: Shapes = "all",
) -> list[PlannedCell]:
    """The cells in the plan's order: scenario by scenario its control, its singles, its modes.

    `globs` (of `--faults`) choose faults and modes instead of the suite's own choice, or one event of a stream
    (`openai.chat.2.chunk.5-stream_cut_clean`). `named` are schedules of that sort that are wanted besides, where there are such events.
    Of the shapes of a single, `one` plays one: they are taken in turn from point to point, and each scenario begins with the next one.
    Where discovery failed there is one item, unless `force` makes its cells all the same. Raises BadInput for a glob that matches nothing.
    """
    outside = prepared.agent.outside is not None
    names = [window for scene in prepared.scenes if scene.scenario.session for window in scene.scenario.session.windows]
    chosen = _chosen_by(globs, names) if globs else None
    if chosen and outside:
        chosen = _possible(chosen)
    by_name = {found.scenario: found for found in discovered}
    cells: list[PlannedCell] = []
    for number, scene in enumerate(prepared.scenes):
        own = chosen or (_possible(_chosen(scene)) if outside else _chosen(scene))
        _refuse_unset(own.faults)
        cells += _cells(scene, by_name[scene.name], own, named, force, number if shapes == "one" else None)
    return list(_possible_cells(cells)) if outside else cells


def _refuse_unset(faults: Sequence[type[Fault]]) -> None:
    for fault in faults:
        if unset := unset_setting(fault):
            raise BadInput(
                f"A suite plays every fault with its default settings, and {fault.row.id} has no default for {unset!r}; give it one."
            )


def _possible(chosen: _Chosen) -> _Chosen:
    """What a server on a socket can make of it, for agents outside this process. Raises BadInput if that is nothing."""
    possible = [fault for fault in chosen.faults if why_not(fault()) is None]
    if chosen.faults and not (possible or chosen.modes or chosen.events):
        first = chosen.faults[0]
        raise BadInput(f"{first.row.id} cannot strike an agent outside this process: {why_not(first())}.")
    return replace(chosen, faults=possible)


def _possible_cells(cells: Sequence[PlannedCell]) -> Iterator[PlannedCell]:
    """The cells without what no server can make of their schedules; those of which nothing is left are left out."""
    for cell in cells:
        schedule = possible_part(cell.schedule)
        if schedule.injections or not cell.schedule.injections:
            yield replace(cell, schedule=schedule)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Faults for singles, names of modes, events of streams, and what the command line chose them by."""

    faults: list[type[Fault]]
    modes: list[str]
    events: list[str] = field(default_factory=list)
    globs: tuple[str, ...] = ()

    def has(self, window: str, mode: str) -> bool:
        """Whether a session's window is among them."""
        return not self.globs or any(fnmatchcase(name, glob) for name in (window, mode) for glob in self.globs)


def _cells(scene: Scene, found: Discovered, chosen: _Chosen, named: Sequence[str], force: bool, turn: int | None) -> Iterator[PlannedCell]:
    if found.failure and not force:
        yield PlannedCell(scene, "discovery", FAULT_FREE, found)
        return
    if scene.scenario.session is not None:
        chosen = _of_session(scene, chosen)
    yield PlannedCell(scene, "control", FAULT_FREE, found)
    every = singles(found.points, chosen.faults)
    schedules = {schedule.name: schedule for schedule in (every if turn is None else shapes_in_turn(every, turn))}
    for name in (*chosen.events, *named):
        schedules |= {schedule.name: schedule for schedule in at_events(found.points, name)}
    for schedule in schedules.values():
        yield PlannedCell(scene, "single", schedule, found)
    for mode in modes_for(found.points):
        if mode.name in chosen.modes:
            yield PlannedCell(scene, "mode", mode_schedule(mode.name), found)
    for window in _windows(scene, chosen):
        yield PlannedCell(scene, "mode", window, found)


def _of_session(scene: Scene, chosen: _Chosen) -> _Chosen:
    """A session is played under its windows; under single faults and whole modes only where the scenario itself names them."""
    own = scene.scenario
    return replace(chosen, faults=chosen.faults if own.faults is not None else [], modes=chosen.modes if own.modes is not None else [])


def _windows(scene: Scene, chosen: _Chosen) -> Iterator[Schedule]:
    """The session's windows: all of them, or those of chosen modes where the command line chooses."""
    session = scene.scenario.session
    for name, keys in session.windows.items() if session else ():
        if chosen.has(name, keys.mode):
            yield windowed(name, keys, mode_schedule(keys.mode))


def _chosen(scene: Scene) -> _Chosen:
    """The scenario's own choice, else the suite's; where nothing is chosen, every fault and no mode."""
    own, suite = scene.scenario, scene.loaded.suite
    modes, faults = (own.modes, own.faults) if own.modes is not None or own.faults is not None else (suite.modes, suite.faults)
    if faults is None and (modes is None or suite.explore == "singles"):
        faults = ("*",)
    return _Chosen(select(faults or ()), [name for name in all_modes() if any(fnmatchcase(name, glob) for glob in modes or ())])


def _chosen_by(globs: Sequence[str], windows: Sequence[str]) -> _Chosen:
    modes = [name for name in all_modes() if any(fnmatchcase(name, glob) for glob in globs)]
    of_faults, events = [], []
    for glob in globs:
        if CHUNK in glob:
            events.append(glob)
        elif any(fnmatchcase(name, glob) for name in all_faults()):
            of_faults.append(glob)
        elif not any(fnmatchcase(name, glob) for name in (*modes, *windows)):
            raise BadInput(f"No fault or mode is named {glob!r}{nearest(glob, [*all_faults(), *all_modes(), *windows])}")
    try:
        for event in events:
            at_events((), event)
        return _Chosen(select(of_faults), modes, events, tuple(globs))
    except UnknownFault as unknown:
        raise BadInput(str(unknown)) from unknown
