"""One agent on three providers: when one is down, the next goes on in the middle of the work. It says what it does while it does it.

python examples/three_providers.py "Where is my order 5512?"

It needs ANTHROPIC_API_KEY, GEMINI_API_KEY and OPENAI_API_KEY, and `pip install 'agentlab-chaos[anthropic,google]'`.
"""

import asyncio
import sys

from agentlab import Agent, Model, Reply, TextDelta, ToolCalled, Withdrawn, tool

MODELS = [
    Model(name="claude-haiku-4-5", api="anthropic", stream=True, timeout=8.0, price=(1.0, 5.0)),
    Model(name="gemini-2.5-flash", api="google", stream=True, timeout=8.0, price=(0.30, 2.50)),
    Model(name="gpt-4.1-mini", api="openai-responses", stream=True, timeout=8.0, price=(0.40, 1.60)),
]


@tool
async def lookup_order(id: str) -> dict[str, str]:
    """Look an order up."""
    return {"id": id, "status": "delivered", "address": "12 Elm Street"}


def build() -> Agent:
    return Agent("orders", instructions="Answer questions about orders. Look them up.", models=MODELS, tools=[lookup_order])


async def main(question: str) -> None:
    async with build() as agent:
        async for event in agent.stream(question):
            match event:
                case TextDelta():
                    print(event.text, end="", flush=True)
                case Withdrawn():
                    print(f"\n[{event.reason}: that does not count]")
                case ToolCalled():
                    print(f"[{event.tool} {event.input}]")
                case Reply():
                    print(f"\n[{event.status}, by {event.steps[-1].model if event.steps else event.answered_by}]")


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Where is my order 5512?"))
