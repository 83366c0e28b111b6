"""Real runs, scored: half of the turns go to a judge in the background. Scores that fall are one of the five alerts.

python examples/evaluator.py "How do I send a parcel back?"

It needs OPENAI_API_KEY. Where the scores go: docs/observability.md.
"""

import asyncio
import sys

from pydantic import BaseModel, Field

from agentlab import Agent, Model, Run

LONGEST = 60


class Grade(BaseModel):
    """How helpful an answer is: 0 useless, 5 could not be better."""

    helpful: float = Field(ge=0, le=5)


JUDGE = Agent("judge", instructions="Grade the answer.", models=[Model(name="gpt-4.1-mini")], output=Grade, degrade=False)


async def scores(run: Run) -> dict[str, float]:
    """Each from 0 to 5. What is raised here breaks no run: telemetry tells it."""
    brief = 5.0 if len(run.reply.text.split()) <= LONGEST else 2.0
    graded = (await JUDGE.new_conversation()(f"Question: {run.text}\nAnswer: {run.reply.text}")).output
    return {"brief": brief, "helpful": graded.helpful} if isinstance(graded, Grade) else {"brief": brief}


def build(share: float = 0.5) -> Agent:
    return Agent("desk", instructions="Help customers.", models=[Model(name="gpt-4o-mini")], evaluator=scores, evaluate_share=share)


async def main(question: str) -> None:
    async with build() as agent:
        print(await agent(question))


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "How do I send a parcel back?"))
