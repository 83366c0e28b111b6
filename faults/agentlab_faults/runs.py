"""The runs of a session: which one is under way here. Outside of a session the number is 0, and points have no prefix."""

from __future__ import annotations

import re
from contextvars import ContextVar

__all__ = ["RUN", "in_its_run", "prefix", "run_of"]

RUN: ContextVar[int] = ContextVar("agentlab_run", default=0)
"""Number of the run, from 1; tasks and threads of a run inherit it."""

_PREFIX = re.compile(r"r(\d+)\.")


def prefix() -> str:
    """What the points of this run begin with: `r3.`."""
    number = RUN.get()
    return f"r{number}." if number else ""


def run_of(point: str) -> int:
    """The run that a point belongs to."""
    found = _PREFIX.match(point)
    return int(found[1]) if found else 0


def in_its_run(point: str) -> str:
    """The point without its run: `openai.chat.2` of `r3.openai.chat.2`."""
    return _PREFIX.sub("", point, count=1)
