"""Tools that read, write and reach outside: effects happen at most once, and a run that a crash cut goes on where it stood.

python examples/tools_and_effects.py "Refund order 5512 and tell Ann."

It needs OPENAI_API_KEY. Kill it while it works, and start it again with the same words: it resumes.
"""

import asyncio
import sys

from agentlab import Agent, Model, Reply, SqliteStore, tool


@tool
async def order_replica(id: str) -> dict[str, float]:
    """The order, from a copy of an hour ago."""
    return {"total": 49.90}


@tool(timeout=5.0, concurrency=4, fallback=order_replica)
async def lookup_order(id: str) -> dict[str, float]:
    """Look an order up."""
    raise ConnectionError("the order system is down today")


@tool(effect="write")
async def refund(order: str, amount: float, idempotency_key: str) -> str:
    """Refund an amount of an order. The bank does nothing twice under one key."""
    return f"refunded under {idempotency_key}"


@tool(effect="external")
def send_mail(to: str, text: str) -> str:
    """Send a mail. It takes no key, so it is never sent again when nobody knows whether it went out."""
    return "sent"


def build(path: str = "checkpoints.db") -> Agent:
    return Agent(
        "desk",
        instructions="Do what the customer asks.",
        models=[Model(name="gpt-4o-mini", timeout=8.0)],
        tools=[lookup_order, refund, send_mail],
        checkpoints=SqliteStore(path),
        conversation="ticket-17",
    )


async def work(agent: Agent, text: str) -> Reply:
    """Answer; or go on with what was begun and did not complete."""
    handle = await agent.unfinished()
    return await (agent.resume(handle) if handle else agent(text))


async def main(text: str) -> None:
    async with build() as agent:
        reply = await work(agent, text)
        print(reply, f"[{reply.status}; done: {', '.join(reply.effects) or 'nothing'}]")


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Refund order 5512 and tell Ann."))
