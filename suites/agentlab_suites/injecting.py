"""Faults over a test's own code: a handler for the interceptor that breaks what it is told to, and lets everything else through."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from agentlab_faults import intercept
from agentlab_faults.calls import Call
from agentlab_faults.dialects import DIALECTS
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.fault import Replaces, Spoils
from agentlab_faults.hurrying import hurried
from agentlab_faults.injector import Target
from agentlab_faults.intercept import OnEnd, classify
from agentlab_faults.played import Setup, Tool
from agentlab_faults.points import Point
from agentlab_faults.reading import Reading, reading
from agentlab_faults.run import Run
from agentlab_faults.schedule import Injection, Schedule
from agentlab_faults.serving import EPOCH, Good, serve
from agentlab_faults.sim import Simulation
from agentlab_faults.tokens import token_answer
from agentlab_faults.tools import adapt_frameworks, hub
from agentlab_faults.workshop import Workshop

__all__ = ["AnyTool", "injecting"]


class AnyTool(dict[str, Tool]):
    """Tools that nobody declared: they run for real, and count as writes."""

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ARG002  # the mapping's own signature
        """The tool of that name."""
        return self.setdefault(name, Tool(name=name, effect="write", body="real"))


@contextlib.contextmanager
def injecting(setup: Setup, schedule: Schedule, *, scripted: bool, virtual: bool, seed: int = 0) -> Iterator[Run]:
    """Break what `schedule` says while the block lasts.

    What no fault strikes is answered by the script if there is one (`scripted`), else by whatever answers without us: a mock of the test's
    own, or the network. With `virtual`, time is virtual in the block; without (the test has a loop of its own), waits are skipped.
    """
    intercept.install()
    adapt_frameworks()
    simulation = Simulation(seed=seed, cap=setup.deadline, watchdog=setup.watchdog) if virtual else None
    began = time.monotonic()
    stop: Callable[[BaseException], None] = simulation.stop if simulation else _raise
    run = Run(setup, schedule, None, (lambda: simulation.now) if simulation else (lambda: time.monotonic() - began), stop, seed=seed)
    with (
        intercept.armed(_Handler(run, scripted=scripted, hurry=not virtual), mocks="inject", allow_hosts=setup.allow_hosts) as watch,
        hub.executing(Workshop(run)),
        simulation or contextlib.nullcontext(),
    ):
        yield run
    if watch.escaped:
        run.problems.append(f"the code reached the network ({', '.join(sorted(set(watch.escaped)))}); mock it, or give a script")


def _raise(reason: BaseException) -> None:
    raise reason


class _Handler:
    def __init__(self, run: Run, *, scripted: bool, hurry: bool) -> None:
        self._run = run
        self._scripted = scripted
        self._hurry = hurry
        self._serial = 0

    def __call__(self, request: WireRequest) -> tuple[Exchange, OnEnd | None] | None:
        endpoint = classify(request)
        if self._scripted and endpoint is not None and endpoint.api == "oauth.token":
            token = token_answer(EPOCH + self._run.now())
            return (hurried(token, request.timeouts) if self._hurry else token), None
        dialect = DIALECTS.get(endpoint.api) if endpoint is not None and endpoint.kind == "provider" else None
        if dialect is None:
            return None
        run = self._run
        read = reading(dialect, request.body, run.memory)
        body = read.body
        call = run.calls.place(dialect.api, read.fingerprint)
        key = hashlib.sha256(dialect.key(request).encode()).hexdigest()[:12]
        run.points.setdefault(call.point, Point(call.point, "llm", dialect.api, call.n, request.host))
        model = dialect.model(request, body)
        target = Target("llm", call.point, call.attempt, run.now(), host=request.host, model=model, key=key)
        exchange, good = self._answer(request, read, call, run.injector.pick(target))
        if exchange is None:
            return None

        def ended(end: str) -> None:
            if end == "delivered" and exchange.status == 200:
                dialect.remember(exchange.content, body, run.memory)
            if good and end == "delivered":
                run.calls.done(call)

        return (hurried(exchange, request.timeouts) if self._hurry else exchange), ended

    def _answer(self, request: WireRequest, read: Reading, call: Call, injection: Injection | None) -> tuple[Exchange | None, bool]:
        """(exchange, whether it is a good one). No exchange: somebody else answers."""
        run = self._run
        if injection is not None and isinstance(fault := injection.fault, Replaces):
            run.struck(fault.row.id, call, changed=True)
            return fault.answer(request), False
        if injection is not None and isinstance(fault := injection.fault, Spoils):
            good = self._served(request, read)
            if fault.row.acts_on(read.dialect.api, calls_tools=bool(good.answer.calls), streamed=good.streams):
                spoiled = good.spoiled(fault, injection.chunk)
                run.struck(fault.row.id, call, changed=spoiled != good.exchange)
                return spoiled, False
        return (self._served(request, read).exchange, True) if self._scripted else (None, True)

    def _served(self, request: WireRequest, read: Reading) -> Good:
        self._serial += 1
        return serve(self._run.model, read.asked(), read, request, serial=self._serial, created=EPOCH)
