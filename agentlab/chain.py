"""An ordered chain of models: each with its circuit breaker and retries, known-dead ones skipped, every failure kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from agentlab import telemetry
from agentlab.answers import Answer
from agentlab.bounds import RESERVE, Deadline, Spending
from agentlab.breaker import Breaker, BreakerPolicy, Permit
from agentlab.classify import classify
from agentlab.client import ModelClient
from agentlab.closing import close_all
from agentlab.errors import AgentlabError, AllModelsFailedError, BreakerOpenError, ModelFailedError
from agentlab.events import Screen
from agentlab.models import Model, Request
from agentlab.retry import MODEL_POLICIES, Failure, GaveUpError, call_with_retries
from agentlab.text import times

__all__ = ["Asking", "ModelChain"]

SHARE = 0.4
"""Part of the remaining time that a model may use while another one is left."""
FAILURES_WITH_FALLBACK = 2
"""Failures after which a model is given up while another one is left: the other one is quicker than a third try."""
MARGIN = 2.0
"""Seconds that an attempt may take beyond its timeout before a breaker takes its probe for dead."""
RESIZES = 2
"""How often a call is made with a smaller request or a longer answer; once while another model is left."""

BuildRequest = Callable[[int], Request]
"""The request at a level of compaction (0: as it is)."""


@dataclass(slots=True)
class Asking:
    """One logical call: what to ask, until when, what it may cost, and what this turn thinks of the models."""

    build: BuildRequest
    deadline: Deadline
    spending: Spending
    aside: Mapping[str, AgentlabError] = field(default_factory=dict)
    """Models that are not asked, and why."""
    demoted: set[str] = field(default_factory=set)
    """Models that are asked last; one that fails joins them, so that the rest of the turn does not wait for it first."""
    screen: Screen | None = None
    """Where the answer is shown as it comes."""


class _Link:
    """One model of the chain."""

    def __init__(self, model: Model, policy: BreakerPolicy | None) -> None:
        self.model = model
        self.client = ModelClient(model)
        self.breaker = Breaker(f"llm:{model.name}", policy, telemetry.breaker_changed)


class ModelChain:
    """Models in order of preference. Raises ValueError if two share a name."""

    def __init__(self, models: Sequence[Model], policy: BreakerPolicy | None = None) -> None:
        if len({model.name for model in models}) != len(models):
            raise ValueError("Two models of a chain have the same name; breakers and failures could not be told apart.")
        self._links = [_Link(model, policy) for model in models]
        self._loaded = False

    @property
    def admits(self) -> bool:
        """Whether some model may be asked now."""
        return any(link.breaker.admits for link in self._links)

    def left_alone(self) -> AllModelsFailedError | None:
        """Why no model may be asked now: the breaker of each; None if one may be asked."""
        return None if self.admits else AllModelsFailedError({link.model.name: link.breaker.refusal for link in self._links})

    def last_left(self, aside: Collection[str]) -> bool:
        """Whether at most one model could still be asked."""
        return sum(link.breaker.admits and link.model.name not in aside for link in self._links) <= 1

    async def ask(self, asking: Asking) -> tuple[Answer, Model]:
        """The first valid answer, and whose it is. Raises AllModelsFailedError; BoundExceededError before a call could pass a bound."""
        if not self._loaded:
            for link in self._links:
                link.client.provider.load()
            self._loaded = True
        failures: dict[str, AgentlabError] = dict(asking.aside)
        links = [link for link in self._links if link.model.name not in asking.aside]
        links.sort(key=lambda link: link.model.name in asking.demoted)
        for n, link in enumerate(links):
            fallback = any(later.breaker.admits for later in links[n + 1 :])
            try:
                return await _Call(link, asking, fallback).answer(), link.model
            except (BreakerOpenError, ModelFailedError) as failure:
                failures[link.model.name] = failure
                asking.demoted.add(link.model.name)
        raise AllModelsFailedError(failures)

    async def aclose(self) -> None:
        """Close every model's connections."""
        await close_all(*(link.client for link in self._links))


