"""The `chaos` fixture and marker: plain fault injection inside ordinary tests. An injection that did not fire fails the test.

::

    def test_survives_a_rate_limit(chaos):
        with chaos.inject("http_429_rate", at="openai.chat.1"):
            assert ask(client, "hello") == "hi"

    @pytest.mark.chaos("http_5*", points=["openai.chat.1"])          # one test for each fault that fits
    def test_survives_outages(chaos):
        assert chaos.run(agent, "hello", script="Hello.") == "Hello."
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from agentlab_faults.catalogue import schedule_name, select
from agentlab_faults.engine import play
from agentlab_faults.fault import Fault, Row, Shape
from agentlab_faults.played import Played, Setup, Struck
from agentlab_faults.points import CHUNK, Point
from agentlab_faults.run import Run
from agentlab_faults.schedule import FAULT_FREE, Injection, Schedule
from agentlab_faults.script import Say, ScriptSpec
from agentlab_faults.tools import hook
from pydantic import ValidationError

from agentlab_suites import wording
from agentlab_suites.agents import Agent, conversation
from agentlab_suites.injecting import AnyTool, injecting
from agentlab_suites.model import Turn
from agentlab_suites.problems import BadInput
from agentlab_suites.scene import step_of

__all__ = ["Chaos", "Script", "parametrize"]

Script = str | Sequence[dict[str, Any]]
"""What the scripted model says: one text, or turns as in a suite (`{"call": {"refund": {...}}}`, `{"say": "Done."}`)."""

_PARAM = "agentlab_schedule"
_DEFAULT_POINT = "openai.chat.1"
_NOT_FIRED = "{name} did not fire: the code never came to that call. Reached: {reached}."
_NOT_FITTING = "{name} did not fire: the code came to that call, but {why}; `agentlab faults show {fault}` says where it acts."

_UNCHANGED = "{name} struck, but changed nothing that the code could see."


@dataclass(frozen=True, slots=True)
class _Marked:
    """What a test's marker asks for."""

    faults: tuple[str, ...]
    points: tuple[str, ...]
    shape: Shape


def _marked(node: Any) -> _Marked | None:
    marker = node.get_closest_marker("chaos")
    if marker is None:
        return None
    options = {"points": None, "shape": "once"} | marker.kwargs
    if set(options) != {"points", "shape"} or not marker.args or options["shape"] not in get_args(Shape):
        raise pytest.UsageError(f"{node.nodeid}: write @pytest.mark.chaos('http_429*', points=['openai.chat.1'], shape='once').")
    return _Marked(tuple(marker.args), tuple(options["points"] or (_DEFAULT_POINT,)), options["shape"])


def parametrize(metafunc: pytest.Metafunc) -> None:
    """One test for each fault and point of the `chaos` marker."""
    marked = _marked(metafunc.definition)
    if marked is None:
        return
    if "chaos" not in metafunc.fixturenames:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: is marked chaos and does not use it; take the fixture: def test(chaos): ..."
        )
    try:
        faults = select(marked.faults)
    except ValueError as unknown:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: {unknown}") from unknown
    schedules = [
        _schedule(fault(), point, marked.shape) for point in marked.points for fault in faults if _fits(fault, point, marked.shape)
    ]
    if not schedules:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: none of these faults can strike at {', '.join(marked.points)}.")
    metafunc.parametrize(_PARAM, schedules, ids=[schedule.name for schedule in schedules], indirect=True)


def _fits(fault: type[Fault], point: str, shape: Shape) -> bool:
    kind = {"tool": "tool", "redis": "store", "mcp": "mcp"}.get(point.partition(".")[0], "llm")
    return kind in fault.row.kinds and shape in fault.row.best and (CHUNK not in point or fault.row.at_event)


def _schedule(fault: Fault, point: str, shape: Shape) -> Schedule:
    return Schedule(schedule_name(point, fault.row.id, shape), (Injection(fault=fault, at=point, shape=shape),))


