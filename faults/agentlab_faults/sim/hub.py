"""The hub: one lab thread, many greenlets, one clock.

Whatever runs in a simulation runs in a greenlet of the lab's thread: the code that entered the simulation in the *main* one, each
function that a thread pool would have run in a *worker*. Each blocks by waiting on the hub, for a wake-up or for a moment of virtual time.
The one that blocks looks for the next that can go on, moves the clock if there is none but one with a deadline, and switches straight to
it. Event loops are nothing special here: one with nothing to do waits on the hub from its selector, in whichever greenlet it runs.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from greenlet import GreenletExit, getcurrent, greenlet

from agentlab_faults.sim.clock import VirtualClock
from agentlab_faults.sim.contest import Contest
from agentlab_faults.sim.entropy import Entropy
from agentlab_faults.sim.errors import Deadlock, SimulationEnded
from agentlab_faults.sim.foreign import Foreign
from agentlab_faults.sim.loop import VirtualLoop
from agentlab_faults.sim.stacks import describe
from agentlab_faults.sim.surroundings import Surroundings
from agentlab_faults.sim.waiter import Waiter, Worker

__all__ = ["Hub"]

_IDLE_TURNS: Final = 10_000
"""Turns without time moving (`await asyncio.sleep(0)` and the like) after which time begins to move by itself."""
_IDLE_STEP_NS: Final = 1_000_000


class Hub:
    """The scheduler of one simulation. All of it runs on the lab's thread, except `wake`."""

    def __init__(self, clock: VirtualClock, entropy: Entropy) -> None:
        self.clock = clock
        self.entropy = entropy
        self.main = getcurrent()
        self.ending: BaseException | None = None
        """Why the simulation is over; raised in the main greenlet wherever it blocks."""
        self.reason: BaseException | None = None
        """The same, but kept while the simulation is taken down."""
        self.killing = False
        """True once workers are being taken down: they can no longer block."""
        self.closing = False
        """True once all is being taken down: the workers there are go on no more, but for the event loops that run in them."""
        self.workers: dict[Worker, None] = {}
        self.foreign = Foreign(self)
        self.loops: list[VirtualLoop] = []
        self.on_sleep: Callable[[int, int], None] | None = None
        """Told the start and end, in ns, of every sleep that code asks for."""
        self.contest = Contest(self)
        self._ready: deque[Waiter] = deque()
        self._timers: list[tuple[int, int, Waiter]] = []
        self._tickets = itertools.count(1)
        self._idle_turns = 0

    def begin(self) -> None:
        """The calling greenlet becomes the main one."""
        self.main = getcurrent()
        self.foreign.begin()

    def new_loop(self) -> VirtualLoop:
        """A loop on this hub's clock, closed at the end at the latest."""
        loop = VirtualLoop(self)
        self.loops.append(loop)
        return loop

    # -- blocking

    def wait(self, waiter: Waiter, deadline_ns: int | None = None) -> bool:
        """Block the calling greenlet until `waiter` is woken (True) or the clock is at `deadline_ns` (False).

        Raises what ended the simulation, in the main greenlet.
        """
        if self.ending is not None or self.closing:
            self.give_way(waiter)
        if waiter.woken:
            waiter.woken = False
            return True
        if deadline_ns is not None and not self._ready and not self.foreign.pending and not self.foreign.descriptors:
            first = self._first_timer()
            if first is None or deadline_ns < first:
                self._move(deadline_ns)
                if self.ending is not None:
                    self.give_way(waiter)
                return False
        return self._park(waiter, deadline_ns)

    def sleep(self, seconds: float) -> None:
        """Block the calling greenlet for virtual `seconds`."""
        deadline = self.clock.after(seconds)
        if self.on_sleep is not None:
            self.on_sleep(self.clock.now_ns, deadline)
        if deadline == self.clock.now_ns:
            self.idle_turn()
        self.wait(Waiter(), deadline)

    def wake(self, waiter: Waiter) -> None:
        """Let the waiter go on; from any thread."""
        if self.foreign.is_here():
            self._wake(waiter)
        else:
            self.foreign.post(waiter)

    def take_turns(self, waiter: Waiter) -> None:
        """Let every greenlet that is ready run before the caller, which is `waiter`'s, goes on."""
        if self.ending is not None or self.closing:
            self.give_way(waiter)
        if self.foreign.pending:
            self._take_in()
        if self._ready:
            self.wait(Waiter(of_loop=True), self.clock.now_ns)
        self.idle_turn()

    def idle_turn(self) -> None:
        """Count a turn in which time stands still; after very many of them time moves by itself, as it would have for real."""
        self._idle_turns += 1
        if self._idle_turns > _IDLE_TURNS:
            turns, self._idle_turns = self._idle_turns, 0
            self._move(self.clock.now_ns + _IDLE_STEP_NS)
            self._idle_turns = turns
            if self.ending is not None:
                self.give_way(Waiter())

    # -- workers

    def spawn(self, function: Callable[[], None], thread: threading.Thread) -> None:
        """Run `function` in a greenlet of its own as soon as the caller blocks; `thread` is what it finds as its current thread."""

        def body(*_: object) -> None:
            try:
                function()
            except GreenletExit:
                pass
            except (SimulationEnded, KeyboardInterrupt) as reason:
                self.end(reason)
            finally:
                worker.retire()
                self.workers.pop(worker, None)
                Surroundings()
            worker.parent = self.main if self.killing else self._next()

        worker = Worker(body, thread, self.main)
        self.workers[worker] = None
        start = Waiter()
        start.greenlet = worker
        start.parked = True
        self._wake(start)

    # -- the end

    def end(self, reason: BaseException) -> None:
        """The simulation is over because of `reason`: the first one counts."""
        if self.ending is None:
            self.ending = reason
            self.reason = self.reason or reason

    def give_way(self, waiter: Waiter) -> None:
        """If the simulation is over, the caller may not go on.

        The main greenlet gets the reason raised. A worker does not come back, unless `waiter` is an event loop's that is woken to clean up.
        """
        here = getcurrent()
        if here is self.main:
            self.raise_if_ended()
        elif self.killing:
            self._die(here)
        elif self.ending is not None or self._is_frozen(waiter, here):
            self._park(waiter, None)

    def freeze(self) -> None:
        """Nothing that runs in a worker now goes on, except event loops."""
        self.closing = True
        for worker in self.workers:
            worker.frozen = True
        self._ready = deque(waiter for waiter in self._ready if not self._is_frozen(waiter, waiter.greenlet))
        self._timers = [timer for timer in self._timers if not self._is_frozen(timer[2], timer[2].greenlet)]
        heapq.heapify(self._timers)

    def _is_frozen(self, waiter: Waiter, where: greenlet | None) -> bool:
        return isinstance(where, Worker) and where.frozen and not waiter.of_loop

    def _die(self, worker: greenlet) -> None:
        """A worker may clean up, but not block; one that goes on and on stands still for ever."""
        if isinstance(worker, Worker) and worker.may_die_again():
            raise GreenletExit
        self.main.switch()

    def raise_if_ended(self) -> None:
        """Raise what ended the simulation, if anything did."""
        if self.ending is not None:
            raise self.ending.with_traceback(None)

    # -- switching

    def _park(self, waiter: Waiter, deadline_ns: int | None) -> bool:
        waiter.greenlet = here = getcurrent()
        waiter.parked = True
        if deadline_ns is not None:
            waiter.ticket = ticket = next(self._tickets)
            heapq.heappush(self._timers, (deadline_ns, ticket, waiter))
        aside = Surroundings()
        try:
            following = self._next()
            if following is not here:
                following.switch()
        finally:
            aside.put_back()
            waiter.parked = False
            waiter.ticket = 0
        if here is self.main:
            self.raise_if_ended()
        woken, waiter.woken = waiter.woken, False
        return woken

    def _next(self) -> greenlet:
        """The greenlet that goes on: the first that is ready, else the one with the earliest deadline; the main one once all is over."""
        while self.ending is None:
            if self.foreign.pending:
                self._take_in()
            waiter = self._ready.popleft() if self._ready else self._next_in_time()
            if waiter is not None and waiter.greenlet is not None and not waiter.greenlet.dead:
                return waiter.greenlet
        return self.main

    def _next_in_time(self) -> Waiter | None:
        """Move the clock to the earliest deadline; the one who waited for it. None if a look at the ready ones is due first."""
        first = self._first_timer()
        if self.foreign.comes(idle=first is None) or self.ending is not None:
            return None
        if first is None:
            self.end(Deadlock("Nothing in the simulation can ever go on.\n" + describe(self)))
            return None
        waiter = heapq.heappop(self._timers)[2]
        self._move(first)
        if self.ending is not None:
            return None
        waiter.parked = False
        return waiter

    def _first_timer(self) -> int | None:
        timers = self._timers
        while timers:
            deadline, ticket, waiter = timers[0]
            if waiter.parked and waiter.ticket == ticket:
                return deadline
            heapq.heappop(timers)
        return None

    def _move(self, ns: int) -> None:
        if ns > self.clock.now_ns:
            self._idle_turns = 0
        try:
            self.clock.advance_to_ns(ns)
        except SimulationEnded as end:
            self.end(end)

    def _wake(self, waiter: Waiter) -> None:
        if self.closing and self._is_frozen(waiter, waiter.greenlet):
            return
        waiter.woken = True
        if waiter.parked:
            waiter.parked = False
            self._ready.append(waiter)

    def _take_in(self) -> None:
        for waiter in self.foreign.take():
            self._wake(waiter)
