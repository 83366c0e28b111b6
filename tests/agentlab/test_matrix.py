"""The faults under which today's frameworks were measured (11 to 36 of 49 recovered): the exact answer or an honest failure, never another.

The agent looks in a knowledge base, checks an order, then answers. The eleven faults of a streamed answer cannot strike one that is not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from agentlab_faults import Exchange, Injection, Played, Rate, Replaces, Row, Schedule, Setup, Talk, WireRequest, play
from agentlab_faults.catalogue import select
from agentlab_faults.fault import Fault, Shape
from agentlab_faults.played import Tool as LabTool
from agentlab_faults.script import Call, Say, ScriptSpec

from agentlab import Bounds, Model, Reply, tool
from agentlab.agent import Agent

ANSWER = "Final: ORDER 42: shipped"
PROMPT = "Where is order 42?"
SETUP = Setup(
    scripts=(ScriptSpec(turns=(Call((("search_kb", {"query": "orders"}),)), Call((("check_order", {"order_id": "42"}),)), Say(ANSWER))),),
    prompts=(PROMPT,),
    tools={
        "search_kb": LabTool(name="search_kb", returns={"articles": ["Orders are shown by check_order."]}),
        "check_order": LabTool(name="check_order", returns={"order": "ORDER 42: shipped"}),
    },
    deadline=7200.0,
    max_requests=200,
)


@tool
async def search_kb(query: str) -> dict[str, Any]:
    """Search the knowledge base."""
    raise NotImplementedError


@tool
async def check_order(order_id: str) -> dict[str, Any]:
    """Look an order up."""
    raise NotImplementedError


class SameCallForEver(Replaces):
    """Every answer calls search_kb again."""

    row = Row(
        id="same_call_for_ever",
        boundary="semantic",
        family="loops",
        category="none",
        scope="model",
        best={"always": "needs_fallback"},
        why="The model is stuck.",
        happens="Seen with small models.",
        agent_should="Stop it.",
        rate=Rate(0.0, "none"),
    )

    def answer(self, request: WireRequest) -> Exchange:
        call = {
            "id": f"call_x{len(request.body)}",
            "type": "function",
            "function": {"name": "search_kb", "arguments": '{"query": "orders"}'},
        }
        choice = {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": None, "tool_calls": [call]}}
        body = {"id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [choice]}
        return Exchange(200, (("content-type", "application/json"),), (json.dumps(body).encode(),))


def fault(name: str, **settings: Any) -> Fault:
    return select([name])[0](**settings)


LLM: Sequence[tuple[Fault, int, Shape, bool]] = (
    # fault, model request, shape, whether an agent without a fallback can recover too
    (fault("net_connect_timeout"), 2, "once", True),
    (fault("net_connect_timeout"), 2, "always", False),
    (fault("net_read_timeout"), 2, "once", True),
    (fault("net_read_timeout"), 2, "always", False),
    (fault("http_429_rate", retry_after=30.0), 2, "once", True),
    (fault("http_429_rate", retry_after=30.0), 2, "x3", True),
    (fault("http_429_rate", retry_after=300.0), 2, "once", False),
    (fault("http_429_insufficient_quota"), 2, "once", False),
    (fault("http_429_insufficient_quota"), 2, "always", False),
    (fault("http_500"), 2, "once", True),
    (fault("http_503"), 2, "once", True),
    (fault("http_503"), 2, "x3", True),
    (fault("http_529_overloaded"), 2, "once", True),
    (fault("http_502_html"), 2, "once", True),
    (fault("http_401_revoked_key"), 2, "always", False),
    (fault("http_400_context_length"), 2, "once", True),
    (fault("net_conn_refused"), 1, "always", False),
    (fault("net_conn_refused"), 2, "once", True),
    (fault("body_truncated_json"), 2, "once", True),
    (fault("body_html_200"), 2, "once", True),
    (fault("body_error_in_200"), 2, "once", True),
    (fault("content_empty_choices"), 2, "once", True),
    (fault("content_null"), 3, "once", True),
    (fault("content_finish_filter"), 3, "once", False),
    (fault("content_finish_length"), 3, "once", True),
    (fault("tool_args_truncated", finish="length"), 2, "once", True),
    (fault("tool_args_truncated"), 2, "once", True),
    (fault("tool_args_truncated"), 2, "always", False),
    (fault("tool_args_wrong_types"), 2, "once", True),
    (fault("tool_args_wrong_types"), 2, "always", False),
    (fault("tool_unknown_name"), 2, "once", True),
    (fault("tool_unknown_name"), 2, "always", False),
    (fault("tool_dup_call_ids"), 2, "once", True),
    (SameCallForEver(), 1, "always", False),
)
TOOLS: Sequence[tuple[Fault, Shape, bool]] = (
    (fault("tool_exception"), "once", True),
    (fault("tool_exception"), "always", False),
    (fault("tool_timeout"), "once", True),
    (fault("tool_huge_result"), "once", True),
)


def run(injection: Injection | None, *, fallback: bool) -> Played:
    models = [Model(name="gpt-4o-mini")]
    if fallback:
        models.append(Model(name="backup", base_url="https://llm.fallback.example/v1", limit_field="max_tokens"))

    def conversation(talk: Talk) -> None:
        agent = Agent("orders", instructions="Use the tools.", models=models, tools=[search_kb, check_order], bounds=Bounds(seconds=120.0))
        talk.turn(PROMPT)
        talk.reply(talk.settle(agent(PROMPT)))

    clean = play(conversation, SETUP)
    return clean if injection is None else play(conversation, SETUP, Schedule("x", (injection,)), clean=clean.clean)


def check(played: Played, *, recovers: bool) -> None:
    assert played.strikes
    assert (played.ending, played.error, played.problems) == ("returned", None, ())
    (reply,) = played.replies
    assert isinstance(reply, Reply)
    assert played.seconds <= 121.0
    assert played.requests <= 20
    if recovers:
        assert (reply.text, reply.status) == (ANSWER, "complete")
    else:
        assert reply.status != "complete"
        assert "ORDER 42" not in reply.text


def test_the_agent_answers_without_a_fault() -> None:
    (reply,) = run(None, fallback=False).replies
    assert reply.text == ANSWER


@pytest.mark.parametrize(
    ("broken", "request_", "shape", "alone"), LLM, ids=[f"{f.row.id}-{shape}-{n}" for n, (f, _, shape, _) in enumerate(LLM)]
)
@pytest.mark.parametrize("fallback", [True, False], ids=["with a fallback", "alone"])
def test_a_model_fault(broken: Fault, request_: int, shape: Shape, alone: bool, fallback: bool) -> None:
    injection = Injection(fault=broken, at=f"openai.chat.{request_}", shape=shape)
    check(run(injection, fallback=fallback), recovers=alone or fallback)


@pytest.mark.parametrize(("broken", "shape", "recovers"), TOOLS, ids=[f"{f.row.id}-{shape}" for f, shape, _ in TOOLS])
def test_a_tool_fault(broken: Fault, shape: Shape, recovers: bool) -> None:
    check(run(Injection(fault=broken, at="tool.check_order.1", shape=shape), fallback=True), recovers=recovers)
