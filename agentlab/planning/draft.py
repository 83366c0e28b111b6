"""A plan as a model writes it down: the form that it is asked for, and what is read from it. Loads pydantic."""

from __future__ import annotations

from pydantic import BaseModel, Field

from agentlab.arguments import parse_arguments
from agentlab.errors import InvalidArgumentsError, InvalidOutputError
from agentlab.planning.plan import Plan, PlanStep
from agentlab.structured import Structured

__all__ = ["PlanDraft", "StepDraft", "read_plan", "structured"]


class StepDraft(BaseModel):
    """One step."""

    id: str = Field(description="A short name of the step: letters, digits, _ and -.")
    description: str = Field(description="What the step does, in a few words.")
    tool: str = Field(description="The name of the tool that it calls.")
    input: str = Field(description='The tool\'s arguments as a JSON object. The text "$ID" or "$ID.KEY" stands for the result of step ID.')
    depends_on: list[str] = Field(description="Ids of steps that must have succeeded before.")
    fallback_tool: str | None = Field(description="A tool that takes the same arguments and is called if the step's own fails; or null.")


class PlanDraft(BaseModel):
    """A plan. An empty list of steps says that no tool is needed."""

    goal: str = Field(description="What is to be reached.")
    steps: list[StepDraft]
    estimated_dollars: float = Field(description="What carrying it out will cost, in US dollars.")
    estimated_seconds: float = Field(description="How long carrying it out will take, in seconds.")


structured = Structured(PlanDraft)


def read_plan(text: str) -> Plan:
    """The plan in a model's answer. Raises InvalidOutputError, written for the model."""
    draft = structured.read(text)
    return Plan(
        goal=draft.goal,
        steps=tuple(_step(step) for step in draft.steps),
        dollars=draft.estimated_dollars,
        seconds=draft.estimated_seconds,
    )


def _step(draft: StepDraft) -> PlanStep:
    try:
        given = parse_arguments(draft.input)
    except InvalidArgumentsError as error:
        raise InvalidOutputError(f"The input of step {draft.id[:64]!r} is no JSON object: {error}") from None
    return PlanStep(
        id=draft.id,
        description=draft.description,
        tool=draft.tool,
        input=given,
        depends_on=tuple(dict.fromkeys(draft.depends_on)),
        fallback_tool=draft.fallback_tool or None,
    )
