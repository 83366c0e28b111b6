"""One turn under way: everything that the layers share while they look for an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agentlab.approval import ApprovalRequest, Decision
from agentlab.bounds import Deadline, Spending, Usage
from agentlab.effects import Effects
from agentlab.errors import AgentlabError, BoundExceededError, CallFailedError
from agentlab.events import Listener, StreamEvent
from agentlab.history import History, Message
from agentlab.planning.plan import PlanState
from agentlab.result import Step

__all__ = ["FailedCall", "Observation", "Turn"]


UNREAD = "What was said and done earlier in this conversation cannot be read just now. Do not guess at it; say so where it matters."


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that failed for good: its tool, and why; `late` if what ended it was the turn's time. `tool` is empty if none is to blame: the
    call was refused, or not made, because what it needs failed."""

    tool: str
    why: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of a call: `text` for the model, `error` a sentence for people (empty on success), `by` the fallback tool that gave it."""

    text: str
    error: str = ""
    seconds: float = 0.0
    by: str = ""
    refused: bool = False
    """The tool, or a person, said no: nothing was done."""
    again: bool = False
    """The call was cut by the turn's time, or withheld: a resumed turn makes it again."""


async def _nowhere() -> None:
    """Where nothing is kept."""


@dataclass(slots=True, kw_only=True)
class Turn:
    """The state of one turn.

    What must survive a crash is kept by `await turn.save()`, after each step and before a tool that writes is started.
    """

    text: str
    first: bool
    """The conversation begins with it, and it is not resumed: nothing else is in its answer."""
    tenant: str
    history: History
    effects: Effects
    deadline: Deadline
    spending: Spending
    save: Callable[[], Awaitable[None]] = _nowhere
    """Keep the turn as it stands. Raises TakenOverError if another worker has resumed it meanwhile: nothing more may be done then."""
    before: Usage = field(default_factory=Usage)
    """What the turn had used before it was resumed."""
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
    again: set[str] = field(default_factory=set)
    """Calls that a resumed turn makes again, by their ids."""
    observed: dict[str, Observation] = field(default_factory=dict)
    """What came of calls of the answer that is being acted on, by their ids: they are not run again."""
    plan: PlanState | None = None
    """The plan that is carried out, if the agent makes plans."""
    decisions: dict[str, Decision] = field(default_factory=dict)
    """What people decided about calls, by id; refusals also by signature, for the whole turn."""
    questioned: set[str] = field(default_factory=set)
    """Writes of earlier turns that the model was asked about in this one, by signature: the same call again is wanted."""
    without: dict[str, str] = field(default_factory=dict)
    """Parts of the runtime that this turn did without (`checkpoints`, `memory`), and why."""
    context: str = ""
    """What the model is shown besides its instructions, as data."""
    seen: Counter[str] = field(default_factory=Counter)
    """How often the model made each call since the last write."""
    repairs: int = 0
    """Answers in a row that could not be used."""
    repair_from: int = 0
    """Length of the history before the first of them."""
    correction: list[Message] = field(default_factory=list)
    """An answer that could not be used and what is wrong with it, for the next request only."""
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

    def decide(self, request: ApprovalRequest, decision: Decision) -> None:
        """Keep what a person decided: a yes for this call, a no for all that are equal to it."""
        self.decisions[request.call_id if decision.approved else request.signature] = decision

    def system(self, instructions: str) -> str:
        """The instructions with this turn's context."""
        return "\n\n".join(filter(None, (instructions, "" if self.effects.past_known else UNREAD, self.context)))

    @property
    def usage(self) -> Usage:
        """All that this turn has used, resumed or not."""
        return self.before + self.spending.usage

    @property
    def missing(self) -> list[str]:
        """The names of the tools that something in this turn did without."""
        return sorted({*self.withdrawn, *(call.tool for call in self.failed.values() if call.tool)})

    @property
    def out_of_time(self) -> bool:
        """Whether what ended the models' work, or a call that is still missing, was the turn's time."""
        problem = self.problem
        if problem is not None:
            return isinstance(problem, CallFailedError) and problem.out_of_time
        return any(call.late for call in self.failed.values())

    @property
    def bound(self) -> BoundExceededError | None:
        """The bound that stopped the agent, if one did."""
        return self.problem if isinstance(self.problem, BoundExceededError) else None
