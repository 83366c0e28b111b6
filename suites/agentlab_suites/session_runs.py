"""Sessions: one agent, built once, and many runs through it. Each run is judged by itself; the session is as good as its worst run."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentlab_faults.journal import BreakerChanged, Committed, Event, Replied, TurnBegan
from agentlab_faults.ledger import Ledger
from agentlab_faults.played import Conversation, Ending, Played, PlayedRun, Talk
from agentlab_faults.runs import run_of
from agentlab_faults.schedule import FAULT_FREE, Schedule, Window
from agentlab_reports.schema import OUTCOMES, RunLine

from agentlab_suites.agents import Agent, asking, whole
from agentlab_suites.frameworks import begun
from agentlab_suites.model import Check, SessionKeys, WindowKeys
from agentlab_suites.outcome import Case, Judgement, decide
from agentlab_suites.replies import read_reply

__all__ = ["Judged", "decide_session", "session_conversation", "windowed"]


def session_conversation(agent: Agent, prompts: Sequence[str], keys: SessionKeys) -> Conversation:
    """Builds the agent once, and plays the prompts through it at each arrival."""

    def play(talk: Talk) -> None:
        instance = agent.instance(talk)
        talk.settle(_all(talk, lambda: asking(begun(instance), agent.name), prompts, keys))

    return play


async def _all(talk: Talk, caller: Callable[[], Callable[[str], Any]], prompts: Sequence[str], keys: SessionKeys) -> None:
    if keys.times is None:
        for number in range(1, keys.count + 1):
            await _one(talk, number, caller(), prompts)
        return
    began, runs = asyncio.get_running_loop().time(), []
    for number, moment in enumerate(keys.times, 1):
        await asyncio.sleep(max(0.0, began + moment - asyncio.get_running_loop().time()))
        runs.append(asyncio.create_task(_one(talk, number, caller(), prompts)))
    await asyncio.gather(*runs)


async def _one(talk: Talk, number: int, ask: Callable[[str], Any], prompts: Sequence[str]) -> None:
    with talk.run(number) as run:
        for prompt in prompts:
            run.turn(prompt)
            run.reply(await _answer(ask, prompt))


async def _answer(ask: Callable[[str], Any], prompt: str) -> Any:
    """An agent that is not async has a thread, as a server would give it."""
    is_async = inspect.iscoroutinefunction(ask) or inspect.iscoroutinefunction(getattr(ask, "__call__", None))  # noqa: B004 - its method
    value = ask(prompt) if is_async else await asyncio.to_thread(ask, prompt)
    return read_reply(await whole(await value if isinstance(value, Awaitable) else value))


def windowed(name: str, keys: WindowKeys, mode: Schedule) -> Schedule:
    """A mode that strikes within the window only; its own windows count from there."""

    def within(window: Window) -> Window:
        return Window(keys.start + window.start, min(keys.start + window.end, keys.to))

    return Schedule(name, tuple(replace(one, window=within(one.window)) for one in mode.injections), mode=mode.mode)


@dataclass(frozen=True, slots=True)
class Judged:
    """The worst run's judgement, the run itself, and a line for each."""

    worst: Judgement
    played: Played
    runs: tuple[RunLine, ...]


def decide_session(
    case: Case, played: Played, schedule: Schedule, never: Sequence[Check], deadline: float, mask: Callable[[str], str]
) -> Judged:
    """Judge every run. `deadline` is one run's. A session that the lab ended, or in which nothing was struck, is judged as a whole."""
    whole = decide(case, played, schedule, never)
    if whole.outcome in ("error", "not_exercised", "budget") or not played.runs:
        return Judged(whole, played, ())
    parts = [_part(played, one, deadline) for one in played.runs]
    found = [decide(case, part, schedule if part.strikes else FAULT_FREE, never) for part in parts]
    at = min(range(len(found)), key=lambda n: (OUTCOMES.index(found[n].outcome), not parts[n].strikes))
    lines = tuple(_line(one, judged, mask, played.seconds) for one, judged in zip(played.runs, found, strict=True))
    return Judged(replace(found[at], why=_why(played.runs[at], found[at], len(parts))), parts[at], lines)


def _why(run: PlayedRun, judged: Judgement, of: int) -> str:
    """The worst run's evidence, and which it was; where that one is well, all are."""
    which = f"In each of the {of} runs" if judged.outcome == "success" else f"Run {run.number} of {of}, which came at {run.began:g} s"
    return f"{which}: {judged.why[:1].lower()}{judged.why[1:]}"


def _line(one: PlayedRun, judged: Judgement, mask: Callable[[str], str], end: float) -> RunLine:
    return RunLine(
        number=one.number,
        began=round(one.began, 6),
        ended=round(end if one.ended is None else one.ended, 6),
        outcome=judged.outcome,
        why=mask(judged.why),
        answered_by=judged.said[-1].reply.answered_by if judged.said else "unknown",
    )


def _part(played: Played, one: PlayedRun, deadline: float) -> Played:
    """The session as one of its runs saw it; what was asked of providers counts for all of them, since a breaker may ask none."""
    ended = played.seconds if one.ended is None else one.ended
    ledger = played.ledger.within(one.number)
    return replace(
        played,
        ending=_ending(played, one, ended, deadline),
        replies=tuple(one.replies),
        error=one.error,
        journal=tuple(event for event in played.journal if _is_of(event, one.number, ledger)),
        ledger=ledger,
        strikes=tuple(strike for strike in played.strikes if run_of(strike.point) == one.number),
        seconds=ended - one.began,
    )


def _ending(played: Played, one: PlayedRun, ended: float, deadline: float) -> Ending:
    if one.ended is None:
        return played.ending if played.ending not in ("returned", "raised") else "deadline"
    if ended - one.began > deadline + max(1.0, deadline * 0.1):
        return "deadline"
    return "raised" if one.error is not None else "returned"


def _is_of(event: Event, number: int, ledger: Ledger) -> bool:
    if isinstance(event, TurnBegan | Replied):
        return event.run == number
    if isinstance(event, Committed):
        return any(done.id == event.execution for done in ledger.executions)
    return isinstance(event, BreakerChanged) or run_of(getattr(event, "point", "")) == number
