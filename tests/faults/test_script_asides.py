"""What the model says when a tool that its script needs is not offered, and several scripts in one run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from agentlab_faults.dialects.chat.reading import read
from agentlab_faults.script import Call, Say, ScriptedModel, ScriptMissing, ScriptSpec, Serving

from .script_bench import DONE, FAILED, LOOKUP, PROMPT, REFUND, Bench, names, offer


class TestAside:
    """A needed tool that is not offered."""

    def test_before_any_progress_it_is_a_plan_that_claims_nothing(self) -> None:
        bench = Bench()
        plan = bench.ask(tools=None)
        assert plan.kind == "aside"
        assert plan.content == "Plan: lookup_order, then refund, then answer. Nothing of it has been done yet."
        assert names(bench.step()) == ["lookup_order"]

    def test_it_is_remembered_so_that_a_restart_gets_the_same_plan(self) -> None:
        bench = Bench()
        question = [*bench.history, {"role": "user", "content": "First write a plan."}]
        plan = bench.ask(question, tools=None)
        bench.step()
        bench.step()
        assert bench.ask().content == DONE.text
        assert bench.ask(question, tools=None).content == plan.content
        del bench.history[2:]
        assert names(bench.ask()) == ["lookup_order"]

    def test_after_progress_it_is_say_failed(self) -> None:
        bench = Bench()
        bench.step()
        assert bench.ask(tools=None).content == FAILED

    def test_it_is_say_failed_for_a_tool_that_was_taken_away(self) -> None:
        bench = Bench()
        bench.ask()
        bench.tools = offer("search_kb")
        assert bench.ask().content == FAILED

    def test_the_scenario_may_say_what_the_model_says_without_a_tool(self) -> None:
        bench = Bench(say_without={"refund": "I cannot refund anything right now."})
        bench.step()
        bench.tools = offer("lookup_order", "search_kb")
        aside = bench.ask()
        assert (aside.content, aside.kind, aside.turn) == ("I cannot refund anything right now.", "aside", -1)

    def test_what_it_says_without_a_tool_is_said_of_one_that_was_taken_away_because_it_failed_too(self) -> None:
        bench = Bench(say_without={"lookup_order": "I cannot reach your orders right now."})
        for _ in range(3):
            bench.step("Error: db", "raised")
        assert bench.ask(tools=offer("refund")).content == "I cannot reach your orders right now."
        assert bench.ask().content == FAILED

    def test_it_is_no_node_so_the_script_goes_on_where_it_was(self) -> None:
        bench = Bench()
        bench.step()
        bench.ask(tools=None)
        assert names(bench.step()) == ["refund"]
        assert bench.ask().content == DONE.text

    def test_tool_choice_none_is_no_tool(self) -> None:
        assert Bench().ask(tool_choice="none").kind == "aside"

    def test_allowed_tools_narrow_what_is_offered(self) -> None:
        allowed = {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "refund"}}]},
        }
        bench = Bench()
        assert bench.ask(tool_choice=allowed).kind == "aside"
        assert Bench(REFUND, DONE).ask(tool_choice=allowed).kind == "call"

    def test_a_judge_with_a_schema_gets_its_least_value(self) -> None:
        schema = {
            "type": "object",
            "properties": {"is_unsafe": {"type": "boolean"}, "score": {"type": "integer"}, "reason": {"type": "string"}},
            "required": ["is_unsafe", "score", "reason"],
        }
        form = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": schema}}
        bench = Bench()
        verdict = json.loads(bench.ask([{"role": "user", "content": "Is this safe?"}], tools=None, response_format=form).content or "")
        assert (verdict["is_unsafe"], verdict["score"]) == (False, 0)
        assert names(bench.ask()) == ["lookup_order"]

    def test_a_call_for_a_summary_in_the_middle_shifts_nothing(self) -> None:
        bench = Bench()
        bench.step()
        bench.ask([{"role": "user", "content": "Summarise: user wants a refund; order was looked up."}], tools=None)
        bench.history[1:] = [{"role": "user", "content": "Here is a summary of the conversation: looked up."}]
        assert names(bench.step()) == ["refund"]
        bench.history[1:] = [{"role": "user", "content": "Here is a summary of the conversation: refunded."}]
        assert bench.ask().content == DONE.text


class TestSeveralScripts:
    """Several users or sub-agents in one run."""

    BILLING = ScriptSpec(turns=(REFUND, Say("Refunded.")), when="billing clerk")
    SEARCH = ScriptSpec(turns=(Call((("search_kb", {"query": "q"}),)), Say("Found.")), when=r"tool:search_kb")
    REST = ScriptSpec(turns=(LOOKUP, Say("Looked up.")))

    def ask(self, model: ScriptedModel, system: str, tools: Sequence[str], *more: dict[str, Any]) -> Serving:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": PROMPT}, *more]
        return model.serve(read({"model": "m", "messages": messages, "tools": offer(*tools)}))

    def test_each_is_told_apart_by_what_it_declares(self) -> None:
        model = ScriptedModel([self.BILLING, self.SEARCH, self.REST], [PROMPT])
        assert names(self.ask(model, "You are a billing clerk.", ["refund"])) == ["refund"]
        assert names(self.ask(model, "You search.", ["search_kb"])) == ["search_kb"]
        assert names(self.ask(model, "You are somebody.", ["lookup_order"])) == ["lookup_order"]

    def test_one_scripts_progress_is_not_anothers(self) -> None:
        model = ScriptedModel([self.BILLING, self.REST], [PROMPT])
        call = self.ask(model, "A billing clerk.", ["refund"]).tool_calls[0]
        model.tool_ended(model.tool_started("refund", {}, call.id), "ok", "done")
        assert names(self.ask(model, "You are somebody.", ["lookup_order"])) == ["lookup_order"]

    def test_a_request_that_no_script_is_for_is_the_labs_failure(self) -> None:
        model = ScriptedModel([self.BILLING], [PROMPT])
        with pytest.raises(ScriptMissing, match="billing clerk"):
            self.ask(model, "You are somebody.", ["refund"])
