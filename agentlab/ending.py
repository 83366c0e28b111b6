"""How a turn ended: its status, what is said where no layer answered, and the reply of it all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agentlab.approval import ApprovalRequest
from agentlab.errors import AgentlabError, PausedError, RunStoppedError, UnexpectedError
from agentlab.layers import Given
from agentlab.notes import with_notes
from agentlab.result import LayerName, Reply, Status
from agentlab.structured import Structured
from agentlab.turn import Turn

__all__ = ["BY_A_MODEL", "Ending", "ending_of", "not_begun", "taken_over"]

STOPPED = "I stopped here: another worker has taken this conversation over, and its answer is given there."
BUSY = "I did not begin: this conversation goes on elsewhere at this very moment. Please say it again."
BY_A_MODEL: frozenset[LayerName] = frozenset({"full", "reduced"})
BOUND_STATUS: dict[str, Status] = {
    "seconds": "timeout", "steps": "max_steps_exceeded", "tokens": "budget_exceeded", "money": "budget_exceeded",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a turn: the answer that is given, and why it did not complete, if it did not."""

    turn: Turn
    given: Given
    status: Status
    error: AgentlabError | None

    @property
    def waiting(self) -> ApprovalRequest | None:
        """What somebody has to approve before the turn can go on."""
        return self.error.request if isinstance(self.error, PausedError) else None

    def reply(self, output: Structured[Any] | None, handle: str | None = None) -> Reply:
        """The reply. `output` reads the answer if it has a form, `handle` resumes the turn."""
        turn, given, effects = self.turn, self.given, self.turn.effects.this_turn
        return Reply(
            text=given.text,
            status=self.status,
            answered_by=given.layer,
            confidence=given.confidence,
            effects=tuple(dict.fromkeys(effect.tool for effect in effects)),
            unconfirmed=tuple(dict.fromkeys(effect.tool for effect in effects if effect.state == "unknown")),
            steps=tuple(turn.steps),
            usage=turn.usage,
            resume=handle,
            waiting=self.waiting,
            output=output.read(given.said) if output and given.said and given.layer in BY_A_MODEL else None,
            missing=tuple(turn.missing),
            without=tuple(sorted(turn.without)),
            error=self.error,
        )


def ending_of(turn: Turn, given: Given | None, stopped: RunStoppedError | None, *, degrade: bool) -> Ending:
    """How the turn ended, with what the pipeline gave or what stopped it. `degrade`: there are lower layers."""
    status = _status(turn, given, stopped, degrade=degrade)
    return Ending(turn, given or _unfinished(turn, stopped), status, stopped or turn.problem or _failure(turn))


def not_begun() -> Given:
    """What is said when other workers would not let the turn begin."""
    return Given(BUSY, "", "full", 0.0)


def taken_over() -> Given:
    """What is said when another worker has resumed the turn."""
    return Given(STOPPED, "", "full", 0.0)


def _unfinished(turn: Turn, stopped: RunStoppedError | None) -> Given:
    paused = f"it needs somebody's approval: {stopped.request}" if isinstance(stopped, PausedError) else stopped
    why = paused or turn.problem or "nothing that could answer was well"
    return Given(with_notes(f"I could not finish this: {why}", turn), "", "full", 0.0)


def _status(turn: Turn, given: Given | None, stopped: RunStoppedError | None, *, degrade: bool) -> Status:
    """How the turn ended. An answer of a lower layer counts as one where there are lower layers; else what time cut is a `timeout`."""
    if stopped is not None:
        return "paused" if isinstance(stopped, PausedError) else "plan_rejected"
    if isinstance(turn.problem, UnexpectedError):
        return "failed"
    if given is None:
        return BOUND_STATUS[turn.bound.bound] if turn.bound else "timeout" if turn.out_of_time else "incomplete"
    if given.layer == "full":
        return "complete"
    if turn.bound and given.layer == "safety_net":
        return BOUND_STATUS[turn.bound.bound]
    return "timeout" if turn.out_of_time and not degrade else "degraded"


def _failure(turn: Turn) -> AgentlabError | None:
    reasons = dict.fromkeys([*turn.withdrawn.values(), *(call.why for call in turn.failed.values())])
    return AgentlabError("; ".join(reasons)) if reasons else None
