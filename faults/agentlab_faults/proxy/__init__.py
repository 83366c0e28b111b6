"""Chaos on real sockets: a server on loopback that answers from a script or passes on to a provider, and breaks what it is told to break.

Nothing here is in virtual time. An agent in any language meets the faults of the catalogue as its own HTTP library sees them.
"""

from __future__ import annotations

from agentlab_faults.proxy.certificates import Certificates
from agentlab_faults.proxy.conduct import Blow, Entry
from agentlab_faults.proxy.door import Door
from agentlab_faults.proxy.front import Front
from agentlab_faults.proxy.limits import Limits
from agentlab_faults.proxy.plan import NOTHING, Plan, make_plan
from agentlab_faults.proxy.scopes import HEADER, Scopes
from agentlab_faults.proxy.scripted import Scripted
from agentlab_faults.proxy.server import CannotListen, Server

__all__ = [
    "HEADER",
    "NOTHING",
    "Blow",
    "CannotListen",
    "Certificates",
    "Door",
    "Entry",
    "Front",
    "Limits",
    "Plan",
    "Scopes",
    "Scripted",
    "Server",
    "make_plan",
]
