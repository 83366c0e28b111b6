"""The end of a simulation: whatever still runs in it is taken down, in bounded time, without noise."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Iterator
from typing import Any, Final

from greenlet import GreenletExit

from agentlab_faults.sim.clock import NS
from agentlab_faults.sim.errors import SimulationEnded
from agentlab_faults.sim.hub import Hub
from agentlab_faults.sim.loop import VirtualLoop
from agentlab_faults.sim.waiter import Waiter, Worker

__all__ = ["drain"]

_CLEANUP_NS: Final = 60 * NS
"""Virtual time that the code's own cleanup may take, per round."""
_ROUNDS: Final = 5
"""How often a task may shrug off its cancellation."""


def drain(hub: Hub) -> tuple[str, ...]:
    """Cancel all tasks, kill all workers, close all loops; the names of those who resisted."""
    if not hub.loops and not hub.workers:
        return ()
    hub.freeze()
    for _ in range(_ROUNDS):
        pending = list(_pending(hub))
        if not pending:
            break
        for task in pending:
            task.cancel()
        for loop in _open(hub):
            hub.wake(loop.waiter)
        _let_run(hub)
    resisting = [*_kill_workers(hub), *_give_up(hub)]
    for loop in _open(hub):
        _close(hub, loop)
    return tuple(resisting)


def _open(hub: Hub) -> list[VirtualLoop]:
    return [loop for loop in hub.loops if not loop.is_closed()]


def _pending(hub: Hub) -> Iterator[asyncio.Task[Any]]:
    """Of closed loops too: whoever closes a loop may leave tasks behind."""
    for loop in hub.loops:
        yield from asyncio.all_tasks(loop)


def _let_run(hub: Hub) -> None:
    """Let cancelled tasks clean up, the ones of loops that run in workers too."""
    _reopen(hub)
    try:
        for loop in _open(hub):
            tasks = asyncio.all_tasks(loop)
            if tasks and loop.is_running():
                _wait_for_worker(hub, tasks)
            elif tasks:
                _run_until(loop, _all_done(loop, tasks))
    except SimulationEnded:  # the cleanup got stuck as well: the next round, or the workers' end, deals with it
        return


def _wait_for_worker(hub: Hub, tasks: set[asyncio.Task[Any]]) -> None:
    waiter, left = Waiter(), len(tasks)

    def one_done(_: asyncio.Task[Any]) -> None:
        nonlocal left
        left -= 1
        if not left:
            hub.wake(waiter)

    for task in tasks:
        task.add_done_callback(one_done)
    hub.wait(waiter, hub.clock.now_ns + _CLEANUP_NS)


def _all_done(loop: VirtualLoop, tasks: set[asyncio.Task[Any]]) -> asyncio.Future[None]:
    """Done with the last of `tasks`; what they raise is nobody's business any more."""
    done, left = loop.create_future(), len(tasks)

    def one_done(task: asyncio.Task[Any]) -> None:
        nonlocal left
        left -= 1
        if not task.cancelled():
            task.exception()
        if not left:
            done.set_result(None)

    for task in tasks:
        task.add_done_callback(one_done)
    return done


def _run_until(loop: VirtualLoop, done: asyncio.Future[None]) -> None:
    """Run the loop until `done` is, whoever else has asked it to stop: a run that the watchdog broke off has, for one."""
    done.add_done_callback(lambda _: loop.stop())
    while not done.done():
        loop.run_forever()


def _reopen(hub: Hub) -> None:
    hub.ending = None
    hub.clock.cap_ns = max(hub.clock.cap_ns, hub.clock.now_ns + _CLEANUP_NS)


def _kill_workers(hub: Hub) -> Iterator[str]:
    hub.ending = None
    hub.killing = True
    for worker in list(hub.workers):
        if not _kill(hub, worker):
            _bury(worker)
            yield f"worker {worker.name}"
    hub.killing = False


def _kill(hub: Hub, worker: Worker) -> bool:
    for _ in range(_ROUNDS):
        if worker.dead:
            break
        worker.parent = hub.main
        worker.throw(GreenletExit)
    worker.retire()
    hub.workers.pop(worker, None)
    return bool(worker.dead)


def _give_up(hub: Hub) -> Iterator[str]:
    """Silence the tasks that no cancellation ended. Closing their coroutines would let them run on, perhaps for ever."""
    for task in list(_pending(hub)):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # private to asyncio, and the only way to say it
        _bury(task)
        yield f"task {task.get_name()}"


def _bury(undead: object) -> None:
    """Keep it from the garbage collector for good, at the interpreter's end too: its code would run again."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(undead))


def _close(hub: Hub, loop: VirtualLoop) -> None:
    _reopen(hub)
    try:
        if loop._asyncgens:  # type: ignore[attr-defined]
            _run_until(loop, loop.create_task(loop.shutdown_asyncgens()))
    except SimulationEnded:
        hub.ending = None
    finally:
        if not loop.is_running():
            loop.close()
