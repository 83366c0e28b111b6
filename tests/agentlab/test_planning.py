"""Plan-and-execute on the real SDK, in virtual time: plans are checked, approved, carried out side by side, and told honestly."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab import Bounds, Memory, Reply, Tool, ToolRefusedError, choose_pattern, tool
from agentlab.agent import Agent
from agentlab.approval import Decision
from agentlab.errors import InvalidArgumentsError, PlanRejectedError
from agentlab.planning import Plan, PlanStep
from agentlab.planning.plan import Limits, filled, needs, problems
from agentlab.stores import InMemoryStore

from .conftest import Wire, error, say
from .test_agent import FALLBACK, PRIMARY

FINE = "All set up."


class Desk:
    """What onboarding does, with a record of it."""

    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []
        self.broken: set[str] = set()
        self._born = time.monotonic()

    async def _do(self, what: str) -> None:
        began = round(time.monotonic() - self._born, 3)
        await asyncio.sleep(2.0)
        if what in self.broken:
            raise RuntimeError("down")
        self.done.append((what, began))

    @tool(effect="write")
    async def create_account(self, name: str, idempotency_key: str) -> dict[str, Any]:
        """Create an account."""
        del idempotency_key
        await self._do(f"account {name}")
        return {"id": 7, "mail": f"{name}@shop.example"}

    @tool
    async def find_desk(self, floor: int) -> str:
        """Find a free desk."""
        await self._do(f"desk {floor}")
        return "B12"

    @tool(effect="external")
    async def send_mail(self, to: str, text: str) -> bool:
        """Send a mail."""
        await self._do(f"mail {to}: {text}")
        return True

    @tool(effect="external")
    async def send_letter(self, to: str, text: str) -> bool:
        """Send a letter."""
        await self._do(f"letter {to}: {text}")
        return True

    @tool
    async def refuse(self) -> str:
        """Say no."""
        raise ToolRefusedError("Not on a Sunday.")

    @property
    def tools(self) -> list[Tool]:
        return [self.create_account, self.find_desk, self.send_mail, self.send_letter, self.refuse]


def step(name: str, called: str, given: Any = None, needs: Sequence[str] = (), fallback: str | None = None) -> dict[str, Any]:
    text = given if isinstance(given, str) else json.dumps(given or {})
    return {"id": name, "description": name, "tool": called, "input": text, "depends_on": list(needs), "fallback_tool": fallback}


def plan(*steps: dict[str, Any], dollars: float = 0.0, seconds: float = 9.0) -> Any:
    return say(json.dumps({"goal": "Onboard Ada.", "steps": steps, "estimated_dollars": dollars, "estimated_seconds": seconds}))


ACCOUNT = step("account", "create_account", {"name": "ada"})
DESK = step("desk", "find_desk", {"floor": 2})
MAIL = step("mail", "send_mail", {"to": "$account.mail", "text": "$desk"}, fallback="send_letter")


def agent(desk: Desk, **options: Any) -> Agent:
    options.setdefault("pattern", "plan_dag")
    options.setdefault("models", [PRIMARY])
    return Agent("onboarding", instructions="Onboard people.", tools=desk.tools, bounds=Bounds(seconds=60.0, money=1.0), **options)


def ask(wire: Wire, asked: Agent) -> Reply:
    async def turn() -> Reply:
        return await asked("Onboard Ada on floor 2.")

    reply: Reply = wire.run(turn())
    return reply


def test_steps_run_side_by_side_and_in_order_with_each_others_results(wire: Wire) -> None:
    desk = Desk()
    wire.primary(plan(MAIL, ACCOUNT, DESK), say(FINE))
    reply = ask(wire, agent(desk))
    assert (reply.text, reply.status, reply.answered_by, reply.effects) == (FINE, "complete", "full", ("create_account", "send_mail"))
    assert desk.done == [("account ada", 1.0), ("desk 2", 1.0), ("mail ada@shop.example: B12", 3.0)]
    assert wire.now == 6.0
    assert "tools" not in wire.requests[0][1]
    assert wire.requests[1][1]["tool_choice"] == "none"
    assert [message["role"] for message in wire.messages()] == ["system", "user", "assistant", "tool", "tool", "tool"]


def test_a_planner_is_shown_what_the_agent_remembers(wire: Wire) -> None:
    store = InMemoryStore()
    asyncio.run(Memory(store, "ada").write("diet", "vegan"))
    wire.primary(plan(), say("Hello."))
    assert ask(wire, agent(Desk(), memory=Memory(store, "ada"))).status == "complete"
    assert ["vegan" in wire.messages(n)[0]["content"] for n in (0, 1)] == [True, True]


def test_a_plan_without_steps_is_an_answer(wire: Wire) -> None:
    wire.primary(plan(), say("Hello."))
    assert ask(wire, agent(Desk())).status == "complete"


def test_a_plan_that_cannot_be_carried_out_is_corrected(wire: Wire) -> None:
    desk = Desk()
    wire.primary(plan(step("x", "fly", {})), plan(DESK), say(FINE))
    assert ask(wire, agent(desk)).status == "complete"
    assert "'fly', which does not exist" in wire.messages(1)[-1]["content"]
    assert desk.done == [("desk 2", 1.0 + 1.0)]


def test_every_reason_is_told_when_the_last_model_makes_no_possible_plan(wire: Wire) -> None:
    desk = Desk()
    bad = plan(step("a", "fly", {}, ["b"]), step("b", "find_desk", {"floor": "two"}, ["a", "c"]), dollars=5.0, seconds=1e6)
    wire.primary(bad)
    reply = ask(wire, agent(desk))
    assert (reply.status, desk.done) == ("plan_rejected", [])
    assert isinstance(reply.error, PlanRejectedError)
    told = " ".join(reply.error.reasons)
    for reason in ("'fly'", "'c', which is no step", "in a circle", "floor: ", "5 dollars", "1e+06 seconds"):
        assert reason in told
    assert "the plan was rejected" in reply.text
    assert len(wire.asked) == 2


def test_another_model_plans_anew(wire: Wire) -> None:
    wire.primary(say("I would find a desk."))
    wire.fallback(plan(DESK), say(FINE))
    assert ask(wire, agent(Desk(), models=[PRIMARY, replace(FALLBACK, price=(1.0, 1.0))])).status == "complete"


def test_steps_that_must_stand_alone(wire: Wire) -> None:
    wire.primary(plan(ACCOUNT, DESK, MAIL))
    reply = ask(wire, agent(Desk(), pattern="plan_parallel"))
    assert (reply.status, "must stand alone" in str(reply.error)) == ("plan_rejected", True)


def test_a_failed_step_tries_its_fallback_with_the_same_input_and_that_is_no_failure(wire: Wire) -> None:
    desk = Desk()
    desk.broken = {"desk 3"}
    chairs: list[int] = []

    @tool
    async def find_chair(floor: int) -> str:
        """Find a chair."""
        chairs.append(floor)
        return "C1"

    asked = Agent("onboarding", instructions="", models=[PRIMARY], tools=[*desk.tools, find_chair], pattern="plan_dag")
    wire.primary(plan(step("seat", "find_desk", {"floor": 3}, fallback="find_chair")), say(FINE))
    reply = ask(wire, asked)
    assert (reply.status, reply.answered_by, chairs) == ("complete", "full", [3])


def test_a_write_in_doubt_has_no_fallback(wire: Wire) -> None:
    desk = Desk()
    desk.broken = {"mail ada@shop.example: B12"}
    wire.primary(plan(ACCOUNT, DESK, MAIL), say("The mail may have been sent."))
    reply = ask(wire, agent(desk))
    assert [what for what, _ in desk.done] == ["account ada", "desk 2"]
    assert (reply.status, reply.unconfirmed) == ("degraded", ("send_mail",))
    assert "may have gone through" in reply.text


def test_what_needs_a_failed_step_is_skipped_and_said(wire: Wire) -> None:
    desk = Desk()
    desk.broken = {"desk 2"}
    wire.primary(plan(ACCOUNT, DESK, MAIL), say("Ada has an account."))
    reply = ask(wire, agent(desk))
    assert [what for what, _ in desk.done] == ["account ada"]
    assert (reply.status, reply.effects) == ("degraded", ("create_account",))
    assert (reply.missing, reply.text) == (
        ("find_desk",),
        (
            "Ada has an account.\n\nNote: I could not use find_desk (unavailable just now), so whatever needed it is missing here. "
            "Step 'mail' was not done, because 'desk' could not be done.\n\nThis went through: create_account(name=ada)."
        ),
    )
    assert "Step 'mail' was not done, because 'desk' could not be done" in wire.messages()[0]["content"]


def test_a_refused_step_is_a_failed_one_and_its_tool_is_not_said_to_be_away(wire: Wire) -> None:
    wire.primary(plan(step("no", "refuse"), step("after", "find_desk", {"floor": 1}, ["no"])), say("I did nothing."))
    reply = ask(wire, agent(Desk()))
    assert (reply.status, reply.missing, "Not on a Sunday" in wire.messages()[0]["content"]) == ("degraded", (), True)
    assert reply.text == (
        "I did nothing.\n\nNote: Step 'no' could not be done: Not on a Sunday. Step 'after' was not done, because 'no' could not be done."
    )


def test_a_step_whose_input_names_nothing_is_told_without_blaming_its_tool(wire: Wire) -> None:
    wire.primary(plan(step("first", "find_desk", {"floor": 2}), step("second", "find_desk", {"floor": "$first.level"})), say("One desk."))
    reply = ask(wire, agent(Desk()))
    assert (reply.status, reply.missing) == ("degraded", ())
    assert reply.text == "One desk.\n\nNote: Step 'second' could not be done: $first.level names nothing: the result has no 'level'."


@pytest.mark.parametrize(
    ("given", "status"), [(True, "complete"), (Decision(approved=False, reason="too early"), "plan_rejected"), (None, "paused")]
)
def test_a_plan_is_approved_before_anything_runs(wire: Wire, given: Any, status: str) -> None:
    desk, shown = Desk(), []

    def approve(request: Any) -> Any:
        shown.append((request.tool, request.arguments["steps"][0]["input"], list(desk.done)))
        return given

    wire.primary(plan(ACCOUNT), say(FINE))
    reply = ask(wire, agent(desk, approve=approve, approve_plans=True))
    assert shown == [("plan", {"name": "ada"}, [])]
    assert (reply.status, len(desk.done)) == (status, given is True)
    assert status != "plan_rejected" or "too early" in reply.text


def test_a_paused_plan_is_the_one_that_runs_in_another_process(wire: Wire) -> None:
    desk, kept = Desk(), InMemoryStore()
    wire.primary(plan(ACCOUNT, DESK), say(FINE))
    first = ask(wire, agent(desk, approve_plans=True, checkpoints=kept))
    assert (first.status, first.waiting and first.waiting.tool) == ("paused", "plan")
    assert first.text == "I could not finish this: it needs somebody's approval: the plan of create_account(name=ada), find_desk(floor=2)"

    async def resumed() -> Reply:
        return await agent(desk, approve_plans=True, checkpoints=kept).resume(first.resume or "", approve=True)

    reply: Reply = wire.run(resumed())
    assert (reply.status, sorted(what for what, _ in desk.done)) == ("complete", ["account ada", "desk 2"])
    assert len(wire.asked) == 2


def test_a_plan_of_a_resumed_turn_may_cost_what_the_fresh_bounds_allow(wire: Wire) -> None:
    dear = [replace(PRIMARY, price=(100.0, 0.0))]
    kept = InMemoryStore()
    wire.primary(say("no plan", prompt_tokens=6_000, completion_tokens=10, total_tokens=6_010), error(400))
    first = ask(wire, agent(Desk(), checkpoints=kept, models=dear, degrade=False))
    assert (first.status, first.usage.money) == ("incomplete", pytest.approx(0.6))
    wire.primary(plan(DESK, dollars=0.55), say(FINE))

    async def resumed() -> Reply:
        return await agent(Desk(), checkpoints=kept, models=dear).resume(first.resume or "")

    reply: Reply = wire.run(resumed())
    assert (reply.text, reply.status) == (FINE, "complete")


def test_a_resumed_plan_does_nothing_twice_and_tries_again_what_failed(wire: Wire) -> None:
    desk, kept = Desk(), InMemoryStore()
    desk.broken = {"desk 2"}
    wire.primary(plan(ACCOUNT, DESK, MAIL), error(400, message="no"))
    first = ask(wire, agent(desk, checkpoints=kept, degrade=False))
    assert (first.status, [what for what, _ in desk.done]) == ("incomplete", ["account ada"])
    desk.broken.clear()
    wire.primary(say(FINE))

    async def resumed() -> Reply:
        return await agent(desk, checkpoints=kept).resume(first.resume or "")

    reply: Reply = wire.run(resumed())
    assert (reply.status, reply.text) == ("complete", FINE)
    assert [what for what, _ in desk.done] == ["account ada", "desk 2", "mail ada@shop.example: B12"]


def test_a_cancelled_turn_leaves_no_step_behind(wire: Wire) -> None:
    desk = Desk()
    wire.primary(plan(ACCOUNT, DESK))

    async def cut() -> int:
        turn = asyncio.create_task(agent(desk)("Onboard Ada."))
        await asyncio.sleep(2.0)
        turn.cancel()
        await asyncio.wait({turn})
        return len(asyncio.all_tasks())

    assert wire.run(cut()) == 1
    assert desk.done == []


NAMES = st.sampled_from("abcdef")
PLANS = st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=3), st.lists(NAMES, max_size=2)), max_size=6, unique_by=lambda drawn: drawn[0])


@given(PLANS)
def test_an_accepted_plan_has_an_order_in_which_every_step_comes_after_what_it_needs(drawn: Any) -> None:
    steps = [
        PlanStep(id=name, description="", tool="t", input={"x": [f"${other}" for other in inner]}, depends_on=tuple(outer))
        for name, outer, inner in drawn
    ]
    made = Plan(goal="", steps=tuple(steps))
    wrong = [reason for reason in problems(made, {}, Limits(None, 60.0)) if "no step" in reason or "circle" in reason]
    if wrong:
        return
    order = list(TopologicalSorter(needs(made)).static_order())
    assert sorted(order) == sorted(name for name, _, _ in drawn)
    assert all(order.index(other) < order.index(name) for name, waits_for in needs(made).items() for other in waits_for)


def test_references_are_filled_with_whole_values_and_nothing_else() -> None:
    results = {"a": {"b": [1, {"c": None}]}, "d": "text"}
    given = {"one": "$a.b.1.c", "two": ["$d", "$unknown", "$50", "costs $d"], "three": "$a"}
    assert filled(given, results) == {"one": None, "two": ["text", "$unknown", "$50", "costs $d"], "three": results["a"]}
    with pytest.raises(InvalidArgumentsError, match=r"\$a\.x names nothing: the result has no 'x'"):
        filled({"one": "$a.x"}, results)


@pytest.mark.parametrize(
    ("tools", "kind", "dependencies", "chosen"),
    [(1, "conversation", True, "react"), (3, "workflow", True, "react"), (4, "conversation", True, "bounded_react"),
     (4, "workflow", True, "plan_dag"), (9, "workflow", False, "plan_parallel")],
)  # fmt: skip
def test_the_pattern_follows_from_tools_and_kind(tools: int, kind: Any, dependencies: bool, chosen: str) -> None:
    assert choose_pattern(tools, kind, dependencies=dependencies) == chosen


def test_the_example_runs(wire: Wire, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("onboarding", Path(__file__).parents[2] / "examples" / "onboarding.py")
    assert spec
    assert spec.loader
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    laptop = step("laptop", "order_laptop", {"mail": "$account.mail", "desk": "$desk"})
    wire.primary(plan(step("account", "create_account", {"name": "Ada"}), step("desk", "find_desk", {"floor": 2}), laptop), say(FINE))
    wire.run(example.main("Ada starts on Monday."))
    assert capsys.readouterr().out.endswith(f"{FINE}\n[complete; done: create_account, order_laptop]\n")
