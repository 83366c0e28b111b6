"""What can go wrong, as types. Every error says what failed in one sentence that a person can act on.

AgentlabError
├── CallFailedError           a call to a dependency failed for good: category, attempts, causes
│   ├── ModelFailedError      one model, after its retries
│   ├── AllModelsFailedError  every model of the chain; keeps each failure
│   └── ToolFailedError       one tool, after its retries
├── InvalidAnswerError        a model answered 200 with something that is no answer (one attempt)
├── InvalidArgumentsError     a model's arguments for a tool cannot be used
├── InvalidScoreError         an evaluator gave a score that is none
├── InvalidOutputError        a model's final answer is not of the form that was asked for
├── InvalidResultError        a tool returned what its annotation does not allow
├── ToolRefusedError          raised by a tool's author: refused, nothing was done
├── ToolBusyError            as many calls of a tool as may run at a time have not come back; this one was not made
├── BreakerOpenError          a circuit breaker let no call through
├── BoundExceededError        a bound of the run was reached: steps, tokens, money or time
├── UnsupportedContentError   what the agent was given is no text: an image, a sound, a file
├── MissingExtraError         a provider's SDK is not installed; names the extra that installs it
├── RunStoppedError           the turn ends here, whatever layers are left
│   ├── PlanRejectedError     a plan cannot be carried out, or somebody refused it; every reason
│   ├── PausedError           a call waits for somebody's approval
│   └── TakenOverError        another worker has resumed this conversation
├── McpServerError            an MCP server failed
│   ├── McpConnectError       it cannot be reached: nothing was asked of it
│   └── McpCallError          one of its tools answered with an error; its words are for the model
├── StoreAwayError            a store did not answer, or not in time
├── ConflictError             a store holds another version than was expected
├── UnexpectedError           a layer broke in a way that it must not: a bug, its cause attached
├── SettingsError             a setting cannot be used; names the field and where it stands
└── ResumeRefusedError        the handle names no turn that can be resumed

A turn raises none of those that models, tools and the network cause: `Reply.error` has it.

>>> def advice(error: AgentlabError | None) -> str:
...     match error:
...         case AllModelsFailedError():
...             return f"Ask again later: {', '.join(error.failures)} failed."
...         case BoundExceededError():
...             return f"Resume, or allow more {error.bound}."
...         case PlanRejectedError():
...             return " ".join(error.reasons)
...         case TakenOverError():
...             return "Another worker gives the answer."
...         case UnexpectedError():
...             return f"Report this bug: {error.__cause__!r}."
...     return "Nothing is wrong." if error is None else str(error)
>>> advice(BoundExceededError("seconds", "The time for this run is used up"))
'Resume, or allow more seconds.'
>>> advice(AllModelsFailedError({"gpt-4o-mini": BreakerOpenError("llm:gpt-4o-mini", 30)}))
'Ask again later: gpt-4o-mini failed.'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from agentlab.approval import ApprovalRequest

__all__ = [
    "AgentlabError",
    "AllModelsFailedError",
    "Bound",
    "BoundExceededError",
    "BreakerOpenError",
    "CallFailedError",
    "Category",
    "ConflictError",
    "InvalidAnswerError",
    "InvalidArgumentsError",
    "InvalidOutputError",
    "InvalidResultError",
    "InvalidScoreError",
    "McpCallError",
    "McpConnectError",
    "McpServerError",
    "MissingExtraError",
    "ModelFailedError",
    "PausedError",
    "PlanRejectedError",
    "ResumeRefusedError",
    "RunStoppedError",
    "SettingsError",
    "StoreAwayError",
    "TakenOverError",
    "ToolBusyError",
    "ToolFailedError",
    "ToolRefusedError",
    "UnexpectedError",
    "UnsupportedContentError",
]

Category = Literal["transient", "rate_limit", "permanent", "context", "budget", "auth", "content_filter"]
"""What kind of failure it is; it decides what to do about it. Not the status code: 429 holds two categories, 400 holds five."""

Bound = Literal["steps", "tokens", "money", "seconds"]


class AgentlabError(Exception):
    """Base of every error that this package raises."""


class CallFailedError(AgentlabError):
    """A call to a dependency failed for good.

    `category` is the last cause's, `attempts` how often it was tried, `causes` what each attempt raised, in order;
    `outcome_unknown` says that the work may have been done although no attempt confirmed it, `out_of_time` that time ended it: the run's
    deadline cut it, or its next try was due after that.

    >>> failed: CallFailedError = ModelFailedError("It timed out twice", category="transient", causes=(TimeoutError(), TimeoutError()))
    >>> failed.attempts, failed.outcome_unknown
    (2, False)
    """

    def __init__(
        self,
        sentence: str,
        *,
        category: Category,
        causes: tuple[BaseException, ...] = (),
        attempts: int | None = None,
        outcome_unknown: bool = False,
        retry_after: float | None = None,
        out_of_time: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.out_of_time = out_of_time
        self.category: Category = category
        self.causes = causes
        self.attempts = len(causes) if attempts is None else attempts
        self.outcome_unknown = outcome_unknown
        self.retry_after = retry_after
        """Seconds that the dependency asked to be left alone for, if it said so."""


class ModelFailedError(CallFailedError):
    """One model failed after its retries."""


class ToolFailedError(CallFailedError):
    """One tool failed after its retries.

    >>> raise ToolFailedError("refund failed once (transient: TimeoutError)", category="transient", outcome_unknown=True)
    Traceback (most recent call last):
    agentlab.errors.ToolFailedError: refund failed once (transient: TimeoutError)
    """


class AllModelsFailedError(CallFailedError):
    """Every model of the chain failed or was skipped; `failures` keeps the reason of each by its name."""

    def __init__(self, failures: Mapping[str, AgentlabError]) -> None:
        self.failures = dict(failures)
        calls = [failure for failure in failures.values() if isinstance(failure, CallFailedError)]
        reasons = "; ".join(f"{name}: {failure}" for name, failure in failures.items()) or "no model is configured"
        super().__init__(
            f"No model could answer ({reasons}).",
            category=calls[-1].category if calls else "transient",
            causes=tuple(cause for call in calls for cause in call.causes),
            out_of_time=bool(calls) and calls[-1].out_of_time,
        )


class InvalidAnswerError(AgentlabError):
    """A model answered with success, but not with an answer. `reason` is a short code (`empty_choices`, `cut`, `filtered` ...)."""

    def __init__(self, reason: str, sentence: str, *, category: Category = "transient") -> None:
        super().__init__(sentence)
        self.reason = reason
        self.category: Category = category


class InvalidArgumentsError(AgentlabError):
    """A model's arguments for a tool cannot be used; the sentence is written for the model."""


