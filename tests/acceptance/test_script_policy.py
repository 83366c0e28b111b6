"""The scripted model under random schedules of faults, against real agents: the conversation never shifts.

Judged from the ledger alone: the model never calls again what was done and confirmed, and an agent that ends in the script's last words has
done every write of the script.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from agentlab_faults.catalogue import select
from agentlab_faults.engine import play
from agentlab_faults.fault import Fault
from agentlab_faults.journal import Answered, Requested, ToolEnded
from agentlab_faults.played import Played
from agentlab_faults.schedule import Injection, Schedule
from agentlab_suites.agents import conversation, load_agent
from agentlab_suites.load import load_suite
from agentlab_suites.plan import Discovered, Prepared, discover, prepare
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it fetches one while it is imported, outside of any lab

ROOT = Path(__file__).parents[2]
SCHEDULES = 500 if os.environ.get("AGENTLAB_FULL") else 100
"""`make test-full` plays them all."""
POLICY = Path(__file__).with_name("policy.yaml")
ORDER = ROOT / "examples" / "order.suite.yaml"
AGENTS = {
    "agentlab.examples.support:build": POLICY,
    "bare_loop.py:build": POLICY,
    "order_pydantic_ai.py:build": ORDER,
    "order_openai_agents.py:build": ORDER,
    "order_langchain.py:build": ORDER,
    "order_langgraph.py:build": ORDER,
    "order_litellm.py:build": ORDER,
}
"""Agent to a suite whose first scenario it can play."""

POOL = [
    fault
    for fault in select(["*"])
    if fault.row.boundary in ("network", "provider-http", "stream", "content", "tool") and "undetectable" not in fault.row.best.values()
]
"""Faults that an agent can tell, or that take nothing from what it knows: what a lying tool says is not the script's to know."""


def prepared(agent: str) -> tuple[Prepared, Discovered]:
    loaded = load_suite(AGENTS[agent])
    ready = prepare(loaded, load_agent(str(ROOT / "examples" / agent) if agent.endswith(".py:build") else agent))
    found = discover(ready)[0]
    assert found.failure == ""
    return ready, found


@st.composite
def injections(draw: st.DrawFn, found: Discovered) -> Injection:
    point = draw(st.sampled_from(list(found.points)))
    fault: type[Fault] = draw(st.sampled_from([fault for fault in POOL if fault.row.applies(point)]))
    shape = draw(st.sampled_from(list(fault.row.best)))
    return Injection(fault=fault(), at=point.name, shape=shape, attempt=draw(st.integers(1, 3)))


def confirmed(played: Played) -> Iterator[tuple[str, float]]:
    """(tool, when) of each execution that went well, unharmed by any fault."""
    for happened in played.journal:
        if isinstance(happened, ToolEnded) and happened.end == "ok" and not happened.fault:
            yield happened.tool, happened.seconds


def served(played: Played) -> Iterator[tuple[str, float]]:
    """(tool, when it was asked for) of each call that the script served."""
    asked = {happened.serial: happened.seconds for happened in played.journal if isinstance(happened, Requested)}
    for happened in played.journal:
        if isinstance(happened, Answered):
            yield from ((tool, asked[happened.serial]) for tool in happened.calls)


@pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")  # a tracer's thread draws its jitter when it likes
@pytest.mark.parametrize("agent", AGENTS, ids=str)
def test_no_schedule_shifts_the_conversation(agent: str) -> None:
    ready, found = prepared(agent)
    scene = ready.scenes[0]
    writes = {name for name, tool in scene.setup.tools.items() if tool.effect == "write"}
    last_words = scene.setup.scripts[0].turns[-1].text  # type: ignore[union-attr]  # a script ends in a Say

    @settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None)
    @given(st.lists(injections(found), min_size=1, max_size=4))
    def law(drawn: list[Injection]) -> None:
        schedule = Schedule("random", tuple(drawn))
        played = play(conversation(ready.agent, scene.setup.prompts), scene.limited(found.clean), schedule, clean=found.clean)
        assert played.problems == ()
        event(f"ending: {played.ending}")
        done = list(confirmed(played))
        for tool, asked_at in served(played):
            assert not any(tool == name and when <= asked_at for name, when in done), f"{tool} was served again after it was confirmed"
        if played.replies == (last_words,):
            committed = {commit.tool for commit in played.ledger.commits}
            assert committed.issuperset(writes), "said that all is done, and it is not"

    try:
        law()
    finally:
        ready.undo()
