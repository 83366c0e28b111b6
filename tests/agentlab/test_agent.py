"""The agent on the real SDK: what models and the network do to it, and what comes out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from agentlab_faults.exchange import Exchange

from agentlab import AllModelsFailedError, Bounds, Model, Reply, ResumeRefusedError, Tool, ToolRefusedError, tool
from agentlab.agent import Agent

from .conftest import Wire, call, error, raw, refused, say, silent

PRIMARY = Model(name="gpt-4o-mini", timeout=8.0, connect_timeout=3.0)
FALLBACK = Model(name="backup", base_url="https://llm.fallback.example/v1", limit_field="max_tokens", timeout=8.0)


@tool
async def look(item: str) -> dict[str, Any]:
    """Look an item up."""
    return {"item": item, "stock": 3}


def agent(*, fallback: bool = True, **options: Any) -> Agent:
    models = [PRIMARY, FALLBACK] if fallback else [PRIMARY]
    options.setdefault("tools", [look])
    options.setdefault("bounds", Bounds(seconds=45.0))
    return Agent("test", instructions="Help.", models=models, **options)


def ask(wire: Wire, asked: Agent, text: str = "How many apples?") -> Reply:
    async def turn() -> Reply:
        return await asked(text)

    reply: Reply = wire.run(turn())
    return reply


LOOK = call(("look", {"item": "apples"}), ids=("call_a",))
FINE = "There are 3 apples."


def test_it_thinks_acts_and_observes(wire: Wire) -> None:
    wire.primary(LOOK, say(FINE))
    reply = ask(wire, agent())
    assert (reply.text, reply.status, reply.answered_by, reply.resume) == (FINE, "complete", "full", None)
    assert reply.usage.tokens == 220
    (first, last) = reply.steps
    (action,) = first.actions
    assert (action.tool, action.input, json.loads(action.observation)) == ("look", {"item": "apples"}, {"item": "apples", "stock": 3})
    assert (first.seconds, last.thought) == (1.0, FINE)
    assert [message["role"] for message in wire.messages()] == ["system", "user", "assistant", "tool"]


def test_another_conversation_knows_the_breakers_and_nothing_that_was_said(wire: Wire) -> None:
    first = agent(tenant="a")
    wire.primary(refused())
    wire.fallback(say("Hello, Ann."))
    ask(wire, first, "I am Ann.")
    asked = wire.asked.count("api.openai.com")
    other = first.new_conversation(tenant="b")
    assert (other.tenant, first.tenant, other.conversation == first.conversation) == ("b", "a", False)
    assert ask(wire, other, "Who am I?").text == "Hello, Ann."
    assert wire.asked.count("api.openai.com") == asked  # its breaker is open
    assert [message["content"] for message in wire.messages() if message["role"] == "user"] == ["Who am I?"]


def test_it_remembers_the_conversation(wire: Wire) -> None:
    wire.primary(say("Hello."), say("Bye."))
    helper = agent()
    ask(wire, helper, "Hi")
    ask(wire, helper, "Ciao")
    assert [message["content"] for message in wire.messages()[1:]] == ["Hi", "Hello.", "Ciao"]


def test_bad_arguments_are_corrected_by_the_model(wire: Wire) -> None:
    wire.primary(call(("look", '{"item": "app'), ids=("call_a",)), call(("look", {"itme": "apples"}), ids=("call_b",)), LOOK, say(FINE))
    reply = ask(wire, agent(fallback=False))
    assert reply.text == FINE
    told = [message["content"] for message in wire.messages() if message["role"] == "tool"]
    assert "not valid JSON" in told[0]
    assert "itme" in told[1]


@pytest.mark.parametrize(
    "bad",
    [("look", '{"item": "app'), ("look", {"item": ["apples"]}), ("find", {"item": "apples"}), ("", {})],
    ids=["cut", "type", "name", "none"],
)
def test_a_model_that_cannot_make_the_call_is_set_aside_and_its_attempts_forgotten(wire: Wire, bad: tuple[str, Any]) -> None:
    wire.primary(call(bad))
    wire.fallback(LOOK, say(FINE))
    reply = ask(wire, agent())
    assert (reply.text, reply.status) == (FINE, "complete")
    assert wire.asked == ["api.openai.com"] * 2 + ["llm.fallback.example"] * 2
    assert [message["role"] for message in wire.messages(2)] == ["system", "user"]


def test_ids_are_made_good_before_they_are_kept(wire: Wire) -> None:
    twice = call(("look", {"item": "apples"}), ("look", {"item": "pears"}), ids=("same", "same"))
    without = call(("look", {"item": "plums"}), ids=(None,))
    wire.primary(twice, without, say(FINE))
    ask(wire, agent())
    asked = [made["id"] for message in wire.messages() for made in message.get("tool_calls", ())]
    told = [message["tool_call_id"] for message in wire.messages() if message["role"] == "tool"]
    assert asked == told
    assert len(set(asked)) == 3
    assert asked[0] == "same"


def test_one_call_asked_for_twice_in_one_answer_runs_once(wire: Wire) -> None:
    ran = []

    @tool
    async def count(item: str) -> int:
        """Count."""
        ran.append(item)
        return 3

    wire.primary(call(("count", {"item": "a"}), ("count", {"item": "a"}), ids=("one", "two")), say(FINE))
    assert ask(wire, agent(tools=[count])).text == FINE
    assert ran == ["a"]
    assert [message["tool_call_id"] for message in wire.messages() if message["role"] == "tool"] == ["one", "two"]


def test_too_many_calls_in_one_answer_are_answered_but_not_run(wire: Wire) -> None:
    many = call(*((("look", {"item": str(n)})) for n in range(128)), ids=tuple(f"id{n}" for n in range(128)))
    wire.primary(many, say(FINE))
    reply = ask(wire, agent())
    assert reply.text == FINE
    told = [message["content"] for message in wire.messages() if message["role"] == "tool"]
    assert (len(told), sum("not run" in text for text in told)) == (128, 112)


def test_garbage_in_an_answer_does_not_poison_the_next_request(wire: Wire) -> None:
    wire.primary(call(("look", '{"item": "a\\ud83d\\u0000"}'), ids=("call_a",)), say("Fine \ud83d\0."), say("Still fine."))
    helper = agent()
    assert ask(wire, helper).text == "Fine \ufffd."
    assert ask(wire, helper).text == "Still fine."


def test_a_model_that_goes_in_circles_makes_room_for_the_fallback(wire: Wire) -> None:
    wire.primary(*[call(("look", {"item": "apples"}), ids=(f"c{n}",)) for n in range(30)])
    wire.fallback(say(FINE))
    assert ask(wire, agent()).text == FINE
    assert wire.asked == ["api.openai.com"] * 3 + ["llm.fallback.example"]


def test_the_last_model_that_goes_back_and_forth_must_answer(wire: Wire) -> None:
    calls = [call(("look", {"item": "ab"[n % 2]}), ids=(f"c{n}",)) for n in range(5)]
    wire.primary(*calls, say("I am not sure."))
    reply = ask(wire, agent(fallback=False))
    assert wire.requests[-1][1]["tool_choice"] == "none"
    assert (reply.status, reply.answered_by) == ("degraded", "reduced")


def test_a_model_that_never_stops_calling_is_stopped(wire: Wire) -> None:
    wire.primary(*[call(("look", {"item": str(n)}), ids=(f"c{n}",)) for n in range(99)])
    reply = ask(wire, agent(fallback=False))
    assert (reply.status, len(wire.requests)) == ("max_steps_exceeded", 8)


def test_tokens_are_checked_before_a_call(wire: Wire) -> None:
    wire.primary(*[call(("look", {"item": str(n)}), ids=(f"c{n}",)) for n in range(9)])
    reply = ask(wire, agent(fallback=False, bounds=Bounds(tokens=1500)))
    assert reply.status == "budget_exceeded"
    assert reply.usage.tokens <= 1500


def test_money_is_checked_before_a_call(wire: Wire) -> None:
    dear = Model(name="dear", price=(1000.0, 10_000.0))
    wire.primary(say(FINE))
    reply = ask(wire, Agent("test", instructions="Help.", models=[dear], bounds=Bounds(money=5.0)))
    assert (reply.status, wire.requests) == ("budget_exceeded", [])


@pytest.mark.parametrize(
    "dead", [refused(), silent(), error(503), error(401), error(400), raw(b"{}")], ids=["refused", "silent", "503", "401", "400", "{}"]
)
def test_when_no_model_answers_the_reply_is_honest_and_in_time(wire: Wire, dead: Exchange) -> None:
    wire.primary(dead)
    wire.fallback(dead)
    helper = agent()
    reply = ask(wire, helper)
    assert (reply.status, reply.answered_by) == ("degraded", "safety_net")
    assert "could not" in reply.text
    assert isinstance(reply.error, AllModelsFailedError)
    assert set(reply.error.failures) == {"gpt-4o-mini", "backup"}
    assert wire.now < 45


def test_models_that_are_known_dead_are_not_asked_again(wire: Wire) -> None:
    wire.primary(error(503))
    wire.fallback(error(503))
    helper = agent()
    ask(wire, helper)
    requests, began = len(wire.requests), wire.now
    assert ask(wire, helper).answered_by == "safety_net"
    assert (len(wire.requests), wire.now) == (requests, began)


def test_without_lower_layers_a_failed_turn_has_a_typed_status(wire: Wire) -> None:
    wire.primary(error(503))
    reply = ask(wire, agent(fallback=False, degrade=False))
    assert reply.status == "incomplete"
    assert "gpt-4o-mini failed 4 times" in reply.text


def test_a_turn_that_did_not_complete_can_be_resumed_without_running_a_tool_twice(wire: Wire) -> None:
    ran = []

    @tool(effect="write")
    async def pay(amount: float, idempotency_key: str) -> dict[str, bool]:
        """Pay."""
        ran.append((amount, idempotency_key))
        return {"ok": True}

    wire.primary(call(("pay", {"amount": 5.0}), ids=("call_a",)), error(400), say("Paid 5."))
    helper = agent(fallback=False, tools=[pay])
    cut = ask(wire, helper, "Pay 5")
    assert (cut.status, cut.effects) == ("degraded", ("pay",))
    assert "pay(amount=5.0)" in cut.text
    handle = cut.resume
    assert handle is not None

    async def resume(name: str) -> Reply:
        return await helper.resume(name)

    assert wire.run(resume(handle)).text == "Paid 5."
    assert len(ran) == 1
    assert [message["role"] for message in wire.messages()] == ["system", "user", "assistant", "tool"]
    with pytest.raises(ResumeRefusedError):
        wire.run(resume(handle))


def test_a_cancelled_turn_leaves_a_valid_history(wire: Wire) -> None:
    @tool
    async def hang(item: str) -> str:
        """Hang."""
        await asyncio.sleep(1e6)
        return item

    wire.primary(call(("hang", {"item": "x"}), ids=("call_a",)), say(FINE))
    helper = agent(tools=[hang])

    async def cancelled() -> None:
        task = asyncio.ensure_future(helper("go"))
        await asyncio.sleep(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    wire.run(cancelled())
    assert ask(wire, helper).text == FINE
    assert [message["role"] for message in wire.messages()] == ["system", "user", "assistant", "tool", "user"]


def test_two_models_or_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        Agent("x", instructions="", models=[PRIMARY, PRIMARY])
    with pytest.raises(ValueError, match="same name"):
        Agent("x", instructions="", models=[PRIMARY], tools=[look, look])


def test_a_refusal_of_a_tool_is_an_observation_like_any_other(wire: Wire) -> None:
    @tool
    async def find(order: str) -> str:
        """Find."""
        raise ToolRefusedError(f"There is no order {order}.")

    wire.primary(call(("find", {"order": "1"}), ids=("call_a",)), say("I could not find order 1."))
    reply = ask(wire, agent(tools=[find]))
    assert (reply.status, reply.text) == ("complete", "I could not find order 1.")
    assert "There is no order 1." in wire.messages()[-1]["content"]


def payer(ran: list[str]) -> Tool:
    @tool(effect="write")
    async def pay(order: str, reason: str, idempotency_key: str) -> dict[str, bool]:
        """Pay."""
        ran.append(idempotency_key)
        return {"ok": True}

    return pay


def test_setting_a_model_aside_does_not_forget_what_ran(wire: Wire) -> None:
    ran: list[str] = []
    wire.primary(
        call(("pay", {"order": "A", "reason": "broken"}), ("bogus", {}), ids=("call_a", "call_b")), call(("bogus", {}), ids=("call_c",))
    )

    def sees(body: dict[str, Any]) -> Exchange:
        known = [message for message in body["messages"] if message["role"] == "tool" and "ok" in message["content"]]
        return say(FINE) if known else call(("pay", {"order": "A", "reason": "damaged"}), ids=("call_d",))

    wire.fallback(sees)
    reply = ask(wire, agent(tools=[payer(ran)]))
    assert (reply.text, reply.effects, len(ran)) == (FINE, ("pay",), 1)
    assert [message["role"] for message in wire.messages()] == ["system", "user", "assistant", "tool", "tool"]


@pytest.mark.parametrize("cut", ["another turn", "the resumed turn"])
def test_a_handle_is_worth_nothing_after_a_turn_that_was_cancelled(wire: Wire, cut: str) -> None:
    ran: list[str] = []
    pay = call(("pay", {"order": "A", "reason": "broken"}), ids=("call_a",))
    wire.primary(pay, silent())
    helper = agent(fallback=False, tools=[payer(ran)], bounds=Bounds(steps=1))
    handle = ask(wire, helper, "Pay A").resume
    assert handle is not None

    async def cancelled() -> None:
        task = asyncio.ensure_future(helper("Something else") if cut == "another turn" else helper.resume(handle))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ResumeRefusedError):
            await helper.resume(handle)

    wire.run(cancelled())
    assert len(ran) == 1


def test_arguments_that_no_reader_can_walk_do_not_end_the_turn(wire: Wire) -> None:
    wire.primary(
        call(("look", '{"item": 1' + "0" * 5_000 + "}"), ids=("call_a",)),
        call(("look", '{"item": ' + "[" * 700 + "]" * 700 + "}"), ids=("call_b",)),
        LOOK,
        say(FINE),
    )
    reply = ask(wire, agent(fallback=False))
    assert (reply.text, reply.status) == (FINE, "complete")


def test_a_turn_without_lower_layers_names_its_effects_too(wire: Wire) -> None:
    wire.primary(call(("pay", {"order": "A", "reason": "broken"}), ids=("call_a",)), error(400))
    reply = ask(wire, agent(fallback=False, degrade=False, tools=[payer([])]))
    assert reply.status == "incomplete"
    assert "This went through: pay(order=A, reason=broken)." in reply.text


def undecorated(item: str) -> str:
    """Look."""
    return item


MODEL = Model(name="gpt-4o-mini")


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"models": ["gpt-4o-mini"]}, TypeError, r"models=.*each Model\(name=\"gpt-4o-mini\"\); not 'gpt-4o-mini'\.$"),
        ({"models": MODEL}, TypeError, r"models=...\) takes a list of Models"),
        ({"models": "gpt-4o-mini"}, TypeError, r"models=...\) takes a list of Models"),
        ({"tools": [undecorated]}, TypeError, r"tools=.*a function decorated with @tool; not <function undecorated"),
        ({"tools": (one for one in [tool(undecorated)])}, TypeError, r"tools=...\) takes a list of Tools.*; not <generator"),
        ({"tools": None}, TypeError, r"tools=...\) takes a list of Tools.*; not None"),
        ({"tools": tool(undecorated)}, TypeError, r"tools=...\) takes a list of Tools"),
        ({"pattern": "plan"}, ValueError, r"no pattern 'plan'; there are react, bounded_react, plan_dag, plan_parallel\.$"),
        ({"checkpoints": "redis://u:hunter2@h"}, TypeError, r"The store of checkpoints must have load, save and aclose.*; str has not\.$"),
        ({"output": dict}, TypeError, r"The form of an answer is a pydantic model, not <class 'dict'>"),
    ],
)
def test_what_no_agent_can_be_made_of_is_refused_with_what_to_write(options: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        Agent("helper", instructions="", **{"models": [MODEL], **options})


@pytest.mark.parametrize("bound", ["steps", "tokens", "money", "seconds"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_what_bounds_nothing_is_refused(bound: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"Bounds\({bound}={value}\) is no bound"):
        Bounds(**{bound: value})
