"""What an agent gives back: a reply, the layer that gave it, what it did and what it could not do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from agentlab.approval import ApprovalRequest
from agentlab.bounds import Usage
from agentlab.errors import AgentlabError

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Action", "LayerName", "Reply", "Status", "Step"]

LayerName = Literal["full", "reduced", "cached", "static", "safety_net"]

Status = Literal[
    "complete", "degraded", "paused", "incomplete", "timeout", "budget_exceeded", "max_steps_exceeded", "plan_rejected", "failed"
]
"""How a turn ended. `paused`: a call waits for somebody's approval. All but `complete` can be resumed."""


@dataclass(slots=True)
class Action:
    """One tool call of a step. `seconds` is how long it took, retries included; `error` is empty if it succeeded; `by` names the fallback
    tool that gave the observation, if one did."""

    tool: str
    input: dict[str, Any]
    observation: str = ""
    error: str = ""
    seconds: float = 0.0
    by: str = ""


@dataclass(slots=True)
class Step:
    """Think, act, observe: what the model said, what was done about it, how long the model took (seconds) and its tokens.

    >>> step = Step("", "gpt-4o-mini", 0.8, 110, [Action("lookup_order", {"id": "5512"}, '{"total": 49.9}', seconds=0.1)])
    >>> [f"{action.tool}: {action.error or action.observation}" for action in step.actions]
    ['lookup_order: {"total": 49.9}']
    """

    thought: str
    model: str
    seconds: float
    tokens: int
    actions: list[Action] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to one turn.

    `confidence` (0 to 1) is declared by the layer that answered. `effects` names each write that went through or may have gone through.
    `resume` is a handle for `Agent.resume` when the turn did not complete, else None.
    """

    text: str
    status: Status
    answered_by: LayerName
    confidence: float
    effects: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    """Those of `effects` that were not confirmed."""
    steps: tuple[Step, ...] = ()
    usage: Usage = field(default_factory=Usage)
    resume: str | None = None
    waiting: ApprovalRequest | None = None
    """The call that waits for approval, if the turn is paused."""
    output: BaseModel | None = None
    """The answer in the form that the agent was made with (`output=`); None without one, and from a layer without a model."""
    missing: tuple[str, ...] = ()
    """Tools that something in this turn had to do without; the text says so, too."""
    without: tuple[str, ...] = ()
    """Parts of the runtime that were away: without `checkpoints` the turn cannot be resumed in another process."""
    error: AgentlabError | None = None
    """Why the turn did not complete, if it did not."""

    def __str__(self) -> str:
        return self.text
