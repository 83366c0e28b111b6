"""What takes the place of a plan's step that failed: with its own approval, and never where the step may have been done."""

from __future__ import annotations

from typing import Any

from agentlab import ApprovalRequest, Reply, Tool
from agentlab.agent import Agent

from .conftest import Wire, say
from .test_planning import PRIMARY, ask, plan, step

STEP = step("pay", "pay", {"amount": 5}, fallback="send_cheque")


class Payments:
    """Three ways to pay, and what was paid by each."""

    def __init__(self) -> None:
        self.paid: list[str] = []

    async def pay(self, amount: float) -> str:
        """Pay."""
        raise ConnectionRefusedError

    async def by_card(self, amount: float) -> str:
        """Pay by card."""
        self.paid.append("card")
        raise TimeoutError

    async def send_cheque(self, amount: float) -> str:
        """Send a cheque."""
        self.paid.append("cheque")
        return "sent"


def agent(*tools: Tool, **options: Any) -> Agent:
    return Agent("payer", instructions="Pay.", models=[PRIMARY], tools=tools, pattern="plan_dag", **options)


def test_a_yes_for_the_steps_tool_is_none_for_what_takes_its_place(wire: Wire) -> None:
    payments, asked = Payments(), list[str]()

    async def approve(request: ApprovalRequest) -> bool:
        asked.append(request.tool)
        return request.tool == "pay"

    wire.primary(plan(STEP), say("I could not pay."))
    tools = [Tool(body, effect="write", approval=True) for body in (payments.pay, payments.send_cheque)]
    ask(wire, agent(*tools, approve=approve))
    assert (asked, payments.paid) == (["pay", "send_cheque"], [])


def test_nothing_takes_the_place_of_a_step_that_its_tools_own_fallback_may_have_done(wire: Wire) -> None:
    payments = Payments()
    card = Tool(payments.by_card, effect="write")
    wire.primary(plan(STEP), say("I am not sure."))
    reply = ask(wire, agent(Tool(payments.pay, effect="write", fallback=card), Tool(payments.send_cheque, effect="write")))
    assert (payments.paid, reply.unconfirmed) == (["card"], ("by_card",))


def test_what_took_the_place_of_a_step_and_may_have_done_it_is_in_doubt_when_the_turn_is_resumed(wire: Wire) -> None:
    payments = Payments()
    tools = [Tool(payments.pay, effect="write"), Tool(payments.by_card, effect="write")]
    payer = agent(*tools)
    wire.primary(plan({**STEP, "fallback_tool": "by_card"}), say("I am not sure."), say("I am still not sure."))
    first = ask(wire, payer)

    async def works(amount: float) -> str:
        payments.paid.append("pay")
        return "paid"

    tools[0].function = works
    reply = wire.run(_resumed(payer, first.resume or ""))
    assert (payments.paid, reply.unconfirmed, reply.status) == (["card"], ("by_card",), "degraded")


async def _resumed(payer: Agent, handle: str) -> Reply:
    return await payer.resume(handle)