class _Call:
    """One logical call to one model: its attempts, what made the request smaller, what made the answer's maximum larger."""

    def __init__(self, link: _Link, asking: Asking, fallback: bool) -> None:
        """`_before` has the failures before the last resize; `_ill` says that the last attempt spoke against the model itself, `_limited`
        that the breaker was told of a rate limit."""
        self._link = link
        self._asking = asking
        self._fallback = fallback
        self._deadline = asking.deadline.share(SHARE if fallback else 1 - RESERVE)
        self._level = 0
        self._max_tokens = link.model.max_tokens
        self._failures = self._resizes = 0
        self._before: list[Failure] = []
        self._ill = self._limited = False
        self._told: telemetry.ChatCall

    async def answer(self) -> Answer:
        """Raises ModelFailedError or BreakerOpenError; gives the model up for a while if it is ill."""
        model = self._link.model
        with telemetry.chat(model, self._link.client.provider.telemetry_name) as self._told:
            try:
                answer = await self._resized()
            except GaveUpError as error:
                raise await self._failed(error) from error.failures[-1].error
            self._told.answered(answer)
            return answer

    async def _resized(self) -> Answer:
        """The answer; after a context error, a smaller request or a longer answer is tried, never the same call again."""
        while True:
            try:
                return await call_with_retries(self._attempt, policies=MODEL_POLICIES, deadline=self._deadline, go_on=self._go_on)
            except GaveUpError as error:
                self._before += error.failures
                if not self._resize(error.failures[-1]):
                    raise GaveUpError(self._before, error.late) from error
            except BreakerOpenError as error:
                if self._before:
                    raise GaveUpError(self._before) from error
                raise

    def _resize(self, failure: Failure) -> bool:
        if failure.classified.category != "context" or self._deadline.remaining <= 0:
            return False
        if getattr(failure.error, "reason", "") == "cut":
            self._max_tokens *= 2
        else:
            self._level += 1
            if self._level == 1 and self._asking.build(1).characters >= self._asking.build(0).characters:
                self._level = 2  # there is nothing that level 1 makes smaller: it would be the same call again
            self._max_tokens = max(64, self._max_tokens // 2)
        self._resizes += 1
        return self._resizes <= (1 if self._fallback else RESIZES)

    async def _attempt(self) -> Answer:
        asking, model = self._asking, self._link.model
        asking.deadline.check()
        request = asking.build(self._level)
        asking.spending.check(tokens=request.tokens + self._max_tokens, money=model.cost(request.tokens, self._max_tokens))
        permit = await self._link.breaker.admit(min(model.timeout, self._deadline.remaining) + MARGIN)
        telemetry.attempted(self._link.breaker)
        self._told.sent(request)
        left = max(self._deadline.remaining, 0.001)
        seconds = min(model.timeout, left)
        try:
            show = asking.screen.add if asking.screen else None
            answer = await self._link.client.ask(
                request, seconds=seconds, at_most=left, max_tokens=self._max_tokens, show=show, began=self._told.began
            )
            await permit.succeed()
        except Exception as error:
            if asking.screen is not None:
                asking.screen.withdraw(f"{model.name} broke off")
            await self._failed_attempt(error, request, permit, cut_short=seconds < model.timeout)
            raise
        finally:
            await permit.release()
        self._charge(answer.input_tokens, answer.output_tokens, estimated=answer.estimated)
        return answer

    async def _failed_attempt(self, error: Exception, request: Request, permit: Permit, *, cut_short: bool) -> None:
        """Tell the breaker, unless our own deadline cut the call; charge what the provider may charge: what may have run is not free.

        Rate limits count once a call, or no call would ever have all of its retries; a probe's always does.
        """
        found = classify(error)
        if not (found.timed_out and cut_short):
            self._ill, limited = found.counts, found.category == "rate_limit"
            if self._ill and not (limited and self._limited and self._link.breaker.state == "closed"):
                await permit.fail()
            self._limited |= limited
        if found.outcome_unknown:
            self._charge(request.tokens, 0, estimated=True)

    def _charge(self, input_tokens: int, output_tokens: int, *, estimated: bool) -> None:
        money = self._link.model.cost(input_tokens, output_tokens)
        telemetry.spent(self._link.model.name, money)
        self._asking.spending.charge(input_tokens=input_tokens, output_tokens=output_tokens, money=money, estimated=estimated)

    def _go_on(self, failure: Failure) -> bool:
        del failure
        self._failures += 1
        enough = self._fallback and self._failures >= FAILURES_WITH_FALLBACK
        return self._link.breaker.admits and not enough

    async def _failed(self, error: GaveUpError) -> ModelFailedError:
        failures = error.failures
        last = failures[-1]
        if self._ill:
            await self._link.breaker.trip(min(last.retry_after or 0.0, 3600.0))
        sentence = f"{self._link.model.name} failed {times(len(failures))} ({last.classified.category}: {type(last.error).__name__})"
        return ModelFailedError(
            f"{sentence}; {error.late}" if error.late else sentence,
            category=last.classified.category,
            causes=tuple(failure.error for failure in failures),
            outcome_unknown=any(failure.classified.outcome_unknown for failure in failures),
            retry_after=last.retry_after,
            out_of_time=bool(error.late),
        )
