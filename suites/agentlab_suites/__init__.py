"""agentlab_suites: scenario suites for pytest, played against every degradation mode.

What a program needs that plays suites without pytest::

    loaded = load_suite("shop.suite.yaml")                   # BadSuite: one sentence with file and line
    prepared = prepare(loaded, load_agent("app:build"))      # finds the tools' seams; nothing has run yet
    try:
        for cell in cells_of(prepared, discover(prepared)):  # one fault-free run a scenario, then the cells that follow from it
            line = play_cell(cell, prepared.agent).line      # what goes into results.jsonl
    finally:
        prepared.undo()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentlab_suites.agents import Agent, load_agent
    from agentlab_suites.cell import CellResult, play_cell
    from agentlab_suites.headers import header_of
    from agentlab_suites.load import LoadedSuite, load_suite
    from agentlab_suites.plan import cells_of, discover, prepare
    from agentlab_suites.problems import BadAgent, BadInput, BadSuite
    from agentlab_suites.schema import suite_schema

__all__ = [
    "Agent",
    "BadAgent",
    "BadInput",
    "BadSuite",
    "CellResult",
    "LoadedSuite",
    "cells_of",
    "discover",
    "header_of",
    "load_agent",
    "load_suite",
    "play_cell",
    "prepare",
    "suite_schema",
]

_PLACES = {
    "Agent": "agents",
    "BadAgent": "problems",
    "BadInput": "problems",
    "BadSuite": "problems",
    "CellResult": "cell",
    "LoadedSuite": "load",
    "cells_of": "plan",
    "discover": "plan",
    "header_of": "headers",
    "load_agent": "agents",
    "load_suite": "load",
    "play_cell": "cell",
    "prepare": "plan",
    "suite_schema": "schema",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: pytest imports this package in every run, whether there are suites or not."""
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
