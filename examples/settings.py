"""What a deployment decides stands in a file and in the environment, not in the code.

python examples/settings.py "When are you open?"
AGENTLAB_BOUNDS__SECONDS=10 python examples/settings.py "When are you open?"
agentlab run --show-config --config examples/settings.toml

It needs OPENAI_API_KEY.
"""

import asyncio
import sys
from pathlib import Path

from agentlab import Agent, Settings, SettingsError

FILE = Path(__file__).with_name("settings.toml")


async def main(question: str) -> None:
    settings = Settings.load(FILE)  # the environment wins over the file
    stop = settings.start_telemetry()
    try:
        async with Agent.from_settings("desk", settings, instructions="Answer in one sentence.") as agent:
            reply = await agent(question)
            print(reply, f"[within {agent.bounds.seconds:g} s, {reply.usage.money:.6f} dollars]")
    finally:
        await settings.aclose()
        stop()


if __name__ == "__main__":
    try:
        asyncio.run(main(" ".join(sys.argv[1:]) or "When are you open?"))
    except SettingsError as error:
        sys.exit(str(error))
