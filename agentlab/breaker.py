"""Circuit breakers: a dependency that fails again and again is left alone, then tried by exactly one probe at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agentlab.errors import BreakerOpenError

__all__ = ["Breaker", "BreakerPolicy", "BreakerState", "Permit"]

BreakerState = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens and closes: consecutive `failures` to open, seconds until a probe (`reset`), `successes` of probes to close."""

    failures: int = 4
    reset: float = 30.0
    successes: int = 1


class Breaker:
    """The circuit breaker of one dependency (`llm:gpt-4o-mini`, `tool:refund`), in this process.

    Every call asks for a `Permit` first and then tells it how the call ended. Only failures of the dependency itself are failures: the
    caller calls `Permit.release` for everything else (a bad request, its own cancelled call, its own full pool).
    """

    def __init__(
        self, name: str, policy: BreakerPolicy | None = None, on_change: Callable[[str, BreakerState], None] | None = None
    ) -> None:
        self.name = name
        self.policy = policy or BreakerPolicy()
        self._on_change = on_change
        self._state: BreakerState = "closed"
        self._failures = 0
        self._successes = 0
        self._until = 0.0
        self._probe: Permit | None = None

    def __repr__(self) -> str:
        return f"<Breaker {self.name} {self.state}>"

    @property
    def state(self) -> BreakerState:
        """`open` until its reset time has passed, then `half_open` until enough probes succeeded."""
        if self._state == "open" and time.monotonic() >= self._until:
            return "half_open"
        return self._state

    @property
    def admits(self) -> bool:
        """Whether `admit` would let a call through now."""
        state = self.state
        return state == "closed" or (state == "half_open" and self._probe is None)

    @property
    def refusal(self) -> BreakerOpenError:
        """What `admit` raises when it lets no call through."""
        return BreakerOpenError(self.name, self._until - time.monotonic())

    def admit(self) -> Permit:
        """A permit for one call. Raises BreakerOpenError while the dependency is left alone or another probe is under way."""
        if not self.admits:
            raise self.refusal
        permit = Permit(self)
        if self.state == "half_open":
            self._change("half_open")
            self._probe = permit
        return permit

    def trip(self, seconds: float = 0.0) -> None:
        """Open now, for the reset time or `seconds`, whichever is longer: the dependency said itself that it is down."""
        self._until = time.monotonic() + max(self.policy.reset, seconds)
        self._failures = self._successes = 0
        self._change("open")

    def _change(self, state: BreakerState) -> None:
        if state != self._state:
            self._state = state
            if self._on_change:
                self._on_change(self.name, state)

    def _succeeded(self, permit: Permit) -> None:
        if self._was_probe(permit):
            self._successes += 1
            if self._successes >= self.policy.successes:
                self._failures = self._successes = 0
                self._change("closed")
        elif self._state == "closed":
            self._failures = 0

    def _failed(self, permit: Permit) -> None:
        if self._was_probe(permit):
            self.trip()
        elif self._state == "closed":
            self._failures += 1
            if self._failures >= self.policy.failures:
                self.trip()

    def _released(self, permit: Permit) -> None:
        self._was_probe(permit)

    def _was_probe(self, permit: Permit) -> bool:
        """Whether the ended call was the probe, and one that still counts; either way there is room for the next."""
        if self._probe is not permit:
            return False
        self._probe = None
        return self._state == "half_open"


class Permit:
    """Leave for one call; only the first ending that it is told counts."""

    __slots__ = ("_breaker", "_used")

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._used = False

    def succeed(self) -> None:
        """The dependency answered."""
        if self._use():
            self._breaker._succeeded(self)

    def fail(self) -> None:
        """The dependency failed."""
        if self._use():
            self._breaker._failed(self)

    def release(self) -> None:
        """The call ended in a way that says nothing about the dependency."""
        if self._use():
            self._breaker._released(self)

    def _use(self) -> bool:
        fresh, self._used = not self._used, True
        return fresh
