"""Interception: every HTTP request of an agent, seen at the real transports of `httpx2` and `httpx`, and answered by the lab.

`install()` puts the seams in once a process; they do nothing until `armed(handler)`. A user's own retry transports, mounts and mocks stay
above the seams and keep working. What leaves the process another way is stopped and recorded by a guard (`Watch.escaped`).
"""

from agentlab_faults.intercept.arming import End, Handler, Mocks, OnEnd, Watch
from agentlab_faults.intercept.endpoints import Endpoint, classify, is_loopback, is_telemetry_host
from agentlab_faults.intercept.install import armed, install

__all__ = [
    "End",
    "Endpoint",
    "Handler",
    "Mocks",
    "OnEnd",
    "Watch",
    "armed",
    "classify",
    "install",
    "is_loopback",
    "is_telemetry_host",
]
