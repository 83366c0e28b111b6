"""Plan-and-execute: a typed plan that is checked and approved before anything runs, its independent steps side by side."""

from __future__ import annotations

from agentlab.planning.plan import Plan, PlanStep

__all__ = ["Plan", "PlanStep"]
