"""The catalogue: every shipped fault, and the named modes made of them. Importing this package registers them."""

from __future__ import annotations

from agentlab_faults.catalogue import (
    bodies,
    connections,
    lost_answers,
    rate_limits,
    refusals,
    server_errors,
    tool_arguments,
    tools,
)
from agentlab_faults.catalogue.modes import Mode, UnknownMode, all_modes, mode_schedule, modes_for
from agentlab_faults.catalogue.select import SHAPES, UnknownFault, nearest, schedule_name, select, singles

__all__ = [
    "SHAPES",
    "Mode",
    "UnknownFault",
    "UnknownMode",
    "all_modes",
    "bodies",
    "connections",
    "lost_answers",
    "mode_schedule",
    "modes_for",
    "nearest",
    "rate_limits",
    "refusals",
    "schedule_name",
    "select",
    "server_errors",
    "singles",
    "tool_arguments",
    "tools",
]
