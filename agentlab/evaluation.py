"""The online evaluator: a callable of the user's that scores a sample of real runs, and never breaks or delays one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from agentlab import telemetry
from agentlab.bounds import within
from agentlab.errors import InvalidScoreError
from agentlab.result import Reply

__all__ = ["Evaluation", "Evaluator", "Run"]

AT_ONCE: Final = 4
"""Runs that are evaluated side by side; while so many are, further ones are not sampled."""
SECONDS: Final = 60.0
"""How long one evaluation may take."""
LAST_SECONDS: Final = 5.0
"""How long closing waits for evaluations under way."""
BEST: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One finished turn, as an evaluator gets it: whose it is, what the user said, and the reply."""

    agent: str
    conversation: str
    text: str
    reply: Reply


Evaluator = Callable[[Run], Awaitable[Mapping[str, float]]]
"""Scores of a run by name, each from 0 (bad) to 5 (good). It must not block the event loop."""


class Evaluation:
    """Evaluates a `share` (0 to 1) of the runs that it is offered. Raises ValueError for another share."""

    def __init__(self, evaluator: Evaluator, share: float) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"evaluate_share is {share}; it is the part of the runs to evaluate, from 0 to 1.")
        self._evaluator = evaluator
        self._share = share
        self._under_way: set[asyncio.Task[None]] = set()

    def offer(self, run: Run) -> None:
        """Evaluate this run in the background, if chance wants it and there is room. The result is told to telemetry."""
        self._forget_what_is_over()
        if len(self._under_way) >= AT_ONCE or random.random() >= self._share:  # noqa: S311  # a sample is no secret
            return
        task = asyncio.create_task(self._evaluate(run))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def aclose(self) -> None:
        """Wait a little for evaluations under way, and cut those that take longer."""
        self._forget_what_is_over()
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=LAST_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=LAST_SECONDS)

    def _forget_what_is_over(self) -> None:
        """What was under way in an event loop that was closed never ends."""
        self._under_way -= {task for task in self._under_way if task.get_loop().is_closed()}

    async def _evaluate(self, run: Run) -> None:
        async def asked() -> Mapping[str, float]:
            return await self._evaluator(run)

        try:
            scores = _checked(await within(SECONDS, asked()))
        except Exception as error:  # noqa: BLE001  # somebody else's evaluator may raise anything; telemetry is told
            telemetry.evaluation_failed(getattr(self._evaluator, "__name__", "evaluator"), type(error).__name__)
            return
        for name, score in scores.items():
            telemetry.evaluated(run.agent, name, score)


def _checked(scores: Mapping[str, float]) -> Mapping[str, float]:
    for name, score in scores.items():
        if not 0 <= score <= BEST:
            raise InvalidScoreError(f"The evaluator gave {name} the score {score!r}; scores go from 0 to 5.")
    return {str(name): float(score) for name, score in scores.items()}
