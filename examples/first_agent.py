import asyncio

from agentlab import Agent, Model


async def main() -> None:
    async with Agent("helper", instructions="Be brief.", models=[Model(name="gpt-4o-mini")]) as agent:
        print(await agent("What is an idempotency key?"))


if __name__ == "__main__":
    asyncio.run(main())
