"""Plan-and-execute: a new colleague is set up by steps that run side by side where they can. Somebody approves the plan first.

python examples/onboarding.py "Ada starts on Monday, second floor."

It needs OPENAI_API_KEY. `agentlab test examples/onboarding.suite.yaml` breaks it, and needs no key.
"""

import asyncio
import sys
from typing import Any

from agentlab import Agent, Model, Tool, choose_pattern, tool


@tool(effect="write")
async def create_account(name: str, idempotency_key: str) -> dict[str, str]:
    """Create an account; gives its mail address."""
    return {"mail": f"{name.lower()}@shop.example", "created_under": idempotency_key}


@tool
async def find_desk(floor: int) -> str:
    """Find a free desk on a floor."""
    return f"{floor}-B12"


@tool(effect="write")
async def order_laptop(mail: str, desk: str, idempotency_key: str) -> bool:
    """Have a laptop brought to a desk."""
    return bool(mail and desk and idempotency_key)


@tool(effect="external")
async def send_welcome(mail: str, desk: str, idempotency_key: str) -> bool:
    """Send the welcome mail."""
    return bool(mail and desk and idempotency_key)


TOOLS: list[Tool] = [create_account, find_desk, order_laptop, send_welcome]


def ask_the_team(request: Any) -> bool:
    """Shown before anything runs: the plan, as JSON."""
    for step in request.arguments["steps"]:
        print(f"  {step['id']}: {step['tool']} {step['input']}" + (f" after {', '.join(step['depends_on'])}" if step["depends_on"] else ""))
    return not sys.stdin.isatty() or input("Go? [y/N] ").strip().lower() == "y"


def build() -> Agent:
    return Agent(
        "onboarding",
        instructions="You set up new colleagues: an account, a desk, a laptop, a welcome mail.",
        models=[Model(name="gpt-4o-mini")],
        tools=TOOLS,
        pattern=choose_pattern(len(TOOLS), "workflow"),
        approve=ask_the_team,
        approve_plans=True,
    )


async def main(wish: str) -> None:
    async with build() as agent:
        reply = await agent(wish)
        print(f"{reply}\n[{reply.status}; done: {', '.join(reply.effects) or 'nothing'}]")


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Ada starts on Monday, second floor."))
