"""The lineage rule: a request is placed by the call ids that it shows, and by nothing that a retry, a restart or a summary changes."""

from __future__ import annotations

import json

import pytest
from agentlab_faults.script import Call, End, ScriptSpec, Serving

from .script_bench import BOTH, DONE, FAILED, LOOKUP, PROMPT, REFUND, Bench, names


def test_the_script_is_served_turn_by_turn_as_results_come_in() -> None:
    bench = Bench()
    assert [names(bench.step()), names(bench.step())] == [["lookup_order"], ["refund"]]
    last = bench.ask()
    assert (last.content, last.finish_reason, last.kind, last.turn) == (DONE.text, "stop", "say", 2)


def test_every_serving_has_fresh_ids_an_sdk_retry_too() -> None:
    bench = Bench()
    first, retry = bench.ask(), bench.ask()
    assert names(first) == names(retry) == ["lookup_order"]
    assert (first.ids, retry.ids) == (("call_0_0_0",), ("call_1_0_0",))


def test_an_answer_that_was_lost_costs_nothing() -> None:
    bench = Bench()
    bench.step()
    for _ in range(7):
        assert names(bench.ask()) == ["refund"]
    assert names(bench.step()) == ["refund"]
    assert bench.ask().content == DONE.text


@pytest.mark.parametrize("seam_ids", [True, False])
@pytest.mark.parametrize("lost", [0, 1, 3])
def test_lost_answers_never_swallow_an_execution_of_a_bare_loop(seam_ids: bool, lost: int) -> None:
    bench = Bench(seam_ids=seam_ids)
    for _ in range(2):
        for _ in range(lost):
            bench.ask()
        bench.step()
    assert bench.ask().content == DONE.text


def test_a_call_that_ran_and_failed_is_called_again_twice_then_the_model_says_so() -> None:
    bench = Bench()
    bench.step()
    served = [names(bench.step("Error: db", "raised")) for _ in range(3)]
    assert served == [["refund"]] * 3
    last = bench.ask()
    assert (last.content, last.kind, last.turn) == (FAILED, "failed", -1)


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_how_often_a_failed_call_is_called_again_is_the_scripts_to_say(retries: int) -> None:
    bench = Bench(REFUND, DONE, retries=retries, say_failed="The refund did not go through.")
    for _ in range(retries + 1):
        assert names(bench.step("Error: db", "raised")) == ["refund"]
    assert bench.ask().content == "The refund did not go through."


def test_a_failed_call_that_then_works_goes_on() -> None:
    bench = Bench()
    bench.step()
    bench.step("Error: db", "raised")
    bench.step("Error: db", "raised")
    bench.step()
    assert bench.ask().content == DONE.text


@pytest.mark.parametrize("end", ["raised", "unknown", "cancelled", "pending"])
@pytest.mark.parametrize("text", ["oops", "All went well.", "Tool error: Please check your input and try again. (db)"])
def test_the_seam_decides_whatever_the_framework_writes(end: End, text: str) -> None:
    bench = Bench(REFUND, DONE)
    assert names(bench.step(text, end)) == ["refund"]
    assert names(bench.ask()) == ["refund"]


def test_a_home_made_failure_text_cannot_pass_for_a_done_call() -> None:
    bench = Bench(REFUND, DONE)
    for _ in range(3):
        bench.step("oops, that did not work", "raised")
    assert bench.ask().content == FAILED


def test_a_spoiled_call_that_never_ran_is_served_again_freely() -> None:
    bench = Bench(REFUND, DONE)
    for _ in range(9):
        serving = bench.take(bench.ask())
        assert names(serving) == ["refund"]
        bench.model.spoiled(serving.ids)
        bench.result(serving.ids[0], "Error: arguments are no JSON")
    bench.step()
    assert bench.ask().content == DONE.text


def test_a_spoiled_call_that_ran_all_the_same_is_done() -> None:
    bench = Bench(REFUND, DONE)
    serving = bench.take(bench.ask())
    bench.model.spoiled(serving.ids)
    bench.execute(serving.tool_calls[0])
    bench.result(serving.ids[0])
    assert bench.ask().content == DONE.text


