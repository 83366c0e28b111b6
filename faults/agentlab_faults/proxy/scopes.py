"""Scopes: parallel tests share one server and do not meet, each with its own script, faults, numbers and log."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from agentlab_faults.cassette.take import Take
from agentlab_faults.dialects.limits import Limits
from agentlab_faults.played import Setup
from agentlab_faults.provider import Provider
from agentlab_faults.proxy.conduct import Blow, Conduct, Entry
from agentlab_faults.proxy.plan import NOTHING, Dealer, Plan
from agentlab_faults.run import Run
from agentlab_faults.schedule import FAULT_FREE
from agentlab_faults.script import ScriptSpec
from agentlab_faults.script.conversations import Conversations
from agentlab_faults.sim.real import monotonic

__all__ = ["HEADER", "Scope", "Scopes"]

HEADER: Final = "x-agentlab-scope"
_MOST: Final = 1000
"""Scopes that are remembered; the one that was used longest ago is forgotten first."""
_LOG: Final = 2000
"""Entries that are kept for those who ask later."""
_EVENTS: Final = 20_000
"""Events of a scope that are held at most while it is busy; they are dropped when nothing is under way."""


class Scope:
    """One app, or one test, as the server sees it."""

    def __init__(self, name: str, setup: Setup, dealer: Dealer, now: Callable[[], float]) -> None:
        self.name = name
        self.plan: Plan | None = None
        """Its own plan; None follows the server's."""
        self.run = Run(setup, FAULT_FREE, None, now, lambda _: None)
        self.run.model = Conversations(setup.scripts)
        self.dealer = dealer
        self.provider = Provider(self.run)
        self.conduct = Conduct(name)
        self.open = 0
        """Requests that are being answered."""
        self._read = 0

    @property
    def dealer(self) -> Dealer:
        """Deals its faults out."""
        return self._dealer

    @dealer.setter
    def dealer(self, dealer: Dealer) -> None:
        self.run.injector = self._dealer = dealer

    def news(self) -> list[Entry]:
        """What there is to say of the events since the last time."""
        events, self._read = self.run.events[self._read :], len(self.run.events)
        if self.open == 0 and self._read > _EVENTS:
            self._forget_events()
        return [entry for event in events for entry in self.conduct.feed(event)]

    def _forget_events(self) -> None:
        """Drop what has been told: a server may run for days. Nothing under way refers to it."""
        self.run.events.clear()
        self.run.strikes.clear()
        self.run.points.clear()
        self.provider.answers.clear()
        self._read = 0


class Scopes:
    """All scopes of a server, made as they are named. `tell` hears each entry of the log as it comes."""

    def __init__(
        self,
        *,
        plan: Plan = NOTHING,
        scripts: Sequence[ScriptSpec] = (),
        limits: Limits | None = None,
        cassette: Sequence[Take] | None = None,
        seed: int = 0,
        tell: Callable[[Entry], None] = lambda _: None,
        tls: bool = False,
    ) -> None:
        self.plan = plan
        self.paused = False
        self.tls = tls
        """Whether the server speaks TLS, so that handshakes can fail."""
        self.switched: Callable[[], None] = lambda: None
        """Hears that there is another plan."""
        self.log: deque[Entry] = deque(maxlen=_LOG)
        self._setup = Setup(scripts=tuple(scripts), limits=limits, cassette=None if cassette is None else tuple(cassette))
        self._seed, self._tell = seed, tell
        self._all: dict[str, Scope] = {}
        self._began = monotonic()

    def now(self) -> float:
        """Real seconds since the server began."""
        return monotonic() - self._began

    def of(self, name: str) -> Scope:
        """The scope of this name."""
        scope = self._all.pop(name, None)
        if scope is None:
            scope = Scope(name, self._setup, self._dealer(self.plan, name), self.now)
            if len(self._all) >= _MOST:
                del self._all[next(iter(self._all))]
        self._all[name] = scope
        return scope

    def _dealer(self, plan: Plan, name: str) -> Dealer:
        return Dealer(plan, random.Random(f"{self._seed}/{name}"), lambda: self.paused, doors=not name)  # noqa: S311 - chance that can be repeated

    def switch(self, plan: Plan | None, name: str | None = None) -> None:
        """Another plan: for one scope (None: the server's again), or for all that have none of their own."""
        if name is None:
            self.plan = plan or NOTHING
        else:
            self.of(name).plan = plan
        for scope in self._all.values():
            if (name is None and scope.plan is None) or scope.name == name:
                scope.dealer = self._dealer(scope.plan or self.plan, scope.name)
        self.switched()

    def forget(self, name: str) -> None:
        """Drop a scope with everything that it knew: the next request of that name starts afresh."""
        self._all.pop(name, None)

    def attend(self, scope: Scope) -> None:
        """Tell what is new in a scope."""
        for entry in scope.news():
            self.say(entry)

    def say(self, entry: Entry) -> None:
        """Put an entry into the log."""
        self.log.append(entry)
        self._tell(entry)

    def finish(self) -> None:
        """Tell what is left to say."""
        for scope in self._all.values():
            self.attend(scope)
            for entry in scope.conduct.finish(self.now()):
                self.say(entry)

    @property
    def all(self) -> list[Scope]:
        """Every scope that is remembered."""
        return list(self._all.values())

    @property
    def blows(self) -> list[Blow]:
        """Every strike, in order."""
        return sorted((blow for scope in self._all.values() for blow in scope.conduct.blows), key=lambda blow: blow.at)

    @property
    def problems(self) -> list[str]:
        """What the script was asked for and does not have, each once."""
        return list(dict.fromkeys(problem for scope in self._all.values() for problem in scope.run.problems))
