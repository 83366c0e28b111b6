"""Tools that write: once, under their key, named when they may have happened, and asked about when a later turn wants them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentlab import Tool, ToolRefusedError, tool

from .conftest import Wire, call, error, say
from .test_tools import DONE, PAY, Broken, agent, ask, told


def test_a_write_is_tried_again_under_the_same_key(wire: Wire) -> None:
    body = Broken(TimeoutError(), TimeoutError(), after=True)
    wire.primary(PAY, say(DONE))
    reply = ask(wire, agent(body.writer()))
    assert (reply.text, reply.status, reply.effects, reply.unconfirmed) == (DONE, "complete", ("pay",), ())
    assert (len(body.keys), len(body.commits)) == (3, 1)


def test_a_write_without_a_key_is_not_tried_again_if_it_may_have_happened(wire: Wire) -> None:
    tries = []

    @tool(effect="external")
    async def email(to: str) -> str:
        """Send."""
        tries.append(to)
        raise TimeoutError

    wire.primary(call(("email", {"to": "a"}), ids=("a",)), say("I am not sure the mail was sent."))
    reply = ask(wire, agent(email))
    assert tries == ["a"]
    assert (reply.status, reply.unconfirmed) == ("degraded", ("email",))
    assert "may have gone through" in reply.text
    assert "email(to=a)" in reply.text


def test_a_write_that_certainly_did_not_happen_is_not_named(wire: Wire) -> None:
    @tool(effect="external")
    async def email(to: str) -> str:
        """Send."""
        raise ConnectionRefusedError

    wire.primary(call(("email", {"to": "a"}), ids=("a",)), say("I could not send it."))
    reply = ask(wire, agent(email))
    assert (reply.effects, reply.status) == ((), "degraded")
    assert "gone through" not in reply.text


def test_a_refusal_is_neither_tried_again_nor_an_effect(wire: Wire) -> None:
    body = Broken(ToolRefusedError("Too much."), forever=True)
    wire.primary(PAY, say("That is too much."))
    reply = ask(wire, agent(body.writer()))
    assert (len(body.keys), reply.effects, reply.status) == (1, (), "complete")


def test_a_refusal_after_a_lost_attempt_leaves_the_effect_open(wire: Wire) -> None:
    body = Broken(TimeoutError(), ToolRefusedError("Paid already."))
    wire.primary(PAY, say("It was refused."))
    reply = ask(wire, agent(body.writer()))
    assert reply.unconfirmed == ("pay",)
    assert "may have gone through" in reply.text


def test_the_same_write_again_in_one_turn_is_done_once(wire: Wire) -> None:
    body = Broken()
    wire.primary(PAY, call(("pay", {"amount": 5.0}), ids=("call_q",)), say(DONE))
    ask(wire, agent(body.writer()))
    assert len(body.keys) == 1
    assert "done already" in told(wire)[1]


def test_the_same_write_in_a_later_turn_is_asked_about_and_then_done_under_a_new_key(wire: Wire) -> None:
    body = Broken()
    again, and_again = (call(("pay", {"amount": 5}), ids=(name,)) for name in ("call_q", "call_r"))
    wire.primary(PAY, say(DONE), again, and_again, say(DONE))
    helper = agent(body.writer())
    ask(wire, helper)
    assert ask(wire, helper).effects == ("pay",)
    assert len(set(body.keys)) == 2
    assert told(wire)[1].startswith("In an earlier turn this very call was made and went through")


def test_a_write_that_slips_into_a_later_turn_is_not_done_again(wire: Wire) -> None:
    body = Broken()
    wire.primary(PAY, say(DONE), call(("pay", {"amount": 5}), ids=("call_q",)), say("It was done before."))
    helper = agent(body.writer())
    ask(wire, helper)
    assert ask(wire, helper, "Thank you!").effects == ()
    assert len(body.keys) == 1


def test_a_write_without_a_key_that_may_have_happened_is_made_again_only_if_a_later_turn_insists(wire: Wire) -> None:
    tries = []

    @tool(effect="external")
    async def email(to: str) -> str:
        """Send."""
        tries.append(to)
        if len(tries) == 1:
            raise TimeoutError
        return "sent"

    mails = [call(("email", {"to": "a"}), ids=(name,)) for name in "abcd"]
    wire.primary(mails[0], mails[1], say("I am not sure."), mails[2], mails[3], say(DONE))
    helper = agent(email)
    assert ask(wire, helper).unconfirmed == ("email",)
    assert (len(tries), "not tried again" in told(wire)[1]) == (1, True)
    assert ask(wire, helper, "It did not arrive, send it again.").unconfirmed == ()
    assert (len(tries), "may have gone through" in told(wire)[2]) == (2, True)


def test_a_repeatable_write_is_done_as_often_as_it_is_asked_for(wire: Wire) -> None:
    body = Broken()
    wire.primary(PAY, call(("pay", {"amount": 5}), ids=("call_q",)), say(DONE))
    ask(wire, agent(body.writer(repeatable=True)))
    assert len(set(body.keys)) == 2


def test_a_write_that_ended_unknown_keeps_its_key_into_the_next_turn(wire: Wire) -> None:
    body = Broken(*[TimeoutError()] * 3, after=True)
    wire.primary(PAY, say("I am not sure."), call(("pay", {"amount": 5}), ids=("call_q",)), say(DONE))
    helper = agent(body.writer())
    assert ask(wire, helper).unconfirmed == ("pay",)
    assert ask(wire, helper).unconfirmed == ()
    assert len(body.commits) == 1


def test_a_write_is_never_run_on_repaired_arguments(wire: Wire) -> None:
    body = Broken()
    wire.primary(call(("pay", "{'amount': 5}"), ids=("a",)), PAY, say(DONE))
    ask(wire, agent(body.writer()))
    assert len(body.keys) == 1
    assert "not valid JSON" in told(wire)[0]


def test_a_wrong_result_of_a_write_leaves_the_effect_open(wire: Wire) -> None:
    async def pay(amount: float, idempotency_key: str) -> dict[str, bool]:
        """Pay."""
        return "<html>"  # type: ignore[return-value]  # the wrong type is the point

    wire.primary(PAY, say("It is not clear."))
    assert ask(wire, agent(Tool(pay, effect="write"))).unconfirmed == ("pay",)


OUTAGES: dict[str, Callable[[], list[Any]]] = {"503": lambda: [error(503)], "400": lambda: [error(400)]}


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_write_before_an_outage_is_named_and_never_denied(wire: Wire, outage: str) -> None:
    wire.primary(PAY, *OUTAGES[outage]())
    reply = ask(wire, agent(Broken().writer()))
    assert (reply.answered_by, reply.effects) == ("safety_net", ("pay",))
    assert "This went through: pay(amount=5.0)." in reply.text
    assert "Nothing was changed" not in reply.text


def test_an_outage_before_any_write_is_said_to_have_changed_nothing(wire: Wire) -> None:
    wire.primary(error(503))
    assert "Nothing was changed" in ask(wire, agent(Broken().writer())).text


def test_a_repeatable_write_asked_for_twice_in_one_answer_is_done_twice(wire: Wire) -> None:
    body = Broken()
    wire.primary(call(("pay", {"amount": 5}), ("pay", {"amount": 5}), ids=("one", "two")), say(DONE))
    ask(wire, agent(body.writer(repeatable=True)))
    assert len(set(body.keys)) == 2
    assert told(wire) == ['{"ok": true}'] * 2


def test_a_write_asked_for_twice_in_one_answer_is_done_once(wire: Wire) -> None:
    body = Broken()
    wire.primary(call(("pay", {"amount": 5}), ("pay", {"amount": 5}), ids=("one", "two")), say(DONE))
    ask(wire, agent(body.writer()))
    assert len(body.keys) == 1


class HttpError(Exception):
    """An error as httpx and requests raise it: the status is the response's."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.response = type("Response", (), {"status_code": status, "headers": {}})()