def test_a_call_that_the_agent_keeps_refusing_is_given_up_at_last() -> None:
    bench = Bench(REFUND, DONE)
    bench.model.tool_started("refund", {"order": "1"}, None)  # the tool passes the seam
    for _ in range(3):
        serving = bench.take(bench.ask())
        assert names(serving) == ["refund"]
        bench.result(serving.ids[0], "Tool call limit reached, do not call refund again.")
    assert bench.ask().content == FAILED


def test_a_call_answered_from_the_agents_memory_of_an_equal_one_is_done() -> None:
    bench = Bench(REFUND, DONE)
    lost = bench.take(bench.ask())
    bench.execute(lost.tool_calls[0], value={"receipt": "r-1"})
    del bench.history[2:]  # the agent crashed, and kept the receipt
    again = bench.take(bench.ask())
    bench.result(again.ids[0], '{"receipt": "r-1"}')
    assert bench.ask().content == DONE.text


def test_a_restart_from_nothing_does_everything_again() -> None:
    bench = Bench()
    bench.step()
    bench.step()
    del bench.history[2:]
    assert names(bench.step()) == ["lookup_order"]
    assert names(bench.step()) == ["refund"]
    assert bench.ask().content == DONE.text


def test_a_restart_is_known_by_its_texts_whatever_its_ids_numbers_and_system_prompt() -> None:
    bench = Bench(prompts=["Ticket 1 of run 0f8fad5b-d9cb-469f-a165-70867728950e"])
    bench.step()
    fresh = [
        {"role": "system", "content": "Attempt 2."},
        {"role": "user", "content": "Ticket 1 of run 7c9e6679-7425-40de-944b-e07fc1f90ae7"},
    ]
    assert names(bench.ask(fresh)) == ["lookup_order"]


def test_a_restart_forgets_earlier_failures() -> None:
    bench = Bench(REFUND, DONE)
    for _ in range(3):
        bench.step("Error: db", "raised")
    del bench.history[2:]
    assert names(bench.ask()) == ["refund"]


@pytest.mark.parametrize("seam_ids", [True, False])
def test_a_history_rewritten_into_one_message_goes_on_by_what_the_seam_saw(seam_ids: bool) -> None:
    bench = Bench(seam_ids=seam_ids)
    served = []
    for _ in range(3):
        serving = bench.step()
        served.append(names(serving) or serving.content)
        bench.history[1:] = [{"role": "user", "content": f"{PROMPT}\nProgress: one more step."}]
    assert served == [["lookup_order"], ["refund"], DONE.text]


@pytest.mark.parametrize("seam_ids", [True, False])
def test_an_identical_request_is_progress_when_the_seam_saw_a_failure(seam_ids: bool) -> None:
    bench = Bench(REFUND, DONE, seam_ids=seam_ids)
    for _ in range(3):
        assert names(bench.step("Error: db", "raised")) == ["refund"]
        bench.history[1:] = [{"role": "user", "content": f"{PROMPT}\nProgress: Error: db"}]
    assert bench.ask().content == FAILED


def test_a_lost_answer_after_a_rewrite_is_served_again_and_nothing_else() -> None:
    bench = Bench()
    bench.step()
    bench.history[1:] = [{"role": "user", "content": "Summary: the order was looked up."}]
    assert names(bench.ask()) == names(bench.ask()) == ["refund"]
    bench.step()
    bench.history[1:] = [{"role": "user", "content": "Summary: and refunded."}]
    assert bench.ask().content == DONE.text


def test_eliding_old_results_changes_nothing() -> None:
    bench = Bench()
    bench.step()
    bench.step("Error: db", "raised")
    bench.step()
    bench.ask()  # the model has seen them once
    for message in bench.history:
        if message["role"] == "tool":
            message["content"] = "Error: this old result was cleared"
    assert bench.ask().content == DONE.text


def test_eliding_a_failure_does_not_make_it_good() -> None:
    bench = Bench(REFUND, DONE)
    bench.step("Error: db", "raised")
    bench.ask()
    bench.history[-1]["content"] = "[cleared]"
    assert names(bench.ask()) == ["refund"]


def test_trimming_all_but_the_last_exchange_changes_nothing() -> None:
    bench = Bench(LOOKUP, Call((("search_kb", {"query": "refunds"}),)), REFUND, DONE)
    served = []
    for _ in range(4):
        serving = bench.step()
        served.append(names(serving) or serving.content)
        bench.history[1:-2] = [{"role": "user", "content": "Summary of earlier steps."}]
    assert served == [["lookup_order"], ["search_kb"], ["refund"], DONE.text]


