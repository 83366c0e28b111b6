"""Agents of frameworks, unmodified: known by themselves, their tools broken inside the framework's own timeout and error handler."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import agentlab_suites
import pytest
from agentlab_faults.catalogue.tools import LostConfirmation, ToolRaises, ToolTimeout
from agentlab_faults.engine import play
from agentlab_faults.fault import BreaksTool
from agentlab_faults.played import Played, Setup, Tool
from agentlab_faults.schedule import FAULT_FREE, Injection, Schedule
from agentlab_faults.script import Call, Say, ScriptSpec
from agentlab_faults.tools.hub import Steps
from agentlab_faults.workshop import Workshop
from agentlab_suites.agents import Agent, conversation, load_agent
from agentlab_suites.capabilities import CAPABILITIES, explain
from agentlab_suites.load import load_suite
from agentlab_suites.outcome import decide
from agentlab_suites.plan import discover, prepare
from agentlab_suites.replies import text_of
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_openai import ChatOpenAI

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
FRAMEWORKS = ("langchain", "langgraph", "openai_agents", "pydantic_ai")
SHOPS = (*FRAMEWORKS, "openai_agents_responses")
"""Framework by framework, and openai-agents over its default API too."""
TOOLS = {
    "lookup_order": Tool(name="lookup_order", returns={"total": 49.90}),
    "refund": Tool(name="refund", effect="write", identity=("order",)),
}
SCRIPT = ScriptSpec(
    turns=(
        Call((("lookup_order", {"id": "5512"}),)),
        Call((("refund", {"order": "5512", "amount": 49.90}),)),
        Say("I refunded EUR 49.90."),
        Say("Anything else?"),
    )
)
PROMPTS = ("Refund order 5512.", "Thank you.")


def played(framework: str, fault: BreaksTool | None = None, *, script: ScriptSpec = SCRIPT, prompts: tuple[str, ...] = PROMPTS) -> Played:
    setup = Setup(scripts=(script,), prompts=prompts, tools=TOOLS, deadline=200)
    schedule = Schedule("refund", (Injection(fault=fault, at="tool.refund.1"),)) if fault else FAULT_FREE
    return play(conversation(load_agent(f"framework_shop.py:{framework}", folder=HERE), prompts), setup, schedule)


def refunds(run: Played) -> list[tuple[str, float]]:
    """How each execution of the refund ended, and after how many virtual seconds."""
    return [(done.end, (done.ended or 0) - done.started) for done in run.ledger.executions if done.tool == "refund"]


@pytest.fixture
def call_ids(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The call ids that the seam saw."""
    seen: list[str | None] = []
    original = Workshop.execution

    def execution(self: Workshop, name: str, arguments: Mapping[str, Any], call_id: str | None, defaults: Mapping[str, Any]) -> Steps:
        seen.append(call_id)
        return original(self, name, arguments, call_id, defaults)

    monkeypatch.setattr(Workshop, "execution", execution)
    return seen


@pytest.mark.parametrize("framework", SHOPS)
def test_tools_are_seen_with_their_call_ids_and_their_bodies_never_run(framework: str, call_ids: list[str | None]) -> None:
    run = played(framework)
    assert (run.ending, run.problems) == ("returned", ()), run.error
    assert [text_of(reply) for reply in run.replies] == ["I refunded EUR 49.90.", "Anything else?"]
    assert [(done.tool, dict(done.arguments), done.end) for done in run.ledger.executions] == [
        ("lookup_order", {"id": "5512"}, "ok"),
        ("refund", {"order": "5512", "amount": 49.9}, "ok"),
    ]
    assert [commit.tool for commit in run.ledger.commits] == ["refund"]
    assert len(call_ids) == 2
    assert all(call_id is not None and call_id.startswith("call_") for call_id in call_ids)


@pytest.mark.parametrize("framework", SHOPS)
def test_a_framework_gets_its_own_history(framework: str) -> None:
    run = played(framework)
    assert run.requests == 4, "the script goes on in the second turn only if that shows the first"


@pytest.mark.parametrize(
    ("framework", "ending"), [("langchain", "raised"), ("langgraph", "returned"), ("openai_agents", "returned"), ("pydantic_ai", "raised")]
)
def test_a_tool_that_raises_meets_the_frameworks_own_handler(framework: str, ending: str) -> None:
    run = played(framework, ToolRaises())
    assert run.ending == ending
    assert [end for end, _ in refunds(run)] == (["raised"] if ending == "raised" else ["raised", "ok"])
    assert run.strikes[0].changed


@pytest.mark.parametrize("framework", ["openai_agents", "pydantic_ai"])
def test_a_hanging_tool_meets_the_frameworks_own_timeout(framework: str) -> None:
    run = played(framework, ToolTimeout())
    assert run.ending == "returned"
    assert refunds(run) == [("cancelled", 30.0), ("ok", 0.0)]


