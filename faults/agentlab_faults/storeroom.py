"""The stores' side of a run: every attempt at a command comes here, and the schedule's fault is picked for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from agentlab_faults.calls import Call
from agentlab_faults.fault import BreaksStore, StoreCall, StoreStrike
from agentlab_faults.injector import Target
from agentlab_faults.journal import StoreAnswered, StoreAsked
from agentlab_faults.points import Point
from agentlab_faults.run import Run
from agentlab_faults.sim.active import is_leftover
from agentlab_faults.sim.real import get_ident
from agentlab_faults.stores.commands import masked
from agentlab_faults.stores.hub import End, Operation
from agentlab_faults.stores.serving import in_memory

__all__ = ["Storeroom"]

_KIND = "redis"


@dataclass(slots=True, eq=False)
class _Attempt:
    """One attempt at a command."""

    run: Run
    call: Call
    serial: int
    strike: StoreStrike | None = None
    fault: str = ""

    def struck(self, *, changed: bool) -> None:
        """The fault has acted."""
        self.run.struck(self.fault, self.call, changed=changed)

    def ended(self, end: End, detail: str = "", *, spoiled: bool = False) -> None:
        """Write down how the attempt ended; after a reply that nobody spoiled, the next equal command is a new call."""
        run, call = self.run, self.call
        if run.over:
            return
        if end in ("delivered", "error") and not spoiled:
            run.calls.done(call)
        run.events.append(StoreAnswered(run.now(), self.serial, call.point, call.attempt, end, detail, self.fault))


class Storeroom:
    """Watcher of the stores' hub for one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._thread = get_ident()
        self._serial = 0
        store = run.setup.stores.get(_KIND)
        self.server = in_memory(store.data) if store is not None and store.body == "fake" else None

    def begin(self, operation: Operation, address: str) -> _Attempt | None:
        """Place an attempt at a command, and pick its fault; None after the run. A thread that an earlier run left behind is refused."""
        run = self._run
        if is_leftover():
            raise ConnectionRefusedError("The run that started this thread is over, and so is its store.")
        if run.over:
            return None
        if get_ident() != self._thread:
            name = threading.current_thread().name
            run.problems.append(
                f"The agent used its store from a real thread ({name}), which is not in virtual time; use asyncio.to_thread."
            )
            return None
        self._serial += 1
        command = operation.command
        call = run.calls.place(f"{_KIND}.{command}", operation.fingerprint)
        run.points.setdefault(
            call.point, Point(call.point, "store", command, call.n, host=address, effect=operation.effect, method=command)
        )
        run.events.append(StoreAsked(run.now(), self._serial, command, masked(operation.key), call.point, call.attempt))
        attempt = _Attempt(run, call, self._serial)
        target = Target("store", call.point, call.attempt, run.now(), host=address, effect=operation.effect, method=command)
        injection = run.injector.pick(target)
        if injection is not None and isinstance(injection.fault, BreaksStore):
            attempt.fault = injection.fault.row.id
            attempt.strike = self._strike(injection.fault, StoreCall(command, operation.arguments, operation.key, call.attempt))
        return attempt

    def _strike(self, fault: BreaksStore, call: StoreCall) -> StoreStrike | None:
        try:
            return fault.strike(call)
        except Exception as error:  # noqa: BLE001 - what breaks in a fault is the lab's failure and must not pass for the store's
            self._run.fail(f"The lab failed at {_KIND}.{call.command} under {fault.row.id}: {type(error).__name__}: {error}")
            return None
