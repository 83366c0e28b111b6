"""One turn under way: everything that the layers share while they look for an answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from agentlab.bounds import Deadline, Spending
from agentlab.effects import Effects
from agentlab.errors import AgentlabError, BoundExceededError
from agentlab.events import Listener, StreamEvent
from agentlab.history import History
from agentlab.result import Step

__all__ = ["FailedCall", "Turn"]


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that failed for good: its tool, and why."""

    tool: str
    why: str


@dataclass(slots=True, kw_only=True)
class Turn:
    """The state of one turn."""

    text: str
    first: bool
    """The conversation begins with it, and it is not resumed: nothing else is in its answer."""
    tenant: str
    history: History
    effects: Effects
    deadline: Deadline
    spending: Spending
    steps: list[Step] = field(default_factory=list)
    aside: dict[str, AgentlabError] = field(default_factory=dict)
    """Models that this turn does not ask again, and why."""
    demoted: set[str] = field(default_factory=set)
    """Models that this turn asks last."""
    withdrawn: dict[str, str] = field(default_factory=dict)
    """Tools that are not offered any more, and why."""
    failed: dict[str, FailedCall] = field(default_factory=dict)
    """Calls that failed for good in this turn and were not made with success since, by their signature."""
    used: set[str] = field(default_factory=set)
    """Tools that were run in this turn, however it ended."""
    succeeded: set[str] = field(default_factory=set)
    """Tools that gave a result in this turn."""
    seen: Counter[str] = field(default_factory=Counter)
    """How often the model made each call since the last write."""
    repairs: int = 0
    """Answers in a row that could not be used."""
    repair_from: int = 0
    """Length of the history before the first of them."""
    must_answer: bool = False
    """The model went round in circles: it may not call tools any more."""
    listener: Listener | None = None
    """Who is told what happens while it happens."""
    problem: AgentlabError | None = None
    """Why the agent itself could not finish."""

    def tell(self, event: StreamEvent) -> None:
        """Tell whoever listens."""
        if self.listener is not None:
            self.listener(event)

    @property
    def missing(self) -> list[str]:
        """The names of the tools that something in this turn did without."""
        return sorted({*self.withdrawn, *(call.tool for call in self.failed.values())})

    @property
    def bound(self) -> BoundExceededError | None:
        """The bound that stopped the agent, if one did."""
        return self.problem if isinstance(self.problem, BoundExceededError) else None
