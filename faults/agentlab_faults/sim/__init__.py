"""Virtual time for unmodified code: clocks, event loops, threads and randomness of one simulation."""

from __future__ import annotations

from agentlab_faults.sim.clock import VirtualClock
from agentlab_faults.sim.errors import Deadlock, RealThreadWaits, SimulationEnded, TimeCapReached, WatchdogFired
from agentlab_faults.sim.simulation import Simulation

__all__ = ["Deadlock", "RealThreadWaits", "Simulation", "SimulationEnded", "TimeCapReached", "VirtualClock", "WatchdogFired"]
