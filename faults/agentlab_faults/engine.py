"""The engine: plays one conversation in virtual time under one schedule, and says what happened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from agentlab_faults import breakers, intercept, mcp, stores
from agentlab_faults.journal import BreakerChanged, Replied, TurnBegan
from agentlab_faults.mcp.http import Gateway
from agentlab_faults.placeholders import placeholder_keys
from agentlab_faults.played import Clean, Conversation, Ending, Played, PlayedRun, Setup
from agentlab_faults.provider import Provider
from agentlab_faults.run import LabFailure, LimitPassed, Run
from agentlab_faults.runs import RUN
from agentlab_faults.schedule import FAULT_FREE, Schedule
from agentlab_faults.sim import Deadlock, RealThreadWaits, Simulation, TimeCapReached, WatchdogFired
from agentlab_faults.storeroom import Storeroom
from agentlab_faults.switchboard import Switchboard
from agentlab_faults.tools import adapt_frameworks, hub
from agentlab_faults.workshop import Workshop

__all__ = ["play"]

_ENDINGS: dict[type[BaseException], Ending] = {
    Deadlock: "deadlock",
    TimeCapReached: "deadline",
    WatchdogFired: "watchdog",
    RealThreadWaits: "lab",
    LimitPassed: "stopped",
    LabFailure: "lab",
}


class _Talk:
    """A conversation's way into the simulation; of a session, that of one run too."""

    def __init__(self, run: Run, simulation: Simulation, one: PlayedRun | None = None, replies: list[Any] | None = None) -> None:
        self._run = run
        self._simulation = simulation
        self._one = one
        self.replies: list[Any] = [] if replies is None else replies
        self.runs: list[PlayedRun] = []
        self._turns = 0

    @property
    def _number(self) -> int:
        return self._one.number if self._one else 0

    def settle(self, value: Any) -> Any:
        return self._simulation.settle(value)

    def turn(self, prompt: str) -> None:
        self._run.model.prompted(self._turns)
        self._turns += 1
        self._run.events.append(TurnBegan(self._run.now(), prompt, self._number))

    def reply(self, value: Any) -> None:
        self.replies.append(value)
        if self._one:
            self._one.replies.append(value)
        self._run.events.append(Replied(self._run.now(), value if isinstance(value, str) else "", self._number))

    @contextlib.contextmanager
    def run(self, number: int) -> Iterator[_Talk]:
        one = PlayedRun(number, self._run.now())
        self.runs.append(one)
        token = RUN.set(number)
        try:
            yield _Talk(self._run, self._simulation, one, self.replies)
        except Exception as error:  # noqa: BLE001 - what leaves the agent is this run's outcome; the session goes on
            one.error = error
        except BaseException as error:
            if self._simulation.ended is None:  # an agent's own SystemExit ends the session, and is this run's
                one.error = error
            raise
        finally:
            RUN.reset(token)
            if self._simulation.ended is None:
                one.ended = self._run.now()


def play(
    conversation: Conversation,
    setup: Setup,
    schedule: Schedule = FAULT_FREE,
    *,
    seed: int = 0,
    clean: Clean | None = None,
    on_stuck: Callable[[], None] | None = None,
) -> Played:
    """Play `conversation` once in virtual time under `schedule`.

    `clean` is what the fault-free run of the same scenario left behind (`Played.clean`); without it the run counts as that one.
    `on_stuck` is called from a real thread if not even the watchdog can end the run. The agent's exceptions are returned, never raised;
    only KeyboardInterrupt goes through.
    """
    intercept.install()
    stores.install()
    mcp.install()
    adapt_frameworks()
    simulation = Simulation(seed=seed, cap=setup.deadline + setup.grace, watchdog=setup.watchdog, on_stuck=on_stuck)
    run = Run(setup, schedule, clean, lambda: simulation.now, simulation.stop, seed=seed)
    workshop = Workshop(run)
    board = Switchboard(run, workshop)
    provider = Provider(run, Gateway(board))
    talk = _Talk(run, simulation)
    with (
        placeholder_keys(),
        intercept.armed(provider, mocks=setup.mocks, allow_hosts=setup.allow_hosts) as watch,
        hub.executing(workshop),
        mcp.watching(board),
        stores.own_servers(),
        stores.watching(Storeroom(run)),
        breakers.watching(lambda name, state: run.events.append(BreakerChanged(run.now(), name, state))),
        simulation,
    ):
        ending, error, detail = _run_to_its_end(conversation, talk, simulation)
        run.over = True
    run.problems.extend(simulation.refusals)
    if watch.escaped:
        run.problems.append(f"The agent reached the network past the lab: {', '.join(sorted(set(watch.escaped)))}.")
    return Played(
        ending="lab" if run.problems and ending != "lab" else ending,
        replies=tuple(talk.replies),
        error=error,
        detail=detail,
        journal=tuple(run.events),
        ledger=run.ledger,
        points=tuple(run.points.values()),
        strikes=tuple(run.strikes),
        requests=provider.requests,
        tokens=provider.tokens,
        seconds=simulation.now,
        real_threads=simulation.real_threads,
        real_io=simulation.real_io,
        telemetry=provider.telemetry,
        problems=tuple(run.problems),
        clean=clean or Clean(provider.answers, provider.requests, provider.tokens),
        models=tuple(provider.models),
        system_prompts=tuple(provider.system_prompts),
        tool_schemas=provider.tool_schemas,
        runs=tuple(sorted(talk.runs, key=lambda one: one.number)),
    )


def _run_to_its_end(conversation: Conversation, talk: _Talk, simulation: Simulation) -> tuple[Ending, BaseException | None, str]:
    error: BaseException | None = None
    try:
        conversation(talk)
    except KeyboardInterrupt:
        raise
    except BaseException as raised:  # noqa: BLE001 - whatever leaves the agent is its outcome, SystemExit and CancelledError too
        error = raised
    end = simulation.ended
    if end is not None and type(end) in _ENDINGS:  # also where the agent swallowed it, or made an exception of its own of it
        return _ENDINGS[type(end)], None, str(end)
    return ("returned", None, "") if error is None else ("raised", error, "")
