"""Workers that share what they know: one finds out that a provider is down, the others leave it alone, and one of them probes it later.

REDIS_URL=redis://localhost:6379/0 python examples/shared_breakers.py "When are you open?"

Start it as often as you like. It needs OPENAI_API_KEY and `pip install 'agentlab-chaos[redis]'`.
"""

import asyncio
import os
import sys

from agentlab import Agent, BreakerPolicy, Model, RedisBreakers


def build(breakers: RedisBreakers) -> Agent:
    return Agent(
        "desk",
        instructions="Answer in one sentence.",
        models=[Model(name="gpt-4o-mini", timeout=8.0)],
        model_breaker=BreakerPolicy(failures=3, reset=30.0, shared=breakers),
        tool_breaker=BreakerPolicy(failures=5, reset=10.0, shared=breakers),
    )


async def main(question: str, breakers: RedisBreakers) -> None:
    try:
        async with build(breakers) as agent:
            reply = await agent(question)
            print(reply, f"[by {reply.answered_by}]")
    finally:
        await breakers.aclose()


if __name__ == "__main__":
    redis = RedisBreakers.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379/0"))
    asyncio.run(main(" ".join(sys.argv[1:]) or "When are you open?", redis))
