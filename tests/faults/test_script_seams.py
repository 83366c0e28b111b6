"""What became of a call where the tool seam sees no ids, or where there is none."""

from __future__ import annotations

from typing import Any

from agentlab_faults.dialects.chat.reading import read
from agentlab_faults.script import Call, Say, ScriptedModel, ScriptSpec

from .script_bench import DONE, FAILED, PROMPT, REFUND, Bench, names, offer


class TestBareLoop:
    """A seam that sees no call ids."""

    def bench(self, *turns: Call | Say) -> Bench:
        return Bench(*turns, seam_ids=False)

    def test_the_last_of_a_calls_own_retries_counts(self) -> None:
        bench = self.bench(REFUND, DONE)
        serving = bench.take(bench.ask())
        bench.execute(serving.tool_calls[0], "raised")
        bench.execute(serving.tool_calls[0], "raised")
        bench.execute(serving.tool_calls[0])
        bench.result(serving.ids[0])
        assert bench.ask().content == DONE.text

    def test_two_equal_calls_claim_one_execution_each(self) -> None:
        bench = self.bench(Call((("note", {"text": "a"}), ("note", {"text": "a"}))), DONE)
        bench.tools = offer("note")
        serving = bench.take(bench.ask())
        bench.execute(serving.tool_calls[0], "raised")
        bench.execute(serving.tool_calls[1])
        for call_id in serving.ids:
            bench.result(call_id, "whatever")
        assert bench.ask().ids == ("call_1_0_0",)

    def test_arguments_may_be_written_differently_and_have_company(self) -> None:
        bench = self.bench(Call((("note", {"n": 1}), ("note", {"n": 2}))), DONE)
        bench.tools = offer("note")
        serving = bench.take(bench.ask())
        for n in ("2", "1"):
            execution = bench.model.tool_started("note", {"n": n, "user": "u-7"})
            bench.model.tool_ended(execution, "raised" if n == "2" else "ok", "noted")
        for call_id in serving.ids:
            bench.result(call_id, "whatever")
        assert bench.ask().ids == ("call_1_0_1",)

    def test_an_execution_from_before_a_crash_is_not_claimed_after_it(self) -> None:
        bench = self.bench(REFUND, DONE)
        bench.execute(bench.take(bench.ask()).tool_calls[0])
        del bench.history[2:]
        serving = bench.take(bench.ask())
        bench.model.spoiled(serving.ids)
        bench.result(serving.ids[0], "oops, bad arguments")
        assert names(bench.ask()) == ["refund"]


class TestWithoutSeam:
    """Handoffs, hosted tools, other processes: only texts tell."""

    def test_a_good_text_is_done(self) -> None:
        bench = Bench(Call((("transfer_to_refunds", {}),)), DONE, tools=("transfer_to_refunds",))
        serving = bench.take(bench.ask())
        bench.result(serving.ids[0], '{"assistant": "refunds"}')
        assert bench.ask().content == DONE.text

    def test_a_text_of_failure_counts_as_ran_and_failed(self) -> None:
        bench = Bench(REFUND, DONE)
        for _ in range(3):
            serving = bench.take(bench.ask())
            assert names(serving) == ["refund"]
            bench.result(serving.ids[0], "Error: db")
        assert bench.ask().content == FAILED

    def test_a_spoiled_call_has_not_run_whatever_its_text_says(self) -> None:
        bench = Bench(REFUND, DONE)
        serving = bench.take(bench.ask())
        bench.model.spoiled(serving.ids)
        bench.result(serving.ids[0], "All good.")
        assert names(bench.ask()) == ["refund"]

    def test_a_tool_that_is_known_to_pass_the_seam_did_not_run_if_it_was_not_seen(self) -> None:
        model = ScriptedModel([ScriptSpec(turns=(REFUND, DONE))], [PROMPT], seamed={"refund"})
        body: dict[str, Any] = {"model": "m", "tools": offer("refund"), "messages": [{"role": "user", "content": PROMPT}]}
        call = model.serve(read(body)).tool_calls[0]
        wire = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        body["messages"] += [
            {"role": "assistant", "content": None, "tool_calls": [wire]},
            {"role": "tool", "tool_call_id": call.id, "content": "ok"},
        ]
        assert names(model.serve(read(body))) == ["refund"]