@pytest.mark.parametrize("framework", ["langchain", "langgraph"])
def test_without_a_timeout_a_hanging_tool_hangs_the_agent(framework: str) -> None:
    assert played(framework, ToolTimeout()).ending == "deadline"


@pytest.mark.parametrize(
    ("framework", "lost"),
    [("langgraph", "reset"), ("openai_agents", "timeout"), ("openai_agents_responses", "timeout"), ("pydantic_ai", "timeout")],
)
def test_a_refund_that_timed_out_after_it_committed_is_made_twice(framework: str, lost: Any) -> None:
    run = played(framework, LostConfirmation(lost=lost))
    assert [end for end, _ in refunds(run)] == ["unknown", "ok"]
    assert run.ledger.duplicates() == [("refund", '{"order": "5512"}')]


def test_under_the_runtimes_own_key_the_second_refund_is_no_second_effect() -> None:
    suite = load_suite(Path(agentlab_suites.__file__).parent / "shipped" / "customer_support.suite.yaml")
    prepared = prepare(suite, load_agent(suite.suite.agent or ""))
    scene = next(scene for scene in prepared.scenes if scene.name == "refund_order")
    schedule = Schedule("refund", (Injection(fault=LostConfirmation(), at="tool.refund.1"),))
    clean = play(conversation(prepared.agent, scene.setup.prompts), scene.setup).clean
    run = play(conversation(prepared.agent, scene.setup.prompts), scene.setup, schedule, clean=clean)
    prepared.undo()
    assert (run.ledger.suppressed, run.ledger.duplicates()) == (1, [])
    assert decide(scene.case, run, schedule).outcome == "success"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_arguments_that_the_tool_refuses_are_no_execution(framework: str) -> None:
    script = ScriptSpec(turns=(Call((("refund", {"order": "5512"}),)), Say("Done.")))
    run = played(framework, script=script, prompts=PROMPTS[:1])
    assert run.ledger.executions == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_examples_are_green_without_faults(framework: str) -> None:
    agent = load_agent(f"order_{framework}.py:build", folder=EXAMPLES)
    prepared = prepare(load_suite(EXAMPLES / "order.suite.yaml"), agent)
    try:
        found = discover(prepared)
    finally:
        prepared.undo()
    assert [(one.scenario, one.outcome, one.failure) for one in found] == [("refund_order", "success", ""), ("two_turns", "success", "")]
    assert {point.name for one in found for point in one.points} >= {"tool.lookup_order.1", "tool.refund.1"}


def test_what_a_runnable_takes_is_read_off_its_schema() -> None:
    def build() -> Any:
        prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("chat_history", optional=True), ("user", "{question}")])
        return prompt | ChatOpenAI(model="gpt-4o-mini")

    script = ScriptSpec(turns=(Say("Good day."), Say("You are welcome.")))
    for made in (build, lambda: ChatOpenAI(model="gpt-4o-mini")):
        run = play(conversation(Agent.of(made), PROMPTS), Setup(scripts=(script,), prompts=PROMPTS))
        assert [text_of(reply) for reply in run.replies] == ["Good day.", "You are welcome."], run.error


def test_a_reply_of_a_dict_has_its_text_under_the_same_names() -> None:
    assert text_of({"output": "Done."}) == "Done."
    assert text_of({"messages": [SimpleNamespace(content=[{"type": "text", "text": "Done."}])]}) == "Done."


def test_an_agent_is_explained_by_its_kind() -> None:
    suite = load_suite(EXAMPLES / "order.suite.yaml")
    told = {name: dict(explain(load_agent(f"order_{name}.py:build", folder=EXAMPLES), suite)) for name in FRAMEWORKS}
    assert {name: lines["kind"] for name, lines in told.items()} == {
        "langchain": "langgraph graph, langchain's create_agent",
        "langgraph": "langgraph graph, langchain's create_agent",
        "openai_agents": "openai-agents agent",
        "pydantic_ai": "pydantic-ai agent",
    }
    assert all("a framework's tool, seen inside its timeout" in lines["tool refund"] for lines in told.values())


def test_a_factory_that_fails_is_explained_too(tmp_path: Path) -> None:
    (tmp_path / "without_a_model.py").write_text("def build():\n    raise RuntimeError('no model')\n")
    lines = dict(explain(load_agent("without_a_model.py:build", folder=tmp_path), load_suite(EXAMPLES / "order.suite.yaml")))
    assert lines["kind"] == "not known: the factory raised RuntimeError: no model"
    assert lines["tool refund"] == "write; seen nowhere yet"


def test_the_documentation_has_the_table_of_kinds() -> None:
    page = (EXAMPLES.parent / "docs" / "agents.md").read_text()
    missing = [row.kind for row in CAPABILITIES.values() if "| " + " | ".join(row) + " |" not in page]
    assert missing == []
