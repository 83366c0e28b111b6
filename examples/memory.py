"""Memory across sessions: what a customer said once is known the next time; of two sessions at once, neither overwrites the other.

python examples/memory.py "I am vegan."
python examples/memory.py "What do you recommend?"

It needs OPENAI_API_KEY.
"""

import asyncio
import sys

from agentlab import Agent, Memory, Model, SqliteStore


def both(name: str, theirs: str, mine: str) -> str:
    """What stands under a name that two sessions wrote."""
    return f"{theirs}; {mine}"


def build(path: str = "memory.db", customer: str = "customer-7") -> Agent:
    return Agent(
        "waiter",
        instructions="Recommend a dish. Remember what you learn about the guest.",
        models=[Model(name="gpt-4o-mini", timeout=8.0)],
        memory=Memory(SqliteStore(path), customer, merge=both),
    )


async def main(text: str) -> None:
    async with build() as agent:
        print(await agent(text))


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "What do you recommend?"))
