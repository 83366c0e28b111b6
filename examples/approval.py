"""Human approval: a large refund waits for somebody, without holding a process, and goes on with the answer.

python examples/approval.py

It needs OPENAI_API_KEY.
"""

import asyncio

from agentlab import Agent, Model, SqliteStore, tool


@tool(effect="write", approval=lambda call: call["amount"] > 20)
async def refund(order: str, amount: float, idempotency_key: str) -> str:
    """Refund an amount of an order."""
    return f"refunded {amount} under {idempotency_key}"


def build(path: str = "approvals.db") -> Agent:
    models = [Model(name="gpt-4o-mini", timeout=8.0)]
    return Agent("desk", instructions="Refund what is asked for.", models=models, tools=[refund], checkpoints=SqliteStore(path))


async def main() -> None:
    async with build() as agent:
        reply = await agent("Refund 49.90 for order 5512.")
    while reply.status == "paused" and reply.resume:
        yes = (await asyncio.to_thread(input, f"{reply.waiting} - yes or no? ")).strip() == "yes"
        async with build() as another:  # any process that shares the checkpoints
            reply = await another.resume(reply.resume, approve=yes, reason="" if yes else "Not without a photo.")
    print(reply)


if __name__ == "__main__":
    asyncio.run(main())
