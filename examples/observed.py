"""What an agent does, seen: one line for each span on the terminal, or everything in a collector if the standard variables name one.

python examples/observed.py "Where is my order 5512?"
OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 OTEL_SERVICE_NAME=shop python examples/observed.py

It needs OPENAI_API_KEY, and for a collector `pip install 'agentlab-chaos[otlp]'`.
"""

import asyncio
import os
import sys

from agentlab import Agent, Model, telemetry, tool


@tool
async def lookup_order(id: str) -> dict[str, str]:
    """Look an order up."""
    return {"id": id, "status": "delivered"}


def build() -> Agent:
    return Agent("orders", instructions="Answer questions about orders.", models=[Model(name="gpt-4o-mini")], tools=[lookup_order])


async def main(question: str) -> None:
    stop = telemetry.otlp() if "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ else telemetry.console()
    try:
        async with build() as agent:
            print(await agent(question))
    finally:
        stop()  # sends what still waits


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "Where is my order 5512?"))
