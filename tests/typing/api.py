"""The public API as a user writes it, for the type checkers alone; never run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_type

import agentlab_faults as faults
import agentlab_reports as reports
from agentlab_faults.exchange import Exchange, WireRequest

from agentlab import Agent, Bounds, Model, Reply, StreamEvent, TextDelta, tool

if TYPE_CHECKING:
    from agentlab_suites.fixture import Chaos


@tool(effect="write", timeout=5.0)
async def refund(order: str, amount: float, idempotency_key: str) -> bool:
    """Refund an amount of an order."""
    return bool(order and amount and idempotency_key)


async def use_the_runtime() -> str:
    agent = Agent("support", instructions="Help.", models=[Model(name="gpt-4o-mini")], tools=[refund], bounds=Bounds(steps=4, seconds=20.0))
    reply = await agent("Refund order 5512.")
    assert_type(reply, Reply)
    assert_type(reply.effects, tuple[str, ...])
    return reply.text


async def watch_the_runtime() -> str:
    agent = Agent("support", instructions="Help.", models=[Model(name="claude-haiku-4-5", api="anthropic", stream=True)])
    shown = ""
    async for event in agent.stream("Where is order 5512?"):
        assert_type(event, StreamEvent)
        if isinstance(event, TextDelta):
            shown += event.text
    return shown


@faults.register(
    faults.Row(
        id="http_418",
        boundary="provider-http",
        family="teapot",
        category="permanent",
        scope="host",
        best={"once": "recoverable"},
        why="It is short and stout.",
        happens="On the first of April.",
        agent_should="Fail over.",
        rate=faults.Rate(0.0, "RFC 2324"),
    )
)
class Teapot(faults.Replaces):
    """The provider is a teapot."""

    status: int = 418

    def answer(self, request: WireRequest) -> Exchange:
        return Exchange(self.status, (("content-type", "text/plain"),), (request.method.encode(),))


def use_the_engine() -> bool:
    def conversation(talk: faults.Talk) -> None:
        talk.turn("hello")
        talk.reply(talk.settle(use_the_runtime()))

    schedule = faults.Schedule("teapot", (faults.Injection(fault=Teapot(), at="openai.chat.1"),))
    played = faults.play(conversation, faults.Setup(prompts=("hello",)), schedule, seed=7)
    assert_type(played, faults.Played)
    return any(strike.changed for strike in played.strikes)


def use_the_reports(results: Path, baseline: Path) -> int:
    suites = reports.read_results(results)
    verdict = reports.evaluate(suites, reports.read_results(baseline))
    assert_type(verdict, reports.Verdict)
    Path("report.html").write_text(reports.render_html(suites, verdict), encoding="utf-8")
    return verdict.exit_code


def use_the_fixture(chaos: Chaos) -> None:
    with chaos.inject("http_429_rate", at="openai.chat.1", retry_after=60.0):
        pass
    chaos.run(lambda: use_the_runtime, "hello", fault="http_500", shape="always", script=[{"say": "Hello."}])
