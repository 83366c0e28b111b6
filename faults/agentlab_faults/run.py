"""What one run knows of itself: the schedule so far, the logical calls, the journal, the ledger and the strikes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from agentlab_faults.calls import Call, Calls
from agentlab_faults.cassette.matching import Player
from agentlab_faults.dialects.limits import Meter
from agentlab_faults.injector import Injector
from agentlab_faults.journal import Event, FaultStruck
from agentlab_faults.ledger import Ledger
from agentlab_faults.played import Clean, Setup, Struck
from agentlab_faults.points import Point
from agentlab_faults.schedule import Schedule
from agentlab_faults.script import ScriptedModel
from agentlab_faults.script.runs import SessionModel

__all__ = ["LabFailure", "LimitPassed", "Run"]


class LimitPassed(BaseException):
    """The agent passed the lab's limit of requests or tokens, and was stopped."""


class LabFailure(BaseException):
    """The lab itself cannot go on; the run proves nothing."""


class Run:
    """The state that the provider's side and the tools' side of one run share."""

    def __init__(
        self,
        setup: Setup,
        schedule: Schedule,
        clean: Clean | None,
        now: Callable[[], float],
        stop: Callable[[BaseException], None],
        *,
        seed: int = 0,
    ) -> None:
        self.setup = setup
        self.clean = clean
        self.now = now
        """Virtual seconds since the run began."""
        self.stop = stop
        model = SessionModel if setup.session else ScriptedModel
        self.model: ScriptedModel = model(setup.scripts, setup.prompts, seamed=setup.tools)
        self.cassette = Player(setup.cassette) if setup.cassette is not None else None
        self.injector = Injector(schedule, seed=seed)
        self.meter = Meter(setup.limits)
        self.calls = Calls()
        self.ledger = Ledger()
        self.events: list[Event] = []
        self.points: dict[str, Point] = {}
        self.strikes: list[Struck] = []
        self.problems: list[str] = []
        self.memory: dict[str, Any] = {}
        """What the providers keep of earlier answers, by id (`Dialect.remember`)."""
        self.over = False
        """The agent has ended; what its left-overs still ask for is neither answered nor written down."""

    def struck(self, fault: str, call: Call, *, changed: bool) -> Callable[[], None]:
        """Note that a fault acted on an attempt, and whether the agent can tell. What is returned takes the latter back."""
        now = self.now()
        strike, event = len(self.strikes), len(self.events)
        self.strikes.append(Struck(fault, call.point, call.attempt, now, changed))
        self.events.append(FaultStruck(now, fault, call.point, call.attempt, changed))

        def unseen() -> None:
            self.strikes[strike] = dataclasses.replace(self.strikes[strike], changed=False)
            self.events[event] = FaultStruck(now, fault, call.point, call.attempt, changed=False)

        return unseen

    def fail(self, sentence: str) -> None:
        """The lab cannot go on: stop the run as its own failure."""
        self.problems.append(sentence)
        self.stop(LabFailure(sentence))
