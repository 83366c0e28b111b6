"""The catalogue: every shipped fault, and the named modes made of them. Importing this package registers them.

One file holds the faults of one kind, each of them one class with its row above it; `select` and `modes` find them.
"""

from __future__ import annotations

from importlib import import_module

from agentlab_faults.catalogue.laws import complaints
from agentlab_faults.catalogue.modes import Mode, UnknownMode, add_mode, all_modes, mode_schedule, modes_for
from agentlab_faults.catalogue.packages import BadPackage, load_packages
from agentlab_faults.catalogue.select import SHAPES, UnknownFault, at_events, nearest, schedule_name, select, shapes_in_turn, singles

__all__ = [
    "SHAPES",
    "BadPackage",
    "Mode",
    "UnknownFault",
    "UnknownMode",
    "add_mode",
    "all_modes",
    "at_events",
    "complaints",
    "mode_schedule",
    "modes_for",
    "nearest",
    "schedule_name",
    "select",
    "shapes_in_turn",
    "singles",
]

_FILES = (
    "connections",
    "lost_answers",
    "broken_http",
    "rate_limits",
    "retry_orders",
    "refusals",
    "accounts",
    "one_provider",
    "server_errors",
    "wrong_bodies",
    "unreadable_bodies",
    "odd_bodies",
    "stream_breaks",
    "stream_errors",
    "stream_noise",
    "stream_content",
    "completions",
    "cut_answers",
    "provider_finishes",
    "bookkeeping",
    "tool_arguments",
    "tool_values",
    "tool_calls",
    "model_loops",
    "model_lies",
    "model_forms",
    "tools",
    "tool_results",
    "retrieval",
    "queues",
    "store_connections",
    "store_replies",
    "store_data",
    "mcp_messages",
    "mcp_transports",
    "shipped_modes",
    "more_modes",
    "store_modes",
    "mcp_modes",
)

for _file in _FILES:
    import_module(f"{__name__}.{_file}")
load_packages()
