"""An asyncio event loop in virtual time: with nothing ready, its selector waits on the hub instead of in the kernel."""

from __future__ import annotations

import asyncio
import itertools
import selectors
import threading
import warnings
from asyncio import futures
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from agentlab_faults.sim import real
from agentlab_faults.sim.errors import SimulationEnded
from agentlab_faults.sim.waiter import Waiter

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike
    from typing_extensions import override

    from agentlab_faults.sim.hub import Hub
else:

    def override(method: Any) -> Any:
        """As typing's own since 3.12."""
        return method


__all__ = ["VirtualLoop"]

_Events = list[tuple[selectors.SelectorKey, int]]
_SLEEP_IS_OVER: Final = futures._set_result_unless_cancelled  # type: ignore[attr-defined]
"""What `asyncio.sleep` asks a loop to call: how a sleep is told from other timers."""


_DEFAULT_WORKERS: Final = 32
"""asyncio's own upper bound: it takes the number of processors plus 4 where that is less."""


class _Selector(selectors.BaseSelector):
    """Jumps to the loop's next timer. A kernel selector is made only for a loop that watches real descriptors."""

    def __init__(self) -> None:
        self.loop: VirtualLoop
        self._kernel: selectors.BaseSelector | None = None

    @override
    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        if self._kernel is None:
            self._kernel = selectors.DefaultSelector()
            self.loop.hub.foreign.watch(self)
        return self._kernel.register(fileobj, events, data)

    @override
    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        if self._kernel is None:
            raise KeyError(f"{fileobj!r} is not registered")
        return self._kernel.unregister(fileobj)

    @override
    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return {} if self._kernel is None else self._kernel.get_map()

    @override
    def close(self) -> None:
        if self._kernel is not None:
            self.loop.hub.foreign.descriptors.remove(self)
            self._kernel.close()
            self._kernel = None

    @override
    def select(self, timeout: float | None = None) -> _Events:
        loop = self.loop
        if timeout == 0:
            loop.hub.take_turns(loop.waiter)
            return self._ready()
        found = self._ready()
        if not found:
            loop.hub.wait(loop.waiter, loop.next_timer_ns())
            found = self._ready()
        return found

    def look(self, seconds: float) -> bool:
        """Wait real `seconds` for a descriptor; True if one is ready and the loop is woken."""
        kernel = self._kernel
        if kernel is None or not self._is_watching() or not kernel.select(seconds):
            return False
        self.loop.hub.wake(self.loop.waiter)
        return True

    @property
    def holds(self) -> bool:
        """True while the loop does nothing but wait for an answer that time must not overtake."""
        loop = self.loop
        if not loop.answers_due or not self._is_watching() or any(one.listens for one in loop.hub.loops):
            return False
        return real.monotonic() < max(loop.answers_due)

    def _is_watching(self) -> bool:
        return self.loop.waiter.parked and bool(self.get_map())

    def _ready(self) -> _Events:
        return [] if self._kernel is None else self._kernel.select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on the hub's clock. It may run in any greenlet of the simulation."""

    _default_executor: ThreadPoolExecutor | None

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.waiter = Waiter(of_loop=True)
        self.answers_due: list[float] = []
        """For each wait for an answer from a real descriptor that time must not overtake: the real moment from which it may."""
        self._listening = 0
        self._names = itertools.count(1)
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-9

    @override
    def time(self) -> float:
        """Virtual `time.monotonic()`."""
        return self.hub.clock.monotonic()

    def next_timer_ns(self) -> int | None:
        """The moment of the earliest timer; None if there is none."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return self.hub.clock.at(scheduled[0].when()) if scheduled else None

    @override
    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        if callback is _SLEEP_IS_OVER and self.hub.on_sleep is not None:
            self.hub.on_sleep(self.hub.clock.now_ns, self.hub.clock.at(when))
        return super().call_at(when, callback, *args, context=context)

    @override
    def create_task(self, coro: Any, *, name: object = None, **options: Any) -> asyncio.Task[Any]:
        """As asyncio's, but tasks without a name are numbered per loop and not per process."""
        return super().create_task(coro, name=f"Task-{next(self._names)}" if name is None else name, **options)

    @override
    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """As asyncio's, but a task that the end of the simulation hit is no error of the code."""
        error = context.get("exception")
        if error is None or (error is not self.hub.reason and not isinstance(error, SimulationEnded)):
            super().call_exception_handler(context)

    @override
    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """As asyncio's; the default executor's size does not depend on the machine's processors."""
        if executor is None and self._default_executor is None:
            self._default_executor = ThreadPoolExecutor(_DEFAULT_WORKERS, thread_name_prefix="asyncio")
        return super().run_in_executor(executor, func, *args)

    @override
    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's signature
        """Wait for the default executor's workers, at most virtual `timeout` seconds."""
        self._executor_shutdown_called = True
        executor = self._default_executor
        if executor is None:
            return
        done = self.create_future()

        def shut_down() -> None:
            executor.shutdown(wait=True)
            if not self.is_closed():
                self.call_soon_threadsafe(futures._set_result_unless_cancelled, done, None)  # type: ignore[attr-defined]

        self.hub.spawn(shut_down, threading.Thread(name="asyncio_shutdown"))
        try:
            async with asyncio.timeout(timeout):
                await done
        except TimeoutError:
            warnings.warn(f"The executor did not finish joining its threads within {timeout} seconds.", RuntimeWarning, stacklevel=2)
            executor.shutdown(wait=False)

    @property
    def listens(self) -> bool:
        """True while a server of this loop takes connections."""
        return self._listening > 0 and not self.is_closed()

    def _start_serving(self, *args: Any, **options: Any) -> None:
        self._listening += 1
        super()._start_serving(*args, **options)  # type: ignore[misc]  # asyncio's own: it has no type

    def _stop_serving(self, sock: Any) -> None:
        self._listening -= 1
        super()._stop_serving(sock)  # type: ignore[misc]  # the same

    @override
    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]
        if self._ssock is None:
            super()._make_self_pipe()  # type: ignore[misc]
        super().add_signal_handler(sig, callback, *args)

    def _make_self_pipe(self) -> None:
        """None until a signal handler needs it: wake-ups go through the hub."""
        self._ssock: Any = None
        self._csock: Any = None

    def _close_self_pipe(self) -> None:
        if self._ssock is not None:
            super()._close_self_pipe()  # type: ignore[misc]

    def _write_to_self(self) -> None:
        self.hub.wake(self.waiter)
