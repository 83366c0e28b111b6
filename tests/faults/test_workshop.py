"""One execution of a tool under a fault: what the agent gets, what the ledger holds, and what is the lab's own failure."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import pytest
from agentlab_faults import (
    FAULT_FREE,
    BreaksTool,
    Injection,
    Played,
    Rate,
    Row,
    Schedule,
    Setup,
    Strike,
    Talk,
    Tool,
    ToolCall,
    commit,
    play,
    tool,
)
from agentlab_faults.journal import ToolEnded, ToolStarted
from agentlab_faults.script import Call, Say, ScriptSpec, Turn

Agent = Callable[[], Any]


class _Struck(BreaksTool):
    """Does what the test says."""

    row = Row(
        id="test_fault",
        boundary="tool",
        family="test",
        category="transient",
        scope="call",
        best={"once": "recoverable"},
        why="-",
        happens="-",
        agent_should="-",
        rate=Rate(0.0, "-"),
        kinds=frozenset({"tool"}),
    )
    does: Callable[[], Strike]

    def strike(self, call: ToolCall) -> Strike:
        del call
        return self.does()


def run(
    agent: Agent, tools: Mapping[str, Tool], does: Strike | Callable[[], Strike] | None = None, turns: tuple[Turn, ...] = (Say("ok"),)
) -> Played:
    def conversation(talk: Talk) -> None:
        talk.turn("go")
        talk.reply(talk.settle(agent()))

    schedule = FAULT_FREE
    if does is not None:
        strike = does if callable(does) else lambda: does
        schedule = Schedule("test", (Injection(fault=_Struck(does=strike), at="tool.work.1"),))
    return play(conversation, Setup(scripts=(ScriptSpec(turns=turns),), prompts=("go",), tools=tools), schedule)


def fake(**more: Any) -> dict[str, Tool]:
    return {"work": Tool(name="work", **more)}


def real(**more: Any) -> dict[str, Tool]:
    return fake(body="real", **more)


@tool
def work(order: str = "5512", amount: float = 1.0, key: Any = None) -> Any:
    return {"order": order, "amount": amount}


def attempts(played: Played) -> list[tuple[str, int]]:
    return [(execution.point, execution.attempt) for execution in played.ledger.executions]


def test_a_rewrite_to_an_equal_value_is_not_seen() -> None:
    played = run(work, fake(), Strike(runs=True, rewrite=lambda value: dict(reversed(value.items()))))
    assert [strike.changed for strike in played.strikes] == [False]


@pytest.mark.parametrize(
    "strike",
    [
        Strike(runs=True, rewrite=lambda _: {"ok": False}),
        Strike(runs=True, delay=1.0),
        Strike(runs=True, twice=True),
        Strike(runs=True, error=RuntimeError("lost")),
        Strike(runs=False),
    ],
)
def test_another_value_time_number_or_end_is_seen(strike: Strike) -> None:
    assert [struck.changed for struck in run(work, fake(effect="write"), strike).strikes] == [True]


def test_a_call_delivered_twice_runs_and_commits_twice() -> None:
    bodies: list[int] = []

    @tool
    def work() -> int:
        bodies.append(1)
        return len(bodies)

    played = run(work, real(effect="write"), Strike(runs=True, twice=True))
    assert (played.replies, len(played.ledger.of("work")), len(bodies)) == ((2,), 2, 2)


@pytest.mark.parametrize(("runs", "effect", "end"), [(True, "write", "unknown"), (True, "read", "raised"), (False, "write", "raised")])
def test_an_error_after_the_effect_leaves_the_end_unknown(runs: bool, effect: Any, end: str) -> None:
    played = run(work, fake(effect=effect), Strike(runs=runs, error=ConnectionResetError("lost")))
    assert (played.ending, str(played.error)) == ("raised", "lost")
    assert [execution.end for execution in played.ledger.executions] == [end]
    assert [event.end for event in played.journal if isinstance(event, ToolEnded)] == [end]


def test_what_the_agent_does_to_a_value_changes_no_later_one() -> None:
    returns = {"lines": [1]}

    def agent() -> Any:
        work()["lines"].append(2)
        return work()

    assert run(agent, fake(returns=returns)).replies == ({"lines": [1]},)
    assert returns == {"lines": [1]}


def test_a_fault_rewrites_its_own_copy_of_what_the_tool_returned() -> None:
    kept = {"lines": [1]}

    @tool
    def work() -> Any:
        return kept

    def spoil(value: Any) -> Any:
        value["lines"].append(2)
        return value

    played = run(work, real(), Strike(runs=True, rewrite=spoil))
    assert (played.replies, kept) == (({"lines": [1, 2]},), {"lines": [1]})
    assert [strike.changed for strike in played.strikes] == [True]


def test_what_is_left_over_runs_no_tool_after_the_end() -> None:
    ran: list[str] = []

    @tool
    async def work() -> None:
        ran.append("work")

    async def agent() -> str:
        async def cleanup() -> None:
            try:
                await asyncio.sleep(50)
            finally:
                await work()

        asyncio.ensure_future(cleanup())  # noqa: RUF006 - left over is what it is to be
        await asyncio.sleep(1)
        return "done"

    played = run(agent, real(effect="write"))
    assert (played.ending, ran, played.ledger.executions) == ("returned", [], [])


@pytest.mark.parametrize(
    ("strike", "second"), [(Strike(runs=True, delay=2.0), ("tool.work.2", 1)), (Strike(runs=False), ("tool.work.1", 2))]
)
def test_an_equal_call_after_an_answer_that_was_only_late_is_a_new_one(strike: Strike, second: tuple[str, int]) -> None:
    def agent() -> None:
        work()
        work()

    assert attempts(run(agent, fake(), strike)) == [("tool.work.1", 1), second]


def test_a_repeat_after_an_error_is_the_next_attempt() -> None:
    def agent() -> Any:
        try:
            return work()
        except ConnectionResetError:
            return work()

    played = run(agent, fake(), Strike(runs=True, error=ConnectionResetError("lost")))
    assert attempts(played) == [("tool.work.1", 1), ("tool.work.1", 2)]


def _bug() -> Strike:
    raise KeyError("bug in the fault")


def _rewrite_bug(value: Any) -> Any:
    raise TypeError("bug in the rewrite")


@pytest.mark.parametrize(
    ("tools", "does", "said"),
    [
        (fake(), _bug, "under test_fault: KeyError: 'bug in the fault'"),
        (fake(), Strike(runs=True, rewrite=_rewrite_bug), "under test_fault: TypeError: bug in the rewrite"),
        (fake(returns={"lock": threading.Lock()}), None, ": TypeError: cannot pickle"),
    ],
)
def test_the_labs_own_failure_never_reaches_the_agent(tools: dict[str, Tool], does: Any, said: str) -> None:
    seen: list[BaseException] = []

    def agent() -> Any:
        try:
            return work()
        except Exception as error:
            seen.append(error)
            raise

    played = run(agent, tools, does)
    assert (played.ending, seen, len(played.problems)) == ("lab", [], 1)
    assert played.problems[0].startswith("The lab failed at tool.work.1")
    assert said in played.problems[0]


def test_a_value_that_cannot_be_copied_is_the_agents_all_the_same() -> None:
    lock = threading.Lock()

    @tool
    def work() -> Any:
        return {1: lock, "b": 2}

    played = run(work, real())
    assert (played.ending, played.replies, played.problems) == ("returned", ({1: lock, "b": 2},), ())


@pytest.mark.parametrize("does", [None, Strike(runs=True, delay=1.0)])
def test_what_the_tool_itself_raises_is_the_agents_to_see(does: Strike | None) -> None:
    @tool
    def work() -> None:
        raise KeyError("no such order")

    played = run(work, real(effect="write"), does)
    assert (played.ending, type(played.error), played.problems) == ("raised", KeyError, ())
    assert [execution.end for execution in played.ledger.executions] == ["raised"]


def test_a_call_that_leaves_arguments_to_their_defaults_is_the_same_as_one_that_writes_them() -> None:
    def agent() -> None:
        work("5512")
        work(order="5512", amount=1.0, key="k")

    played = run(agent, fake(effect="write", key="key"))
    assert {event.arguments for event in played.journal if isinstance(event, ToolStarted)} == {'{"amount": 1.0, "order": "5512"}'}
    assert len(played.ledger.duplicates()) == 1


def test_arguments_taken_as_a_dict_have_identity_and_key() -> None:
    @tool
    def work(**arguments: Any) -> None: ...

    def agent() -> None:
        work(order="1", key=7)
        work(order="1", key="7")
        work(order="2", key=0)
        work(order="2", key="0")

    ledger = run(agent, fake(effect="write", identity=("order",), key="key")).ledger
    assert [(commit.identity, commit.key) for commit in ledger.commits] == [('{"order": "1"}', "7"), ('{"order": "2"}', "0")]
    assert (ledger.suppressed, ledger.duplicates()) == (2, [])


class _Desk:
    @tool
    def work(self, order: str, client: Any = object()) -> None: ...  # noqa: B008 - what is asked is what becomes of it


def test_two_runs_of_a_method_leave_the_same_journal() -> None:
    kept = [_Desk(), _Desk()]
    first, second = (run(lambda desk=desk: desk.work("1"), fake(effect="write")) for desk in kept)  # type: ignore[misc]  # a lambda's default
    assert first.journal == second.journal
    assert first.ledger.commits[0].identity == second.ledger.commits[0].identity == '{"client": "<object object>", "order": "1"}'


def test_an_effect_is_committed_when_the_body_says_so() -> None:
    @tool
    async def work() -> None:
        await asyncio.to_thread(commit)
        raise RuntimeError("after")

    played = run(work, real(effect="write"))
    assert [(execution.end, execution.commits) for execution in played.ledger.executions] == [("unknown", 1)]


def test_a_tool_that_never_answers_is_waited_for_by_the_agents_own_timeout() -> None:
    @tool
    async def work() -> None: ...

    async def agent() -> str:
        try:
            await asyncio.wait_for(work(), 5)
        except TimeoutError:
            return "late"
        return "done"

    played = run(agent, real(effect="write"), Strike(runs=True, delay=math.inf))
    assert (played.replies, played.seconds) == (("late",), 5.0)
    assert [execution.end for execution in played.ledger.executions] == ["unknown"]


def test_a_plain_wrapper_round_an_async_tool_gives_what_its_callers_await() -> None:
    async def lookup() -> None: ...

    @tool
    @functools.wraps(lookup)
    def work() -> Any:
        return lookup()

    async def agent() -> Any:
        return await asyncio.wait_for(work(), 1)

    assert run(agent, {"lookup": Tool(name="lookup", returns="found")}).replies == ("found",)


def test_two_calls_that_differ_in_what_one_leaves_to_its_default_run_once_each() -> None:
    @tool
    def work(order: str, amount: float = 1.0, note: str = "") -> None: ...

    def agent() -> str:
        messages: list[Any] = [{"role": "user", "content": "go"}]
        while True:
            body = {"model": "m", "messages": messages, "tools": [{"type": "function", "function": {"name": "work"}}]}
            url = "https://api.openai.com/v1/chat/completions"
            answer = httpx2.post(url, json=body, headers={"authorization": "Bearer key"}).json()["choices"][0]["message"]
            messages.append(answer)
            if not answer.get("tool_calls"):
                return str(answer["content"])
            for call in answer["tool_calls"]:
                work(**json.loads(call["function"]["arguments"]))
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": "fine"})

    both = Call((("work", {"order": "1"}), ("work", {"order": "1", "amount": 2.0})))
    played = run(agent, fake(effect="write"), turns=(both, Say("done")))
    assert (played.replies, len(played.ledger.executions)) == (("done",), 2)
