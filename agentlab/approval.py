"""Human approval: chosen tools are run only after somebody said yes. With no answer at hand the run pauses, and is resumed with one."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentlab.bounds import within
from agentlab.text import canonical
from agentlab.threads import in_thread

__all__ = ["PLAN", "ApprovalHook", "ApprovalRequest", "Decision", "decided_by"]

PLAN = "plan"
"""The id and the tool of a request that is about a whole plan."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a call, and why; the reason of a refusal is told to the model."""

    approved: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A call that needs approval: its id in the conversation, the tool and its arguments (plain JSON).

    >>> def hook(request: ApprovalRequest) -> Decision:
    ...     return Decision(request.arguments["amount"] <= 100, "More than 100 is for the manager.")
    >>> request = ApprovalRequest("call_1", "refund", {"order": "5512", "amount": 250})
    >>> print(request, hook(request).approved)
    refund(order=5512, amount=250) False
    """

    call_id: str
    tool: str
    arguments: Mapping[str, Any]

    @property
    def signature(self) -> str:
        """Equal for equal calls."""
        return canonical([self.tool, self.arguments])

    @property
    def steps(self) -> list[ApprovalRequest]:
        """The calls of a plan; none if it is no plan that needs approval.

        >>> step = {"id": "a", "tool": "refund", "input": {"order": "5512"}}
        >>> print(ApprovalRequest(PLAN, PLAN, {"goal": "Refund it.", "steps": [step]}))
        the plan of refund(order=5512)
        """
        steps = self.arguments.get("steps") if self.tool == self.call_id == PLAN else None
        return [ApprovalRequest(step["id"], step["tool"], step["input"]) for step in steps or ()]

    def __str__(self) -> str:
        if self.steps:
            return f"the plan of {', '.join(map(str, self.steps))}"
        return f"{self.tool}({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"


ApprovalHook = Callable[[ApprovalRequest], "Decision | bool | Awaitable[Decision | bool | None] | None"]
"""Answers a request: a decision, yes or no, or None if nobody can say now. A hook that is no coroutine function runs in a thread."""


async def decided_by(hook: ApprovalHook, request: ApprovalRequest, seconds: float) -> Decision | None:
    """The hook's answer. Raises TimeoutError after `seconds`, what the hook raises, and TypeError for what is no decision."""
    found: object = await within(seconds, _asked(hook, request))
    decision = Decision(found) if isinstance(found, bool) else found
    if decision is not None and not (isinstance(decision, Decision) and decision.approved in {True, False}):
        raise TypeError(f"An approval hook answers with a Decision, True, False or None, not with {type(found).__name__}.")
    return decision


async def _asked(hook: ApprovalHook, request: ApprovalRequest) -> Decision | bool | None:
    found = hook(request) if inspect.iscoroutinefunction(hook) else await in_thread(hook, request)
    return await found if inspect.isawaitable(found) else found