class InvalidOutputError(AgentlabError):
    """A model's final answer is not of the form that was asked for; the sentence is written for the model.

    >>> raise InvalidOutputError("The answer is no JSON object.")
    Traceback (most recent call last):
    agentlab.errors.InvalidOutputError: The answer is no JSON object.
    """


class InvalidResultError(AgentlabError):
    """A tool returned what its return annotation does not allow."""


class InvalidScoreError(AgentlabError):
    """An evaluator gave a score that is not between 0 and 5. Nobody sees it raised: telemetry has its name.

    >>> InvalidScoreError.__mro__[1] is AgentlabError
    True
    """


class ToolRefusedError(AgentlabError):
    """Raise this in a tool to refuse a call: nothing was done, trying again is pointless, and the text is for the model to read.

    >>> def refund(order: str, amount: float) -> str:
    ...     if amount > 500:
    ...         raise ToolRefusedError(f"{amount:.2f} is more than may be refunded here; a person must do it.")
    ...     return f"refunded {amount:.2f} for {order}"
    >>> refund("5512", 20), refund("5512", 900)
    Traceback (most recent call last):
    agentlab.errors.ToolRefusedError: 900.00 is more than may be refunded here; a person must do it.
    """


class ToolBusyError(AgentlabError):
    """As many calls of a tool as may run at a time have not come back; this one was not made."""


