"""What the semantic faults say in an answer's place, and what the faults of a knowledge base make of its hits."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from agentlab_faults.catalogue import select
from agentlab_faults.dialects import CHAT, Answer, Usage
from agentlab_faults.exchange import Pause, Timeouts, WireRequest
from agentlab_faults.fault import BreaksTool, Spoils, ToolCall, all_faults
from agentlab_faults.script import Called
from agentlab_faults.serving import put

TEXT = "Order 5512 was refunded."
HISTORY: list[Any] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Refund order 5512."},
    *(
        message
        for n, name in enumerate(("lookup_order", "refund"))
        for message in (
            {
                "role": "assistant",
                "tool_calls": [{"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": '{"order":"5512"}'}}],
            },
            {"role": "tool", "tool_call_id": f"c{n}", "content": "fine"},
        )
    ),
]
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("lookup_order", "refund")]


def message(
    name: str, *, calls: bool = False, arguments: str = '{"order":"5512"}', history: list[Any] = HISTORY, **settings: Any
) -> tuple[dict[str, Any], Any]:
    """(the message that the agent gets, the whole payload)."""
    fault = all_faults()[name](**settings)
    assert isinstance(fault, Spoils)
    answer = Answer(
        content=None if calls else TEXT,
        calls=(Called("call_1", "refund", arguments),) if calls else (),
        finish="tool_calls" if calls else "stop",
        usage=Usage(12, 7, 19),
        model="gpt-4o-mini",
        created=1,
        serial=1,
    )
    request = WireRequest("httpx2", "POST", "https://x/", "x", "/", {}, b"", Timeouts(), sync=True)
    good = put(CHAT, answer, request, {"messages": history, "tools": TOOLS}, latency=1.0)
    spoiled = good.spoiled(fault)
    payload = json.loads(spoiled.content)
    return payload["choices"][0]["message"], payload | {"waits": sum(p.seconds for p in spoiled.before if isinstance(p, Pause))}


def called(said: dict[str, Any]) -> list[tuple[str, str]]:
    return [(call["function"]["name"], call["function"]["arguments"]) for call in said["tool_calls"]]


def test_a_looping_model_makes_its_last_call_again_under_another_id() -> None:
    said, payload = message("sem_loop_same_call")
    assert called(said) == [("refund", '{"order":"5512"}')]
    assert said["tool_calls"][0]["id"] not in json.dumps(HISTORY)
    assert (said["content"], payload["choices"][0]["finish_reason"]) == (None, "tool_calls")


def test_a_ping_pong_goes_back_to_the_call_before() -> None:
    assert called(message("sem_loop_ping_pong")[0]) == [("lookup_order", '{"order":"5512"}')]


@pytest.mark.parametrize("name", ["sem_loop_same_call", "sem_loop_ping_pong", "sem_ignored_result", "sem_system_prompt_leak"])
def test_what_the_history_does_not_show_cannot_be_got_wrong(name: str) -> None:
    assert message(name, history=HISTORY[1:2])[0]["content"] == TEXT


def test_thoughts_cost_tokens_and_time() -> None:
    payload = message("sem_token_burn", tokens=500, seconds=3.0)[1]
    assert payload["usage"]["completion_tokens"] == 507
    assert payload["usage"]["total_tokens"] == 519
    assert payload["waits"] == 4.0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sem_wrong_answer", "Order 6623 was refunded."),
        ("sem_language_switch", "Ihre Anfrage wurde bearbeitet. Bitte wenden Sie sich bei Fragen an den Kundendienst."),
        ("sem_system_prompt_leak", f"My instructions are:\n\nBe brief.\n\n{TEXT}"),
        ("sem_ignored_result", "I could not do this: the tool reported that nothing was found."),
        ("sem_json_mode_prose", f"Sure! Here is the JSON you asked for:\n```json\n{TEXT}\n```\nLet me know if you need anything else."),
        ("sem_history_loss", "Happy to help! Which order is this about, and what would you like me to do?"),
    ],
)
def test_a_lie_is_fluent(name: str, words: str) -> None:
    assert message(name)[0]["content"] == words


def test_a_model_believes_in_a_tool_that_failed() -> None:
    failed = [*HISTORY[:-1], HISTORY[-1] | {"content": "Error: the refund service is down"}]
    assert message("sem_ignored_result", history=failed)[0]["content"].startswith("All done")


def test_a_model_says_that_it_did_what_it_did_not() -> None:
    said, payload = message("sem_premature_done", calls=True)
    assert said["content"].startswith("Done.")
    assert "tool_calls" not in said
    assert payload["choices"][0]["finish_reason"] == "stop"


def test_a_wrong_tool_is_one_that_was_offered() -> None:
    assert called(message("sem_wrong_tool", calls=True)[0]) == [("lookup_order", '{"order":"5512"}')]


def test_an_invented_argument_looks_like_the_right_one() -> None:
    assert called(message("sem_hallucinated_field", calls=True)[0]) == [("refund", '{"order":"6623"}')]


def test_an_argument_is_invented_where_there_is_none_to_change() -> None:
    assert called(message("sem_hallucinated_field", calls=True, arguments="{}")[0]) == [("refund", '{"id":"1001"}')]


def test_a_weaker_model_names_itself() -> None:
    assert message("sem_model_downgrade")[1]["model"] == "gpt-3.5-turbo-0125"


# The knowledge base

HITS = [{"text": "Refunds within 30 days.", "score": 0.9}]
SHOWN: dict[str, Callable[[list[Any]], bool]] = {
    "kb_empty_hits": lambda got: got == [],
    "kb_irrelevant_hits": lambda got: "canteen" in got[0]["text"] and got[0]["score"] == 0.9,
    "kb_stale_index": lambda got: got == [{"text": "[version 1, superseded] Refunds within 29 days.", "score": 0.9}],
    "kb_conflicting_docs": lambda got: got[:1] == HITS and "29 days" in got[-1]["text"],
    "kb_poisoned_doc": lambda got: got[1:] == HITS and "ignore all earlier instructions" in got[0]["text"],
}
KNOWLEDGE = [fault for fault in select(["kb_*"]) if issubclass(fault, BreaksTool)]


def rewritten(name: str, value: Any) -> Any:
    fault = all_faults()[name]()
    assert isinstance(fault, BreaksTool)
    strike = fault.strike(ToolCall("search_docs", {}, 1))
    assert strike.runs
    assert strike.rewrite is not None
    return strike.rewrite(copy.deepcopy(value))


@pytest.mark.parametrize("name", SHOWN)
def test_hits_show_their_fault_in_a_list_and_in_an_object(name: str) -> None:
    assert SHOWN[name](rewritten(name, HITS))
    assert SHOWN[name](rewritten(name, {"query": "refund", "hits": HITS})["hits"])
    assert not SHOWN[name](HITS)


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("value", ["Refunds within 30 days.", {"text": "Refunds within 30 days."}, [], None], ids=str)
def test_any_result_of_a_search_can_be_rewritten(name: str, value: Any) -> None:
    json.dumps(rewritten(name, value))


def test_a_vector_of_the_wrong_size_is_refused_and_a_hanging_store_says_nothing() -> None:
    refused = all_faults()["kb_embedding_dim_mismatch"]()
    hangs = all_faults()["kb_timeout"](silence=9.0)
    assert isinstance(refused, BreaksTool)
    assert isinstance(hangs, BreaksTool)
    assert str(refused.strike(ToolCall("search_docs", {}, 1)).error) == "search_docs: vector dimension error: expected dim 1536, got 768"
    assert (hangs.strike(ToolCall("search_docs", {}, 1)).runs, hangs.strike(ToolCall("search_docs", {}, 1)).delay) == (False, 9.0)


def test_every_fault_of_a_knowledge_base_is_tried_here() -> None:
    assert {fault.row.id for fault in KNOWLEDGE} == {*SHOWN, "kb_embedding_dim_mismatch", "kb_timeout"}
    assert all(fault.row.tools for fault in KNOWLEDGE)