@pytest.mark.parametrize(
    ("error", "open_"),
    [
        (RuntimeError("refund 991 booked; the mail was not sent: rate limit"), True),
        (RuntimeError("paid, but: Invalid API key"), True),
        (NotImplementedError("printing"), True),
        (HttpError(500, "rate limit"), True),
        (HttpError(400), False),
        (HttpError(401), False),
        (HttpError(429, "Too many requests"), False),
        (ConnectionRefusedError(), False),
    ],
    ids=str,
)
def test_only_a_status_or_a_call_that_never_left_makes_it_certain_that_nothing_happened(wire: Wire, error: Exception, open_: bool) -> None:
    body = Broken(error, forever=True)
    wire.primary(PAY, say("I could not pay."))
    reply = ask(wire, agent(body.writer()))
    assert reply.unconfirmed == (("pay",) if open_ else ())
    assert ("may have gone through" in reply.text) is open_


def test_what_a_fallback_did_is_not_done_again_in_the_turn(wire: Wire) -> None:
    own, other = Broken(ConnectionRefusedError(), forever=True), Broken()
    wire.primary(PAY, call(("pay", {"amount": 5.0}), ids=("call_q",)), say(DONE))
    ask(wire, agent(own.writer(fallback=other.writer(name="pay_by_card"))))
    assert len(other.keys) == 1
    assert "done already" in told(wire)[1]


def test_what_a_fallback_may_have_done_is_not_tried_again_by_the_tool(wire: Wire) -> None:
    own, sent = Broken(ConnectionRefusedError(), ConnectionRefusedError(), ConnectionRefusedError()), []

    async def by_card(amount: float) -> str:
        """Pay by card."""
        sent.append(amount)
        raise TimeoutError

    wire.primary(PAY, call(("pay", {"amount": 5.0}), ids=("call_q",)), say("I am not sure."))
    ask(wire, agent(own.writer(fallback=Tool(by_card, effect="write"))))
    assert (len(sent), len(own.commits)) == (1, 0)


def test_a_fallback_that_needs_approval_is_asked_about(wire: Wire) -> None:
    own, other = Broken(ConnectionRefusedError(), forever=True), Broken()
    wire.primary(PAY, say("I could not pay."))
    reply = ask(wire, agent(own.writer(fallback=other.writer(name="pay_by_card", approval=True))))
    assert (len(other.keys), reply.missing) == (0, ("pay",))
