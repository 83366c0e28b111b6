"""One simulation: enter it, and time is virtual on this thread until it is left."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from agentlab_faults.sim import entropy, exits, locks, loops, pools, reentrant, timepatch, waiter
from agentlab_faults.sim.active import LAB
from agentlab_faults.sim.clock import VirtualClock
from agentlab_faults.sim.drain import drain
from agentlab_faults.sim.entropy import Entropy
from agentlab_faults.sim.hub import Hub
from agentlab_faults.sim.loop import VirtualLoop
from agentlab_faults.sim.surroundings import Surroundings
from agentlab_faults.sim.watchdog import Watchdog

__all__ = ["Simulation"]


@functools.cache
def _install() -> None:
    timepatch.install()
    loops.install()
    pools.install()
    locks.install()
    reentrant.install()
    waiter.install()
    entropy.install()
    exits.install()


async def _outcome(value: Awaitable[Any]) -> Any:
    return await value


class Simulation:
    """A context in which time is virtual, threads of pools are greenlets and chance comes from a seed.

    `seed` decides all randomness; `cap` is in virtual seconds; `epoch` is the Unix time at the start; `watchdog` is in real seconds,
    None turns it off; `on_stuck` is called by a real thread if the code swallows even the watchdog (by default the process prints its
    stacks and exits with 3).

    Raises Deadlock, TimeCapReached, WatchdogFired or RealThreadWaits out of `settle`, or out of whatever synchronous code blocks.
    """

    def __init__(
        self,
        *,
        seed: int,
        cap: float,
        epoch: float = 1_700_000_000.0,
        watchdog: float | None = 30.0,
        on_stuck: Callable[[], None] | None = None,
    ) -> None:
        self.clock = VirtualClock(cap=cap, epoch=epoch)
        self.seed = seed
        self.leftovers: tuple[str, ...] = ()
        """Tasks and workers that resisted being taken down; known once the simulation is left."""
        self._hub = Hub(self.clock, Entropy(seed))
        self._watchdog = Watchdog(self._hub, watchdog, on_stuck)
        self._loop: VirtualLoop | None = None

    @property
    def on_sleep(self) -> Callable[[int, int], None] | None:
        """Called with start and end, in ns since the start, whenever code asks to sleep."""
        return self._hub.on_sleep

    @on_sleep.setter
    def on_sleep(self, listener: Callable[[int, int], None] | None) -> None:
        self._hub.on_sleep = listener

    @property
    def now(self) -> float:
        """Virtual seconds since the simulation began."""
        return self.clock.seconds

    @property
    def now_ns(self) -> int:
        """Virtual nanoseconds since the simulation began."""
        return self.clock.now_ns

    @property
    def ended(self) -> BaseException | None:
        """What ended the simulation before its code did, even if that swallowed it or made another exception of it."""
        return self._hub.reason

    @property
    def real_threads(self) -> tuple[str, ...]:
        """Names of the real threads that the code has started or handed work to: they are not in virtual time."""
        return tuple(self._hub.foreign.threads)

    @property
    def refusals(self) -> tuple[str, ...]:
        """What real threads wanted to do that they may not, as sentences."""
        return tuple(self._hub.foreign.refusals)

    @property
    def real_io(self) -> bool:
        """True if a loop watched a real file descriptor (a socket, a subprocess): what comes through it is not in virtual time."""
        return self._hub.foreign.real_io

    def __enter__(self) -> Self:
        if LAB.hub is not None:
            raise RuntimeError("A simulation is active already: there is one at a time in a process.")
        _install()
        self._hub.begin()
        self._outside = Surroundings()
        self._hub.entropy.begin()
        self._watchdog.arm()
        LAB.enter(self._hub)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        hub = self._running()
        now_ns, cap_ns = self.clock.now_ns, self.clock.cap_ns
        try:
            self._watchdog.restart()
            self.leftovers = drain(hub)
        finally:
            self._watchdog.disarm()
            LAB.leave()
            hub.entropy.end()
            self._loop = None
            self.clock.now_ns, self.clock.cap_ns = now_ns, cap_ns
            Surroundings()
            self._outside.put_back()

    def settle(self, value: Any) -> Any:
        """The value itself, or what the awaitable comes to on this simulation's one loop.

        Raises what the awaitable raises, and what ended the simulation.
        """
        hub = self._running()
        hub.raise_if_ended()
        self._watchdog.restart()
        if inspect.isawaitable(value):
            if self._loop is None:
                self._loop = hub.new_loop()
            try:
                value = self._loop.run_until_complete(value if inspect.iscoroutine(value) else _outcome(value))
            finally:
                hub.raise_if_ended()
        return value

    def stop(self, reason: BaseException) -> None:
        """End the simulation with `reason` as soon as the code gives way: out of the loop, or out of synchronous code's next blocking call.

        On the simulation's own thread only: RuntimeError elsewhere.
        """
        if not self._hub.foreign.is_here():
            raise RuntimeError("A simulation is stopped by the thread that entered it.")
        self._running().end(reason)

    def _running(self) -> Hub:
        if LAB.hub is not self._hub:
            raise RuntimeError("The simulation is not active: use it in a with statement.")
        return self._hub