def test_a_repair_turn_without_ids_serves_the_call_again() -> None:
    bench = Bench()
    bench.step()
    spoiled = bench.ask()
    bench.model.spoiled(spoiled.ids)
    bench.history.append({"role": "user", "content": "Your arguments were no JSON. Fix them."})
    assert names(bench.step()) == ["refund"]
    assert bench.ask().content == DONE.text


def test_only_the_failed_one_of_parallel_calls_is_called_again() -> None:
    bench = Bench(BOTH, DONE)
    serving = bench.take(bench.ask())
    assert names(serving) == ["lookup_order", "search_kb"]
    bench.execute(serving.tool_calls[0])
    bench.execute(serving.tool_calls[1], "raised")
    bench.result(serving.ids[1], "Error: index is down")
    bench.result(serving.ids[0])
    again = bench.step()
    assert (names(again), again.ids) == (["search_kb"], ("call_1_0_1",))
    assert bench.ask().content == DONE.text


def test_calls_are_served_one_at_a_time_when_parallel_calls_are_off() -> None:
    bench = Bench(BOTH, DONE)
    served = []
    for _ in range(2):
        serving = bench.take(bench.ask(parallel_tool_calls=False))
        served.append(names(serving))
        bench.execute(serving.tool_calls[0])
        bench.result(serving.ids[0])
    assert served == [["lookup_order"], ["search_kb"]]
    assert bench.ask(parallel_tool_calls=False).content == DONE.text


def test_a_restart_from_a_checkpoint_does_again_what_the_checkpoint_does_not_show() -> None:
    bench = Bench()
    bench.step()
    checkpoint = list(bench.history)
    bench.step()
    assert bench.ask().content == DONE.text
    bench.history = checkpoint
    assert names(bench.ask()) == ["refund"]


def test_calls_that_ran_under_ids_of_the_agents_own_making_are_done() -> None:
    bench = Bench(LOOKUP, Call((("search_kb", {"query": "refunds"}),)), REFUND, DONE)
    bench.step()
    for made_up in ("mine-1", "mine-2"):
        serving = bench.ask()
        bench.model.spoiled(serving.ids)
        for call in serving.tool_calls:
            execution = bench.model.tool_started(call.name, json.loads(call.arguments), made_up)
            bench.model.tool_ended(execution, "ok", {"ok": True})
            asked = {"id": made_up, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            bench.history.append({"role": "assistant", "content": None, "tool_calls": [asked]})
            bench.result(made_up)
    assert bench.ask().content == DONE.text


def test_after_a_rewrite_the_seam_is_asked_about_older_answers_too() -> None:
    bench = Bench(BOTH, DONE)
    first = bench.take(bench.ask())
    for call in first.tool_calls:
        bench.execute(call)
    bench.result(first.ids[0])
    assert names(bench.ask()) == ["search_kb"]  # its result was not shown, and this answer is lost
    bench.history[1:] = [{"role": "user", "content": "Summary: order and knowledge base were looked up."}]
    assert bench.ask().content == DONE.text


def test_a_value_that_only_reads_like_a_failure_in_its_frame_is_a_success() -> None:
    bench = Bench(LOOKUP, DONE)
    bench.step("Error: none. Result: 3 parcels", value="3 parcels")
    assert bench.ask().content == DONE.text


def test_words_beside_calls_are_served_with_them() -> None:
    bench = Bench(Call(LOOKUP.calls, say="Let me look."), DONE)
    serving = bench.ask()
    assert (serving.content, names(serving)) == ("Let me look.", ["lookup_order"])


def test_a_script_must_end_in_words() -> None:
    with pytest.raises(ValueError, match="ends in a call"):
        ScriptSpec(turns=(LOOKUP,))
    with pytest.raises(ValueError, match="no turns"):
        ScriptSpec(turns=())
    with pytest.raises(ValueError, match="Turn 1 of the script calls no tool"):
        ScriptSpec(turns=(Call(()), DONE))


def test_the_same_requests_get_the_same_answers() -> None:
    def transcript() -> list[Serving]:
        bench = Bench()
        return [bench.step(), bench.ask(), bench.step("Error: x", "raised"), bench.step(), bench.ask()]

    assert transcript() == transcript()
