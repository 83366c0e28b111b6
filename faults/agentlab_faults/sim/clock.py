"""The virtual clock: whole nanoseconds that move only when the simulation moves them."""

from __future__ import annotations

import math
from typing import Final

from agentlab_faults.sim.errors import TimeCapReached

__all__ = ["NS", "VirtualClock"]

NS: Final = 1_000_000_000
"""Nanoseconds in a second."""

_UPTIME_NS: Final = 100_000 * NS
"""What `time.monotonic` says at the start: about a day of uptime, as code that compares with 0 expects of a real machine."""


class VirtualClock:
    """Time in a simulation, from zero to a cap.

    `cap` is in virtual seconds; `epoch` is the wall clock's Unix time at zero.
    """

    __slots__ = ("_reads", "cap_ns", "epoch_ns", "now_ns")

    def __init__(self, *, cap: float, epoch: float) -> None:
        if not cap > 0 or math.isinf(cap):
            raise ValueError(f"The cap on virtual time must be a positive, finite number of seconds, not {cap!r}.")
        self.now_ns = 0
        self.cap_ns = round(cap * NS)
        self.epoch_ns = round(epoch * NS)
        self._reads = 0

    def __repr__(self) -> str:
        return f"<VirtualClock: {self.seconds:.9g} s of at most {self.cap_ns / NS:.9g} s>"

    @property
    def seconds(self) -> float:
        """Virtual seconds since the simulation began."""
        return self.now_ns / NS

    def advance_to_ns(self, ns: int) -> None:
        """Move the clock forward to `ns`; a moment in the past leaves it alone.

        Raises TimeCapReached, with the clock at the cap, if `ns` lies beyond it.
        """
        if ns > self.cap_ns:
            self.now_ns = self.cap_ns
            raise TimeCapReached(f"Virtual time reached the cap of {self.cap_ns / NS:g} s.")
        self.now_ns = max(self.now_ns, ns)

    def after(self, seconds: float) -> int:
        """The moment `seconds` from now, in ns; infinity lies just beyond the cap. A wait of no time ends now, never earlier."""
        if seconds >= (self.cap_ns - self.now_ns) / NS + 1:
            return self.cap_ns + 1
        return self.now_ns + max(0, math.ceil(seconds * NS - 1e-3))

    def at(self, monotonic: float) -> int:
        """The moment at which `time.monotonic()` says `monotonic`, in ns; infinity lies just beyond the cap."""
        if monotonic >= (self.cap_ns + _UPTIME_NS) / NS + 1:
            return self.cap_ns + 1
        return round(monotonic * NS) - _UPTIME_NS

    def monotonic(self) -> float:
        """What `time.monotonic` says, in seconds."""
        return (self.now_ns + _UPTIME_NS) / NS

    def monotonic_ns(self) -> int:
        """What `time.monotonic_ns` says."""
        return self.now_ns + _UPTIME_NS

    def time(self) -> float:
        """What `time.time` says: Unix time in seconds."""
        return (self.now_ns + self.epoch_ns) / NS

    def time_ns(self) -> int:
        """What `time.time_ns` says."""
        return self.now_ns + self.epoch_ns

    def perf_counter_ns(self) -> int:
        """What `time.perf_counter_ns` says: each reading is one ns later, so that code may divide by a duration that it measured."""
        self._reads += 1
        return self.now_ns + _UPTIME_NS + self._reads

    def perf_counter(self) -> float:
        """What `time.perf_counter` says, in seconds."""
        return self.perf_counter_ns() / NS
