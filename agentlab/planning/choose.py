"""Which pattern fits an agent's work."""

from __future__ import annotations

from typing import Literal

__all__ = ["Pattern", "choose_pattern"]

Pattern = Literal["react", "bounded_react", "plan_dag", "plan_parallel"]
"""`react` and `bounded_react` think, act and observe, the second within six steps; `plan_dag` plans steps that wait for each other
and runs them in that order, `plan_parallel` steps that stand alone."""

FEW_TOOLS = 3


def choose_pattern(tools: int, kind: Literal["conversation", "workflow"], *, dependencies: bool = True) -> Pattern:
    """The pattern for an agent with so many tools. A workflow of a few tools needs no plan: the model sees what to do next.

    >>> choose_pattern(2, "workflow"), choose_pattern(6, "conversation")
    ('react', 'bounded_react')
    >>> choose_pattern(6, "workflow"), choose_pattern(6, "workflow", dependencies=False)
    ('plan_dag', 'plan_parallel')
    """
    if tools <= FEW_TOOLS:
        return "react"
    if kind == "conversation":
        return "bounded_react"
    return "plan_dag" if dependencies else "plan_parallel"