class BreakerOpenError(AgentlabError):
    """A circuit breaker let no call through; `seconds` until it lets a probe through."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"{name} failed and is left alone for another {max(0.0, seconds):.0f} s")
        self.name = name
        self.seconds = seconds


class BoundExceededError(AgentlabError):
    """A bound of the run was reached."""

    def __init__(self, bound: Bound, sentence: str) -> None:
        super().__init__(sentence)
        self.bound: Bound = bound


class UnsupportedContentError(AgentlabError):
    """What the agent was given is no text.

    >>> from agentlab.history import plain_text
    >>> plain_text([{"type": "image_url", "image_url": {"url": "https://shop.example/broken.png"}}])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    agentlab.errors.UnsupportedContentError: ...
    """


class MissingExtraError(AgentlabError):
    """A provider's SDK is not installed; the sentence names the extra that installs it.

    >>> raise MissingExtraError("claude needs the SDK 'anthropic', which is not installed: pip install 'agentlab-chaos[anthropic]'.")
    Traceback (most recent call last):
    agentlab.errors.MissingExtraError: claude needs the SDK 'anthropic', which is not installed: pip install 'agentlab-chaos[anthropic]'.
    """


class RunStoppedError(AgentlabError):
    """The turn ends here: no lower layer may go on with it."""


class PausedError(RunStoppedError):
    """A call waits for somebody's approval; `request` says which."""

    def __init__(self, request: ApprovalRequest) -> None:
        super().__init__(f"{request} waits for approval")
        self.request = request


class PlanRejectedError(RunStoppedError):
    """A plan cannot be carried out, or somebody refused it. Nothing was run. `reasons` has every reason."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__(f"the plan was rejected: {' '.join(reasons)}")
        self.reasons = reasons


class TakenOverError(RunStoppedError):
    """Another worker has resumed this conversation; this one may do nothing more in it."""


class McpServerError(AgentlabError):
    """An MCP server failed."""


class McpConnectError(McpServerError):
    """An MCP server cannot be reached: nothing was asked of it."""


class McpCallError(McpServerError):
    """A tool of an MCP server answered with an error; the text is the server's, for the model to read."""


class StoreAwayError(AgentlabError):
    """A store did not answer, or not in time.

    >>> import asyncio
    >>> from agentlab import InMemoryStore, Memory
    >>> class Down(InMemoryStore):
    ...     async def load(self, key: str) -> None:
    ...         raise ConnectionError
    >>> asyncio.run(Memory(Down(), "customer-7").load())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    agentlab.errors.StoreAwayError: ...
    """


class ConflictError(AgentlabError):
    """A store holds another version than was expected: somebody else has written meanwhile.

    >>> import asyncio
    >>> from agentlab import InMemoryStore
    >>> asyncio.run(InMemoryStore().save("greeting", "hello", expected=3))
    Traceback (most recent call last):
    agentlab.errors.ConflictError: greeting has another version than 3
    """


class SettingsError(AgentlabError):
    """A setting cannot be used; the sentence names the field and the file's line or the variable that it stands in."""


class UnexpectedError(AgentlabError):
    """A layer raised what it must not raise. A bug of ours, or of a layer's author; the cause is attached, the user got a lower layer."""


class ResumeRefusedError(AgentlabError):
    """The handle names no turn of this agent that can be resumed.

    >>> import asyncio
    >>> from agentlab import Agent, Model
    >>> asyncio.run(Agent("desk", instructions="", models=[Model(name="gpt-4o-mini")]).resume("no handle"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    agentlab.errors.ResumeRefusedError: ...
    """
