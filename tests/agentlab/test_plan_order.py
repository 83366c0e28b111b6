"""The order in which a plan is really carried out, whatever the plan, however long its steps take, and whichever of them fail."""

from __future__ import annotations

import asyncio
from typing import Any

from agentlab_faults.sim import Simulation
from hypothesis import given, settings
from hypothesis import strategies as st

from agentlab import Tool, ToolRefusedError
from agentlab.planning import Plan, PlanStep
from agentlab.planning.execute import Execution
from agentlab.planning.plan import PlanState
from agentlab.toolbox import Toolbox

from .test_layers import turn_of

NAMES = "abcdef"


@st.composite
def plans(draw: st.DrawFn) -> tuple[Plan, dict[str, set[str]], dict[str, tuple[float, bool]]]:
    """Steps in any order without a circle, what each of them needs, and how long each takes and whether it fails."""
    size = draw(st.integers(1, len(NAMES)))
    wants = {name: draw(st.sets(st.sampled_from(NAMES[:n]))) if n else set() for n, name in enumerate(NAMES[:size])}
    by_result = {name: draw(st.booleans()) for name in wants}  # named by the step, or used in its input
    steps = [
        PlanStep(
            id=name,
            description="",
            tool="do",
            input={"name": name, "of": [f"${other}" for other in sorted(needed)] if by_result[name] else []},
            depends_on=() if by_result[name] else tuple(sorted(needed)),
        )
        for name, needed in wants.items()
    ]
    fates = {name: (draw(st.sampled_from([0.0, 0.5, 1.0])), draw(st.integers(0, 4)) == 0) for name in wants}
    return Plan(goal="", steps=tuple(draw(st.permutations(steps)))), wants, fates


@settings(max_examples=40, deadline=None)
@given(drawn=plans())
def test_a_step_begins_when_all_that_it_needs_has_ended_well_and_not_at_all_if_something_has_not(drawn: Any) -> None:
    plan, wants, fates = drawn
    order: list[tuple[str, str]] = []

    async def do(name: str, of: list[str]) -> str:
        """Do a step."""
        order.append(("begins", name))
        seconds, fails = fates[name]
        await asyncio.sleep(seconds)
        if fails:
            raise ToolRefusedError("no")
        order.append(("is done", name))
        return name

    async def carried_out() -> PlanState:
        state = PlanState(plan)
        await Execution(state, Toolbox([Tool(do)]), turn_of()).run()
        return state

    with Simulation(seed=0, cap=1_000.0) as simulation:
        state = simulation.settle(carried_out())
    lost: set[str] = set()
    for name in wants:  # NAMES stand in a topological order
        if fates[name][1] or wants[name] & lost:
            lost.add(name)
    skipped = {name for name in wants if wants[name] & lost}
    assert sorted(name for what, name in order if what == "begins") == sorted(wants.keys() - skipped)
    assert set(state.undone) == lost
    for name in wants.keys() - skipped:
        assert all(order.index(("is done", other)) < order.index(("begins", name)) for other in wants[name])
