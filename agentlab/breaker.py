"""Circuit breakers: a dependency that fails again and again is left alone, then tried by exactly one probe at a time."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agentlab.errors import BreakerOpenError

__all__ = ["Breaker", "BreakerPolicy", "BreakerState", "Known", "Permit", "SharedBreakers", "Wish"]

BreakerState = Literal["closed", "open", "half_open"]

Wish = Literal["admit", "succeed", "fail", "release", "trip"]
"""What a worker asks of shared state."""

PROBE_SECONDS = 60.0
"""How long a probe may be out if its caller does not say."""


@dataclass(frozen=True, slots=True)
class Known:
    """A breaker as shared state has it: whether the call was admitted, and seconds until the next probe while it is open."""

    admitted: bool
    state: BreakerState
    seconds: float
    failures: int
    successes: int


class SharedBreakers(Protocol):
    """State that several workers share (`agentlab.RedisBreakers`)."""

    async def ask(self, name: str, policy: BreakerPolicy, wish: Wish, token: str, seconds: float) -> Known | None:
        """Carry out one wish, atomically. None if the state cannot be reached now."""


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens and closes: consecutive `failures` to open, seconds until a probe (`reset`), `successes` of probes to close.

    With `shared` the state is that of all workers that share it; without, and while it is away, it is this process's own.
    """

    failures: int = 4
    reset: float = 30.0
    successes: int = 1
    shared: SharedBreakers | None = field(default=None, compare=False)


class Breaker:
    """The circuit breaker of one dependency (`llm:gpt-4o-mini`, `tool:refund`).

    Every call asks for a `Permit` first and then tells it how the call ended. Only failures of the dependency itself are failures: the
    caller calls `Permit.release` for everything else (a bad request, its own cancelled call, its own full pool).

    >>> import asyncio
    >>> async def call_twice(breaker: Breaker) -> None:
    ...     permit = await breaker.admit()
    ...     await permit.fail()
    ...     await breaker.admit()
    >>> asyncio.run(call_twice(Breaker("tool:crm", BreakerPolicy(failures=1, reset=30))))
    Traceback (most recent call last):
    agentlab.errors.BreakerOpenError: tool:crm failed and is left alone for another 30 s
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
        """`open` until its reset time has passed, then `half_open` until enough probes succeeded; as far as this process knows."""
        if self._state == "open" and time.monotonic() >= self._until:
            return "half_open"
        return self._state

    @property
    def admits(self) -> bool:
        """Whether `admit` would let a call through now, as far as this process knows."""
        state = self.state
        return state == "closed" or (state == "half_open" and self._probe is None)

    @property
    def refusal(self) -> BreakerOpenError:
        """What `admit` raises when it lets no call through."""
        return BreakerOpenError(self.name, self._until - time.monotonic())

    async def admit(self, at_most: float = PROBE_SECONDS) -> Permit:
        """A permit for one call that ends within `at_most` seconds: a probe whose worker died blocks the others no longer than that.

        Raises BreakerOpenError while the dependency is left alone or another probe is under way.
        """
        permit = Permit(self)
        known = await self._ask("admit", permit, at_most)
        if known is not None:
            if not known.admitted:
                raise BreakerOpenError(self.name, known.seconds)
        elif not self.admits:
            raise self.refusal
        if self.state == "half_open":
            self._change("half_open")
            self._probe = permit
        return permit

    async def trip(self, seconds: float = 0.0) -> None:
        """Open now, for the reset time or `seconds`, whichever is longer: the dependency said itself that it is down."""
        if await self._ask("trip", None, seconds) is None:
            self._open(seconds)

    def _open(self, seconds: float = 0.0) -> None:
        self._until = max(self._until, time.monotonic() + max(self.policy.reset, seconds))
        self._failures = self._successes = 0
        self._change("open")

    def _change(self, state: BreakerState) -> None:
        if state != self._state:
            self._state = state
            if self._on_change:
                self._on_change(self.name, state)

    async def _ask(self, wish: Wish, permit: Permit | None, seconds: float = 0.0) -> Known | None:
        """What shared state says, which is then what this process knows; None without shared state, or while it is away."""
        if self.policy.shared is None:
            return None
        known = await self.policy.shared.ask(self.name, self.policy, wish, permit.token if permit else "", seconds)
        if known is not None:
            self._until = time.monotonic() + known.seconds
            self._failures, self._successes = known.failures, known.successes
            self._change(known.state)
        return known

    async def _ended(self, permit: Permit, wish: Literal["succeed", "fail", "release"]) -> None:
        probe = self._probe is permit
        if probe:
            self._probe = None  # before anything is awaited: a caller that goes away meanwhile leaves no probe behind
        known = await self._ask(wish, permit)
        if known is not None:
            return
        if wish == "succeed":
            self._succeeded(probe=probe)
        elif wish == "fail":
            self._failed(probe=probe)

    def _succeeded(self, *, probe: bool) -> None:
        if probe and self._state == "half_open":
            self._successes += 1
            if self._successes >= self.policy.successes:
                self._failures = self._successes = 0
                self._change("closed")
        elif self._state == "closed":
            self._failures = 0

    def _failed(self, *, probe: bool) -> None:
        if probe and self._state == "half_open":
            self._open()
        elif self._state == "closed":
            self._failures += 1
            if self._failures >= self.policy.failures:
                self._open()


class Permit:
    """Leave for one call; only the first ending that it is told counts."""

    __slots__ = ("_breaker", "_used", "token")

    def __init__(self, breaker: Breaker) -> None:
        self.token = uuid.uuid4().hex if breaker.policy.shared else ""
        self._breaker = breaker
        self._used = False

    async def succeed(self) -> None:
        """The dependency answered."""
        if self._use():
            await self._breaker._ended(self, "succeed")

    async def fail(self) -> None:
        """The dependency failed."""
        if self._use():
            await self._breaker._ended(self, "fail")

    async def release(self) -> None:
        """The call ended in a way that says nothing about the dependency."""
        if self._use():
            await self._breaker._ended(self, "release")

    def _use(self) -> bool:
        fresh, self._used = not self._used, True
        return fresh
