"""What `agentlab chaos` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentlab_faults.cassette import Take
    from agentlab_faults.dialects.limits import Limits
    from agentlab_faults.proxy import Plan
    from agentlab_faults.proxy.budget import Budget
    from agentlab_faults.script import ScriptSpec

__all__ = ["Options", "Source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who answers the app: exactly one of the three."""

    name: str
    """What results call the run."""
    said: str
    """In words."""
    script: ScriptSpec | None = None
    limits: Limits | None = None
    """What is enforced beside the script."""
    cassette: tuple[Take, ...] | None = None
    upstream: str | None = None
    budget: Budget | None = None
    record: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line, read and checked."""

    command: tuple[str, ...]
    source: Source
    plan: Plan
    seed: int
    port: int
    listen: str
    tls: bool
    allow_hosts: frozenset[str]
    output: Path | None
    as_json: bool
