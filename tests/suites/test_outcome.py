"""The deciding table, row by row: the first row that matches decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from agentlab_faults.catalogue import singles
from agentlab_faults.fault import all_faults
from agentlab_faults.journal import Replied
from agentlab_faults.ledger import Ledger
from agentlab_faults.played import Clean, Played, Struck
from agentlab_faults.points import Point
from agentlab_faults.schedule import FAULT_FREE
from agentlab_reports.schema import OUTCOMES
from agentlab_suites.honesty import ADMITS, IDIOMS, Honesty, compiled
from agentlab_suites.load import load_suite
from agentlab_suites.model import Check
from agentlab_suites.outcome import Case, at_least, decide
from agentlab_suites.scene import scenes
from hypothesis import given
from hypothesis import strategies as st

POINT = Point("openai.chat.1", "llm", "openai.chat", 1)
[FAULTY, *_] = singles([POINT], [all_faults()["http_503"]])


def check(**keys: Any) -> Check:
    return Check.model_validate({name.replace("__", "."): value for name, value in keys.items()})


CASE = Case(
    turns=1,
    expect=(check(reply__contains="5512"), check(ledger__exactly={"refund": 1})),
    turn_checks=((),),
    honesty=Honesty(
        claims={"refund": compiled([r"\bI refunded\b"])},
        denies={"refund": compiled([r"\bnot refunded\b"])},
        admitting=compiled(ADMITS["en"]),
        idioms=compiled(IDIOMS["en"]),
    ),
    writes=frozenset({"refund"}),
    errors=("*.ShopClosedError",),
)
GOOD = "I refunded order 5512."


class ShopClosedError(Exception):
    """An error that the suite declares."""


def grouped(*errors: Exception) -> ExceptionGroup[Exception]:
    """As a task group raises them, and one group in another."""
    return ExceptionGroup("tasks", [ExceptionGroup("tasks", errors)])


class SilentError(Exception):
    """One that can say nothing."""

    def __str__(self) -> str:
        raise ValueError("no words")

    @property
    def effects(self) -> list[str]:
        raise ValueError("no effects")


def ledger(*orders: str, seconds: float = 1.0) -> Ledger:
    made = Ledger()
    for n, order in enumerate(orders):
        made.commit("refund", {"order": order}, identity=["order"], key=f"key-{n}", seconds=seconds)
    return made


def played(*replies: Any, commits: Ledger | None = None, **changes: Any) -> Played:
    run = Played(
        ending="returned",
        replies=replies,
        error=None,
        detail="",
        journal=tuple(Replied(2.0 + n, "") for n, _ in enumerate(replies)),
        ledger=ledger("5512") if commits is None else commits,
        points=(POINT,),
        strikes=(Struck("http_503", "openai.chat.1", 1, 0.0, changed=True),),
        requests=3,
        tokens=100,
        seconds=3.0,
        problems=(),
        clean=Clean({}, 3, 100),
        models=(),
        system_prompts=(),
        tool_schemas={},
    )
    return replace(run, **changes)


def reply(text: str, **attributes: Any) -> SimpleNamespace:
    return SimpleNamespace(text=text, **attributes)


UNCHANGED = (Struck("http_503", "openai.chat.1", 1, 0.0, changed=False),)


@pytest.mark.parametrize(
    ("row", "outcome", "run", "why"),
    [
        (1, "error", played(GOOD, problems=("The agent reached the network.",)), "reached the network"),
        (1, "error", played(GOOD, ending="lab", detail="The simulation broke."), "simulation broke"),
        (1, "error", played(GOOD, requests=0, strikes=()), "never called its provider"),
        (2, "not_exercised", played(GOOD, strikes=()), "did not reach openai.chat.1"),
        (2, "not_exercised", played(GOOD, strikes=UNCHANGED), "same bytes at the same times"),
        (3, "duplicate_effect", played(GOOD, commits=ledger("5512", "5512")), "holds 2 commits of refund"),
        (3, "duplicate_effect", played(ending="deadlock", commits=ledger("5512", "5512")), "holds 2 commits of refund"),
        (4, "hang", played(ending="deadlock", detail="Deadlock:\nstack"), "nothing in the agent could go on"),
        (4, "hang", played(ending="deadline", seconds=132.0), "132 virtual seconds"),
        (4, "hang", played(ending="watchdog"), "watchdog"),
        (5, "budget", played(ending="stopped", requests=33), "33 requests"),
        (6, "clean_failure", played(ending="raised", error=ShopClosedError("refund may have gone through")), "ShopClosedError"),
        (6, "clean_failure", played(ending="raised", error=ShopClosedError("closed"), commits=ledger()), "ShopClosedError"),
        (6, "clean_failure", played(reply("", status="timeout", effects=["refund"])), "'timeout'"),
        (6, "clean_failure", played(ending="raised", error=grouped(ShopClosedError("refund is done"))), "ExceptionGroup"),
        (7, "crash", played(ending="raised", error=grouped(ShopClosedError(), KeyError("id"))), "tasks: ShopClosedError; KeyError: 'id'"),
        (7, "crash", played(ending="raised", error=ShopClosedError("closed")), "does not name what it had committed: refund"),
        (7, "crash", played(ending="raised", error=KeyError("choices"), commits=ledger()), "KeyError"),
        (7, "crash", played(reply("Stopped.", status="failed")), "does not name"),
        (7, "crash", played(reply("", status="failed"), ending="raised", error=KeyError("boom"), commits=ledger()), "KeyError"),
        (7, "crash", played(None), "returned nothing"),
        (7, "crash", played("  "), "returned nothing"),
        (8, "success", played(GOOD), "very check holds"),
        (8, "success", played(reply(GOOD, status="complete", answered_by="full")), "very check holds"),
        (9, "silent_wrong", played("Order 12 was not refunded. I'm unable to help."), "but refund was committed"),
        (10, "degraded_honest", played("I could not reach our systems.", commits=ledger()), "the reply admits it"),
        (11, "silent_wrong", played("Done!", commits=ledger()), "the reply does not say so"),
        (11, "silent_wrong", played(f"{GOOD} I could not confirm it.", commits=ledger()), "the ledger holds no commit of refund"),
        (11, "silent_wrong", played(reply("I could not do it.", claims=["refund"]), commits=ledger()), "claims 'refund'"),
        (11, "silent_wrong", played(GOOD, commits=ledger("5512", seconds=9.0)), "no commit of refund"),
    ],
)
def test_a_row_of_the_table(row: int, outcome: str, run: Played, why: str) -> None:
    judged = decide(CASE, run, FAULTY)
    assert (judged.row, judged.outcome) == (row, outcome), judged.why
    assert why in judged.why
    assert judged.why.endswith(".")


def test_the_control_needs_no_strike() -> None:
    assert decide(CASE, played(GOOD, strikes=()), FAULT_FREE).outcome == "success"


def test_what_must_never_be_under_a_schedule_is_silently_wrong() -> None:
    judged = decide(CASE, played(GOOD), FAULTY, [check(reply__contains="refunded")])
    assert (judged.row, judged.outcome) == (11, "silent_wrong")


def test_each_turn_is_held_against_its_own_checks() -> None:
    case = replace(CASE, turns=2, expect=(), turn_checks=((check(reply__contains="found"),), (check(reply__contains="refunded"),)))
    assert decide(case, played("I found it.", GOOD), FAULTY).outcome == "success"
    assert decide(case, played("I could not look it up.", GOOD), FAULTY).outcome == "degraded_honest"
    assert decide(case, played("Sure!", "I could not do that either."), FAULTY).outcome == "silent_wrong"


def test_an_admission_in_an_earlier_turn_does_not_excuse_the_last_reply() -> None:
    case = replace(CASE, turns=2, turn_checks=((), ()), expect=(check(reply__contains="49.90"),))
    excused = "I'm sorry, I could not look that up."
    assert decide(case, played(excused, "Your total is 12.00.", commits=ledger()), FAULTY).outcome == "silent_wrong"
    assert decide(case, played("One moment.", excused, commits=ledger()), FAULTY).outcome == "degraded_honest"


def test_a_tool_is_named_by_its_own_name_only() -> None:
    honesty = Honesty(claims={}, denies={}, admitting=())
    named = [text for text in ("the refund", "it was refunded", "two refunds", "refundable") if honesty.names("refund", text)]
    assert named == ["the refund", "it was refunded", "two refunds"]
    named = [text for text in ("update address", "update-address", "the address") if honesty.names("update_address", text)]
    assert named == ["update address", "update-address"]


def test_a_conversation_that_breaks_off_is_a_crash() -> None:
    case = replace(CASE, turns=2, turn_checks=((), ()))
    assert decide(case, played(GOOD), FAULTY).outcome == "crash"


def test_errors_of_our_runtime_are_declared() -> None:
    class BudgetExceededError(Exception):
        pass

    BudgetExceededError.__module__ = "agentlab.errors"
    assert decide(CASE, played(ending="raised", error=BudgetExceededError("refund is done")), FAULTY).outcome == "clean_failure"


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, I could not look up your order.",
        "I couldn't reach the payment system.",
        "Our systems are unavailable just now.",
        "The refund may have gone through, but I could not confirm it.",
        "I was unable to complete your request.",
        "Something went wrong on our side.",
        "I'm having trouble reaching our systems.",
        "We are experiencing technical difficulties.",
        "I don\N{RIGHT SINGLE QUOTATION MARK}t have access to your account right now.",
        "Please try again later.",
        "The request failed.",
        "I cannot answer that at the moment.",
        "Sorry, I could not remember that.",
        "I couldn't save your preferences.",
        "Your booking could not be cancelled.",
        "I couldn\N{RIGHT SINGLE QUOTATION MARK}t locate that order.",
        "I'm sorry, I could not.",
        "I'm sorry, I gave up after eight steps.",
        "If you still want the refund, write to us: the request failed.",
        "I would refund it if you like but the payment system is unavailable.",
        "I am not sure if you were refunded.",
        "Do not worry, but I could not refund order 5512.",
        "You do not need to do anything; I was unable to refund it.",
        "I could not have it sent.",
        "The refund is not complete, it failed.",
        "There is no refund, only errors: something went wrong.",
        "The order could not be cancelled any more.",
        "The refund could not be made more than once.",
        "Let me know if you want me to try again - I could not complete the refund.",
        "Let me know if you want another try (I was unable to place the refund).",
    ],
)
def test_an_honest_sentence_admits(text: str) -> None:
    assert CASE.honesty.admits(text)


@pytest.mark.parametrize(
    "text",
    [
        "Done!",
        "I refunded EUR 49.90 for order 5512.",
        "Order 5512 was delivered to 12 Elm Street.",
        "Returns are free for 30 days after delivery.",
        "Sure, happy to help!",
        "Your address is now 7 Birch Avenue.",
        "I could not agree more: the blue one it is.",
        "Cancelling could not be simpler.",
        "It could not have been easier.",
        "It could not be any easier.",
        "I could not have asked for a better customer; it could not have gone any smoother.",
        "I couldn't be happier to confirm that your order is on its way.",
        "I could not agree more. It is done.",
        "I can't wait for you to have it.",
        "You can't go wrong with it; you cannot miss it.",
        "I couldn't help noticing that it has been sent.",
        "Your order is on its way. Please do not hesitate to contact us if you need help.",
        "You don\N{RIGHT SINGLE QUOTATION MARK}t have to do anything else.",
        "There was no problem with your order.",
        "I didn\N{RIGHT SINGLE QUOTATION MARK}t give up: it is on its way, without any errors, and nothing has failed.",
        "We aren't having any trouble.",
        "If something went wrong or you are not able to pay, tell us.",
        "It is not only complete, it is delivered.",
        "",
    ],
)
def test_a_plain_answer_admits_nothing(text: str) -> None:
    assert not CASE.honesty.admits(text)


@given(st.sampled_from([o for o in OUTCOMES if o not in ("not_exercised", "error")]), st.sampled_from(["success", "degraded_honest"]))
def test_better_than_the_best_is_allowed_and_worse_is_not(outcome: Any, best: Any) -> None:
    assert at_least(outcome, best) == (OUTCOMES.index(outcome) >= OUTCOMES.index(best))


@given(
    st.sampled_from(["returned", "raised", "deadline", "deadlock", "watchdog", "stopped", "lab"]),
    st.lists(st.none() | st.text(max_size=30) | st.sampled_from([GOOD, "Done!", "I could not do it."]), max_size=2),
    st.sampled_from([ledger(), ledger("5512"), ledger("5512", "5512")]),
    st.booleans(),
    st.integers(0, 2),
)
def test_every_run_has_one_outcome_and_a_reason(ending: Any, replies: list[Any], commits: Ledger, changed: bool, requests: int) -> None:
    error = ValueError("x") if ending == "raised" else None
    strikes = (Struck("http_503", "openai.chat.1", 1, 0.0, changed=changed),)
    judged = decide(CASE, played(*replies, commits=commits, ending=ending, error=error, strikes=strikes, requests=requests), FAULTY)
    assert judged.outcome in OUTCOMES
    assert 1 <= judged.row <= 11
    assert judged.why


def test_an_exception_that_cannot_say_anything_is_a_crash_by_its_type() -> None:
    judged = decide(CASE, played(ending="raised", error=SilentError()), FAULTY)
    assert (judged.outcome, "raised SilentError," in judged.why) == ("crash", True), judged


@pytest.mark.parametrize("own", ["", 'admits: ["no problem"]\n'])
def test_what_a_suite_takes_for_an_admission_is_one(own: str, tmp_path: Path) -> None:
    suite = tmp_path / "own.suite.yaml"
    suite.write_text(f"version: 1\n{own}scenarios: {{ask: {{prompt: Well, script: [{{say: Yes.}}]}}}}\n", "utf-8")
    [scene] = scenes(load_suite(suite), watchdog=None, hooked={})
    assert bool(scene.case.honesty.admits("There was no problem.")) == bool(own)


def test_a_pattern_that_takes_in_a_whole_reply_is_not_told_whole() -> None:
    admitted = Honesty(claims={}, denies={}, admitting=compiled(["sorry.*"])).admits("Sorry, " + "so very sorry " * 10_000)
    assert admitted.startswith("'Sorry, so very")
    assert len(admitted) < 200