class Chaos:
    """Injects faults into a test's own code. `played` is the last run of `run` or `arun`, journal and ledger included."""

    def __init__(self, schedule: Schedule | None = None) -> None:
        self._marked = schedule
        self._used = schedule is None
        self._left = ""
        """What a block would have failed for that raised something else, which the test may have expected."""
        self.played: Played | None = None

    @contextlib.contextmanager
    def inject(
        self,
        fault: str | None = None,
        *,
        at: str | None = None,
        shape: Shape = "once",
        script: Script | None = None,
        tools: Sequence[Callable[..., Any]] = (),
        deadline: float = 600.0,
        **settings: Any,
    ) -> Iterator[Run]:
        """Break the block's own calls: with `fault` (by its id, `settings` are its fields) at a point, else with the marker's.

        Time is virtual in a `def` test. In an `async def` test the loop is the test's own, so a fault's waits are skipped instead. Calls
        that no fault strikes go to the test's own mock, or to the `script`. Raises ValueError for an unknown fault; fails if nothing fired.
        """
        schedule = self._schedule(fault, at, shape, settings)
        setup = Setup(scripts=(_spec(script),), tools=AnyTool(), deadline=deadline)
        hooks = [hook(function) for function in tools]
        try:
            with injecting(setup, schedule, scripted=script is not None, virtual=not _loop_is_running()) as run:
                try:
                    yield run
                except Exception:
                    self._left = self._left or (run.problems[0] if run.problems else _missed(schedule, run.strikes, run.points.values()))
                    raise
        finally:
            for hooked in hooks:
                hooked.undo()
        if run.problems:
            pytest.fail(run.problems[0], pytrace=False)
        _demand(schedule, run.strikes, run.points.values())

    def run(
        self,
        agent: Any,
        *prompts: str,
        fault: str | None = None,
        at: str | None = None,
        shape: Shape = "once",
        script: Script | None = None,
        tools: Sequence[Callable[..., Any]] = (),
        deadline: float = 120.0,
        **settings: Any,
    ) -> Any:
        """What the agent answers to the last prompt, in virtual time under the fault, sync or async agents alike.

        Raises what the agent raises; fails if it hangs, or if nothing fired.
        """
        schedule = FAULT_FREE if fault is None and self._marked is None else self._schedule(fault, at, shape, settings)
        setup = Setup(scripts=(_spec(script),), prompts=prompts, tools=AnyTool(), deadline=deadline, mocks="replace")
        hooks = [hook(function) for function in tools]
        try:
            with _no_loop():
                played = self.played = play(conversation(Agent.of(agent), prompts), setup, schedule)
        finally:
            for hooked in hooks:
                hooked.undo()
        return _answer_of(played, schedule)

    async def arun(self, agent: Any, *prompts: str, **options: Any) -> Any:
        """`run` for async tests (pytest-asyncio, anyio): the agent plays on a loop of its own, in virtual time."""
        return self.run(agent, *prompts, **options)

    def finish(self) -> None:
        """The test is over: a fault that was never used, or that a block's own exception came before, proves nothing."""
        if self._left:
            pytest.fail(self._left, pytrace=False)
        if not self._used and self._marked is not None:
            pytest.fail(f"{self._marked.name} was never injected: use chaos.inject() or chaos.run(...) in the test.", pytrace=False)

    def _schedule(self, fault: str | None, at: str | None, shape: Shape, settings: dict[str, Any]) -> Schedule:
        if fault is None:
            if self._marked is None:
                raise ValueError(
                    "Name the fault: chaos.inject('http_429_rate'), or mark the test with @pytest.mark.chaos('http_429_rate')."
                )
            self._used = True
            return self._marked
        found = select([fault])
        if len(found) > 1:
            raise ValueError(f"{fault!r} names {len(found)} faults; name one here, or mark the test: @pytest.mark.chaos({fault!r}).")
        point = at or (_DEFAULT_POINT if "llm" in found[0].row.kinds else None)
        if point is None:
            raise ValueError(f"{fault} strikes at a tool; say where: at='tool.<name>.1'.")
        schedule = _schedule(found[0](**settings), point, shape)
        self._used = self._used or schedule == self._marked
        return schedule


def _spec(script: Script | None) -> ScriptSpec:
    if script is None or isinstance(script, str):
        return ScriptSpec(turns=(Say(script or "OK."),))
    return ScriptSpec(turns=tuple(step_of(_turn(number, turn)) for number, turn in enumerate(script)))


def _turn(number: int, turn: object) -> Turn:
    try:
        return Turn.model_validate(turn)
    except ValidationError as error:
        errors = [{**one, "loc": ("script", number, *one["loc"])} for one in error.errors(include_url=False)]
        raise ValueError(
            f"{wording.first(errors)[1]} A turn is {{'say': 'Done.'}} or {{'call': {{'refund': {{'order': '5512'}}}}}}."
        ) from None


def _answer_of(played: Played, schedule: Schedule) -> Any:
    if isinstance(played.error, BadInput):
        raise played.error
    if played.problems or played.ending == "lab":
        pytest.fail(played.problems[0] if played.problems else played.detail, pytrace=False)
    if played.ending not in ("returned", "raised"):
        pytest.fail(
            f"The agent did not end ({played.ending}) in {played.seconds:g} virtual seconds. {played.detail}".strip(), pytrace=False
        )
    _demand(schedule, played.strikes, played.points)
    if played.error is not None:
        raise played.error
    return played.replies[-1] if played.replies else None


def _demand(schedule: Schedule, strikes: Sequence[Struck], reached: Iterable[Point]) -> None:
    missed = _missed(schedule, strikes, reached)
    if missed:
        pytest.fail(missed, pytrace=False)


def _missed(schedule: Schedule, strikes: Sequence[Struck], reached: Iterable[Point]) -> str:
    """Why the schedule proves nothing of the code; empty if the code could see it, or if there is nothing in it."""
    if not schedule.injections or any(strike.changed for strike in strikes):
        return ""
    if strikes:
        return _UNCHANGED.format(name=schedule.name)
    points = {point.name: point for point in reached}
    for injection in schedule.injections:
        point = points.get((injection.at or "").partition(CHUNK)[0])
        if point is not None:
            return _NOT_FITTING.format(name=schedule.name, why=_why_not(injection.fault.row, point), fault=injection.fault.row.id)
    return _NOT_FIRED.format(name=schedule.name, reached=", ".join(points) or "no call at all")


def _why_not(row: Row, point: Point) -> str:
    if row.streamed == "only" and not point.streamed:
        return "it was not streamed, and the fault breaks streams"
    if row.streamed == "no" and point.streamed:
        return "it was streamed, and the fault breaks answers in one piece"
    return "the fault finds nothing in it to break"


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextlib.contextmanager
def _no_loop() -> Iterator[None]:
    """Inside an async test: as if no loop were running on this thread, so that the simulation can run its own."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        yield
        return
    task = asyncio.current_task(loop)
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)
