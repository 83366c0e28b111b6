"""Threads of pools as greenlets: `to_thread`, `run_in_executor`, `ThreadPoolExecutor`, anyio's worker threads and `threading.Timer`.

A thread that does nothing but run a loop of the simulation (`Thread(target=loop.run_forever)`) is one too.

On the lab's thread only, and while a simulation is active. Every other thread that code starts there stays a real one, in real time, and
is noted.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.thread import BrokenThreadPool
from typing import Any, Final
from weakref import WeakKeyDictionary

from greenlet import GreenletExit

from agentlab_faults.sim.active import LAB, hub_here
from agentlab_faults.sim.errors import SimulationEnded
from agentlab_faults.sim.foreign import inherit
from agentlab_faults.sim.hub import Hub
from agentlab_faults.sim.loop import VirtualLoop
from agentlab_faults.sim.waiter import Waiter

__all__ = ["install"]

_BROKEN: Final = "A thread initializer failed, the thread pool is not usable anymore"
_GREEN_KINDS: Final = frozenset({("anyio._backends._asyncio", "WorkerThread"), ("threading", "Timer")})
"""Classes of threads that live in virtual time, by module and name: none of the modules is imported for it."""
_GREEN_TARGETS: Final = frozenset({"agentlab.threads", "anyio.from_thread"})
"""Modules whose plain threads do too: anyio's blocking portals, and the blocking tools of our own runtime."""


class _Pool:
    """What stands in for one executor's threads: at most as many workers, gone when there is nothing to do."""

    def __init__(self, hub: Hub, executor: ThreadPoolExecutor) -> None:
        self.hub = hub
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._workers = 0
        self._limit: int = executor._max_workers
        self._name: str = getattr(executor, "_thread_name_prefix", "") or "ThreadPoolExecutor"
        self._prepare = _initializer(executor)
        self._broken = False
        self._waiting: list[Waiter] = []

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Have `call` run by a worker as soon as one is free."""
        if self._broken:
            raise BrokenThreadPool(_BROKEN)
        future: Future[Any] = Future()
        self._jobs.append((future, call))
        if self._workers < self._limit:
            self._workers += 1
            self.hub.spawn(self._work, threading.Thread(name=f"{self._name}_{self._workers - 1}"))
        return future

    def cancel(self) -> None:
        """Cancel what has not begun."""
        while self._jobs:
            self._jobs.popleft()[0].cancel()

    def join(self) -> None:
        """Wait until all work is done."""
        while self._workers or self._jobs:
            waiter = Waiter()
            self._waiting.append(waiter)
            self.hub.wait(waiter)

    def _work(self) -> None:
        try:
            self._begin()
            while self._jobs:
                _run(*self._jobs.popleft())
        finally:
            self._workers -= 1
            for waiter in self._waiting:
                self.hub.wake(waiter)
            self._waiting.clear()

    def _begin(self) -> None:
        try:
            self._prepare()
        except Exception:  # noqa: BLE001 - as a real pool: it is broken from now on, and each job says so
            self._broken = True
            while self._jobs:
                self._jobs.popleft()[0].set_exception(BrokenThreadPool(_BROKEN))


def _initializer(executor: ThreadPoolExecutor) -> Callable[[], object]:
    """What a new thread of the executor does first; 3.14 keeps it in a context of its own."""
    make_context: Callable[[], Any] | None = getattr(executor, "_create_worker_context", None)
    if make_context is not None:
        prepare: Callable[[], object] = make_context().initialize
        return prepare
    function: Callable[..., object] | None = getattr(executor, "_initializer", None)
    return functools.partial(function, *getattr(executor, "_initargs", ())) if function is not None else lambda: None


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except (GreenletExit, KeyboardInterrupt, SimulationEnded):
        raise
    except BaseException as error:  # noqa: BLE001 - as a real pool: whatever the call raises is the future's
        future.set_exception(error)
    else:
        future.set_result(result)


def install() -> None:
    """Patch executors and threads; once per process."""
    _patch_executor()
    _patch_thread()
    _patch_other_loops()


def _patch_executor() -> None:
    pools: WeakKeyDictionary[ThreadPoolExecutor, _Pool] = WeakKeyDictionary()
    real_submit, real_shutdown = ThreadPoolExecutor.submit, ThreadPoolExecutor.shutdown

    def pool_of(executor: ThreadPoolExecutor) -> _Pool | None:
        """None where threads are real: on other threads, and for pools of interpreters."""
        hub = hub_here()
        if hub is None or type(executor).__name__ == "InterpreterPoolExecutor":
            return None
        pool = pools.get(executor)
        if pool is None or pool.hub is not hub:
            pool = pools[executor] = _Pool(hub, executor)
        return pool

    def submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        pool = pool_of(self)
        if pool is None:
            return real_submit(self, fn, *args, **kwargs)
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        return pool.submit(functools.partial(fn, *args, **kwargs))

    def shutdown(self: ThreadPoolExecutor, wait: bool = True, *, cancel_futures: bool = False) -> None:
        real_shutdown(self, wait, cancel_futures=cancel_futures)
        pool = pool_of(self)
        if pool is not None and cancel_futures:
            pool.cancel()
        if pool is not None and wait:
            pool.join()

    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign,assignment]
    ThreadPoolExecutor.shutdown = shutdown  # type: ignore[method-assign,assignment]


def _patch_thread() -> None:
    real_start = threading.Thread.start

    def start(self: threading.Thread) -> None:
        hub = hub_here()
        if hub is None:
            inherit(self)
            real_start(self)
        elif _is_green(self):
            _start_green(hub, self)
        else:
            with LAB.paused():
                real_start(self)
            hub.foreign.note(self)

    threading.Thread.start = start  # type: ignore[method-assign]


def _is_green(thread: threading.Thread) -> bool:
    kind, target = type(thread), getattr(thread, "_target", None)
    if isinstance(getattr(target, "__self__", None), VirtualLoop):
        return True
    return (kind.__module__, kind.__name__) in _GREEN_KINDS or getattr(target, "__module__", None) in _GREEN_TARGETS


def _start_green(hub: Hub, thread: threading.Thread) -> None:
    finished = threading.Event()

    def run() -> None:
        try:
            thread.run()
        finally:
            finished.set()

    def join(timeout: float | None = None) -> None:
        finished.wait(timeout)

    thread.join = join  # type: ignore[method-assign]
    thread.is_alive = lambda: not finished.is_set()  # type: ignore[method-assign]
    hub.spawn(run, thread)


def _patch_other_loops() -> None:
    """Work handed to a loop that runs in a real thread: an answer may come from there."""
    original = asyncio.BaseEventLoop.call_soon_threadsafe

    def call_soon_threadsafe(
        self: asyncio.BaseEventLoop, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        hub = hub_here()
        if hub is not None and self not in hub.loops:
            thread = next((t for t in threading.enumerate() if t.ident == self._thread_id), None)  # type: ignore[attr-defined]
            if thread is not None:
                hub.foreign.note(thread)
        return original(self, callback, *args, context=context)

    asyncio.BaseEventLoop.call_soon_threadsafe = call_soon_threadsafe  # type: ignore[method-assign,assignment]
