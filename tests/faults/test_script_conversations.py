"""One script, many conversations: each begins anew, and no two share a call id."""

from __future__ import annotations

from typing import Any

from agentlab_faults.script import Asked, Call, Say, ScriptSpec
from agentlab_faults.script.conversations import Conversations

SPEC = ScriptSpec(turns=(Call((("lookup", {"id": "1"}),)), Say("Done.")))
SCHEMA: dict[str, Any] = {"type": "object"}


def asked(text: str, *rest: dict[str, Any]) -> Asked:
    return Asked(messages=[{"role": "user", "content": text}, *rest], callable={"lookup": SCHEMA})


def answered(call_id: str, result: str = "found") -> tuple[dict[str, Any], dict[str, Any]]:
    call = {"id": call_id, "type": "function", "function": {"name": "lookup", "arguments": '{"id":"1"}'}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": call_id, "content": result}


def test_conversations_run_beside_each_other_with_ids_of_their_own() -> None:
    model = Conversations([SPEC])
    one, two = model.serve(asked("One.")), model.serve(asked("Two."))
    assert one.ids != two.ids
    assert model.serve(asked("Two.", *answered(two.ids[0]))).content == "Done."
    assert model.serve(asked("One.", *answered(one.ids[0]))).content == "Done."


def test_a_conversation_that_is_over_can_be_had_again() -> None:
    model = Conversations([SPEC])
    first = model.serve(asked("One."))
    assert model.serve(asked("One.", *answered(first.ids[0]))).content == "Done."
    again = model.serve(asked("One."))
    assert again.ids
    assert again.ids != first.ids


def test_a_history_that_lost_its_front_is_told_by_its_ids() -> None:
    model = Conversations([SPEC])
    one = model.serve(asked("One."))
    model.serve(asked("Two."))
    assert model.serve(asked("(earlier messages left out)", *answered(one.ids[0]))).content == "Done."


def test_a_spoiled_answer_counts_as_never_delivered() -> None:
    model = Conversations([SPEC])
    first = model.serve(asked("One."))
    model.spoiled(first.ids)
    assert model.serve(asked("One.")).ids


def test_nothing_served_is_nothing_to_spoil() -> None:
    Conversations([]).spoiled(["call_1"])
