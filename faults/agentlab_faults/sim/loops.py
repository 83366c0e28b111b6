"""Event loops that code makes for itself inside a simulation: `asyncio.run`, `asyncio.Runner`, `new_event_loop`, `anyio.run`.

Both ways in are taken, the policy's (whatever the policy is: none is set, as 3.14 deprecates that) and `Runner`'s loop factory.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, events
from collections.abc import Callable
from typing import Any, Final

from agentlab_faults.sim.active import hub_here
from agentlab_faults.sim.loop import VirtualLoop

__all__ = ["install"]

_POLICY_NAMES: Final = ("_BaseDefaultEventLoopPolicy", "BaseDefaultEventLoopPolicy")
"""The first is its name since 3.14, where the second warns."""


def install() -> None:
    """Patch asyncio; once per process."""
    _patch_policy()
    _patch_runner()
    _patch_foreign_loops()


def _patch_policy() -> None:
    policy: Any = next(getattr(events, name) for name in _POLICY_NAMES if hasattr(events, name))
    original: Callable[[Any], AbstractEventLoop] = policy.new_event_loop

    def new_event_loop(self: Any) -> AbstractEventLoop:
        hub = hub_here()
        return original(self) if hub is None else hub.new_loop()

    policy.new_event_loop = new_event_loop


def _patch_runner() -> None:
    original = asyncio.Runner.__init__

    def make(self: asyncio.Runner, *, debug: bool | None = None, loop_factory: Callable[[], AbstractEventLoop] | None = None) -> None:
        hub = hub_here()
        original(self, debug=debug, loop_factory=loop_factory if hub is None or loop_factory is None else hub.new_loop)

    asyncio.Runner.__init__ = make  # type: ignore[method-assign]


def _patch_foreign_loops() -> None:
    """A loop runs where its time is: one of another make on the lab's thread would tell real time and wait in the kernel, and one of a
    simulation in a real thread would move the clock under everyone's feet."""
    original = asyncio.BaseEventLoop.run_forever

    def run_forever(self: asyncio.BaseEventLoop) -> None:
        hub = hub_here()
        if hub is not None and self not in hub.loops:
            raise RuntimeError(
                f"{self!r} was not made in this simulation and cannot run in virtual time: make loops with asyncio.new_event_loop()."
            )
        if hub is None and isinstance(self, VirtualLoop) and not self.is_closed():
            raise RuntimeError(self.hub.foreign.refuse_loop())
        original(self)

    asyncio.BaseEventLoop.run_forever = run_forever  # type: ignore[method-assign]
