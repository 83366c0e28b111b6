"""A conversation of several prompts: the script goes on after a `say` when the next prompt appears."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agentlab_faults.dialects.chat.reading import read
from agentlab_faults.script import Call, Say, ScriptedModel, ScriptMissing, ScriptSpec, Serving

FIRST, SECOND, THIRD = "What did order 5512 cost?", "Then refund it.", "Thanks, that is all."
SPEC = ScriptSpec(
    turns=(
        Call((("lookup_order", {"id": "5512"}),)),
        Say("EUR 49.90."),
        Call((("refund", {"order": "5512"}),)),
        Say("I refunded order 5512."),
        Say("You are welcome."),
    )
)
PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": PARAMETERS}} for name in ("lookup_order", "refund")]
Message = dict[str, Any]


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def said(text: str | None) -> Message:
    return {"role": "assistant", "content": text}


class Conversation:
    def __init__(self, *prompts: str, spec: ScriptSpec = SPEC) -> None:
        self.model = ScriptedModel([spec], prompts)

    def ask(self, *history: Message, tools: bool = True) -> Serving:
        return self.model.serve(read({"model": "m", "messages": list(history), **({"tools": TOOLS} if tools else {})}))

    def settle(self, *history: Message, end: Any = "ok") -> str:
        """Run the loop on a copy of the history until the model's last words."""
        messages = list(history)
        for _ in range(9):
            serving = self.ask(*messages)
            if not serving.tool_calls:
                return serving.content or ""
            calls = [{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in serving.tool_calls]
            messages.append({"role": "assistant", "content": None, "tool_calls": calls})
            for call in serving.tool_calls:
                self.model.tool_ended(self.model.tool_started(call.name, json.loads(call.arguments), call.id), end, "value")
                messages.append({"role": "tool", "tool_call_id": call.id, "content": "value"})
        pytest.fail("the script never came to its last words")


def test_each_prompt_gets_its_own_part_of_the_script() -> None:
    talk = Conversation(FIRST, SECOND, THIRD)
    history = [user(FIRST)]
    replies = []
    for prompt in (SECOND, THIRD, None):
        replies.append(talk.settle(*history))
        history.append(said(replies[-1]))
        if prompt:
            history.append(user(prompt))
    assert replies == ["EUR 49.90.", "I refunded order 5512.", "You are welcome."]


def test_a_say_is_repeated_until_the_next_prompt_appears() -> None:
    talk = Conversation(FIRST, SECOND, THIRD)
    talk.settle(user(FIRST))
    history = (user(FIRST), said("EUR 49.90."))
    assert talk.ask(*history, user("Answer in JSON, please.")).content == "EUR 49.90."
    assert talk.ask(*history, user(SECOND)).tool_calls[0].name == "refund"


def test_a_part_that_failed_is_left_behind_when_the_user_goes_on() -> None:
    talk = Conversation(FIRST, SECOND, THIRD)
    assert talk.settle(user(FIRST), end="raised") == SPEC.say_failed
    assert talk.settle(user(FIRST), said(SPEC.say_failed), user(SECOND)) == "I refunded order 5512."


def test_a_prompt_that_the_agent_answered_by_itself_is_not_played_later() -> None:
    talk = Conversation(FIRST, SECOND, THIRD)
    assert talk.settle(user(FIRST), said("(cached) EUR 49.90."), user(SECOND)) == "I refunded order 5512."


def test_an_agent_without_memory_sends_each_prompt_alone() -> None:
    talk = Conversation(FIRST, SECOND, THIRD)
    assert [talk.settle(user(text)) for text in (FIRST, SECOND, THIRD)] == ["EUR 49.90.", "I refunded order 5512.", "You are welcome."]


def test_a_restart_within_a_later_prompt_does_that_prompts_calls_again() -> None:
    talk = Conversation(FIRST, SECOND, THIRD)
    talk.settle(user(FIRST))
    history = (user(FIRST), said("EUR 49.90."), user(SECOND))
    talk.settle(*history)
    assert talk.ask(*history).tool_calls[0].name == "refund"


def test_a_plan_for_a_later_prompt_is_a_plan() -> None:
    talk = Conversation(FIRST, SECOND, THIRD)
    talk.settle(user(FIRST))
    plan = talk.ask(user(FIRST), said("EUR 49.90."), user(SECOND), tools=False)
    assert plan.content == "Plan: refund, then answer. Nothing of it has been done yet."


def test_prompts_found_in_a_summary_count() -> None:
    talk = Conversation(FIRST, SECOND, THIRD)
    assert talk.ask(user(f"Summary. The user asked: {FIRST} It was EUR 49.90. Now: {SECOND}")).tool_calls[0].name == "refund"


def test_prompts_that_contain_each_other_are_told_apart() -> None:
    talk = Conversation("Refund", "Refund it again", spec=ScriptSpec(turns=(Say("one"), Say("two"))))
    assert [talk.ask(user("Refund")).content, talk.ask(user("Refund it again")).content] == ["one", "two"]


def test_equal_prompts_are_told_apart_by_their_place() -> None:
    talk = Conversation("yes", "no", "yes", spec=ScriptSpec(turns=(Say("one"), Say("two"), Say("three"))))
    history = [user("yes")]
    replies = []
    for prompt in ("no", "yes", ""):
        replies.append(talk.ask(*history).content)
        history += [said(replies[-1]), user(prompt)]
    assert replies == ["one", "two", "three"]


def test_the_lab_may_say_which_of_two_equal_prompts_it_is() -> None:
    talk = Conversation("yes", "yes", spec=ScriptSpec(turns=(Say("one"), Say("two"))))
    replies = []
    for number in range(2):
        talk.model.prompted(number)
        replies.append(talk.ask(user("yes")).content)
    assert replies == ["one", "two"]


def test_the_lab_may_say_that_a_rewritten_prompt_has_come() -> None:
    talk = Conversation("yes", "nothing that the agent shows", spec=ScriptSpec(turns=(Say("one"), Say("two"))))
    talk.model.prompted(0)
    assert talk.ask(user("yes")).content == "one"
    assert talk.ask(user("yes"), said("one"), user("Answer in JSON.")).content == "one"
    talk.model.prompted(1)
    assert talk.ask(user("yes"), said("one"), user("(translated)")).content == "two"


def test_a_late_request_for_an_earlier_prompt_is_answered_from_its_part() -> None:
    talk = Conversation(FIRST, SECOND, THIRD)
    talk.model.prompted(0)
    talk.ask(user(FIRST))
    talk.model.prompted(1)
    assert talk.ask(user(FIRST)).tool_calls[0].name == "lookup_order"


def test_prompts_that_the_agent_rewrites_are_told_apart_by_being_new() -> None:
    talk = Conversation("eins", "zwei", spec=ScriptSpec(turns=(Say("one"), Say("two"))))
    assert [talk.ask(user(text)).content for text in ("(translated) first", "(translated) first", "(translated) second")] == [
        "one",
        "one",
        "two",
    ]


def test_a_prompt_that_the_script_does_not_answer_is_the_labs_failure() -> None:
    talk = Conversation("a", "b", spec=ScriptSpec(turns=(Say("one"),)))
    talk.ask(user("a"))
    with pytest.raises(ScriptMissing, match="prompt 2, and the script answers 1"):
        talk.ask(user("a"), said("one"), user("b"))


def test_a_sub_agents_script_goes_on_with_each_new_question() -> None:
    helper = ScriptSpec(turns=(Say("Paris"), Say("Rome")), when="geographer")
    model = ScriptedModel([helper, ScriptSpec(turns=(Say("done"),))], ["Plan my trip."])

    def ask(question: str) -> str | None:
        return model.serve(read({"model": "m", "messages": [{"role": "system", "content": "A geographer."}, user(question)]})).content

    assert [ask("Capital of France?"), ask("Capital of France?"), ask("Capital of Italy?"), ask("And of Spain?")] == [
        "Paris",
        "Paris",
        "Rome",
        "Rome",
    ]
