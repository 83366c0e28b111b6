"""What ends a simulation before its code does.

::

    BaseException
    └── SimulationEnded
        ├── Deadlock          nothing can ever go on
        ├── TimeCapReached    virtual time ran out
        ├── WatchdogFired     real time ran out while the code was busy
        └── RealThreadWaits   real time ran out while the code waited for a real thread, socket or process

They are BaseExceptions, so that an agent's `except Exception` cannot eat them.
"""

from __future__ import annotations

__all__ = ["Deadlock", "RealThreadWaits", "SimulationEnded", "TimeCapReached", "WatchdogFired"]


class SimulationEnded(BaseException):
    """The simulation is over; what still runs in it is taken down."""


class Deadlock(SimulationEnded):
    """Nothing is ready, no timer is pending and no real thread is at work: the stacks of all that waits are in the text."""


class TimeCapReached(SimulationEnded):
    """Virtual time came to the simulation's cap."""


class WatchdogFired(SimulationEnded):
    """The code in the simulation used up its real seconds."""


class RealThreadWaits(SimulationEnded):
    """The real seconds went by while the simulation waited for a thread, a socket or a process that does not live in virtual time."""
