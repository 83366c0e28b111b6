"""Which request is a new call, and which one more attempt."""

from __future__ import annotations

from agentlab_faults.calls import Calls, fingerprint
from hypothesis import given
from hypothesis import strategies as st


def _body(*texts: str, **extra: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text} for text in texts], **extra}


def test_the_same_messages_are_the_next_attempt_until_an_answer_came_through() -> None:
    calls = Calls()
    first = calls.place("openai.chat", "a")
    second = calls.place("openai.chat", "a")
    assert (first.point, first.attempt, second.point, second.attempt) == ("openai.chat.1", 1, "openai.chat.1", 2)
    calls.done(second)
    assert calls.place("openai.chat", "a").point == "openai.chat.2"


def test_a_late_answer_to_an_earlier_attempt_does_not_close_the_call() -> None:
    calls = Calls()
    first = calls.place("openai.chat", "a")
    calls.place("openai.chat", "a")
    calls.done(first)
    assert calls.place("openai.chat", "a").attempt == 3


def test_each_target_counts_for_itself() -> None:
    calls = Calls()
    calls.place("openai.chat", "a")
    assert calls.place("tool.refund", "a").point == "tool.refund.1"


def test_model_and_sampling_parameters_do_not_make_another_call() -> None:
    assert fingerprint(_body("hi", model="a", temperature=0)["messages"]) == fingerprint(_body("hi", model="b", seed=7)["messages"])


def test_call_ids_uuids_and_timestamps_do_not_make_another_call() -> None:
    one = _body("call_0_1_0 at 2026-11-23T07:00:00Z for 0b0f3a3e-6a7a-4a3b-8f6e-0123456789ab")
    two = _body("call_7_1_0 at 2026-11-23 09:30:01.5+02:00 for ffffffff-6a7a-4a3b-8f6e-0123456789ab")
    assert fingerprint(one["messages"]) == fingerprint(two["messages"])


def test_another_order_number_is_another_call() -> None:
    assert fingerprint(_body("order 5512")["messages"]) != fingerprint(_body("order 5513")["messages"])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
def test_numbers_are_given_once_and_in_order(history: list[tuple[str, bool]]) -> None:
    calls = Calls()
    new: list[int] = []
    for told, delivered in history:
        call = calls.place("openai.chat", told)
        if call.attempt == 1:
            new.append(call.n)
        if delivered:
            calls.done(call)
    assert new == list(range(1, len(new) + 1))
