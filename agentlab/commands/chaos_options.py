"""What `agentlab chaos` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentlab_faults.proxy import Plan
    from agentlab_faults.script import ScriptSpec

__all__ = ["Options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line, read and checked."""

    command: tuple[str, ...]
    script: ScriptSpec
    plan: Plan
    seed: int
    port: int
    listen: str
    allow_hosts: frozenset[str]
    output: Path | None
    as_json: bool
    name: str
    """What results call the run."""
