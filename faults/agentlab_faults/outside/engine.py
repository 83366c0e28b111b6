"""The engine for agents outside this process: one conversation in real time, its provider played by a server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from typing import Any, Final

from agentlab_faults.exchange import Exchange
from agentlab_faults.intercept.arming import End
from agentlab_faults.journal import Replied, TurnBegan
from agentlab_faults.outside.agent import Outside
from agentlab_faults.outside.asking import AgentFailed, CannotAsk, converse
from agentlab_faults.outside.child import CannotRun
from agentlab_faults.outside.environment import app_environment
from agentlab_faults.played import Clean, Ending, Played, Setup
from agentlab_faults.provider import Provider
from agentlab_faults.proxy.channel import Channel
from agentlab_faults.proxy.front import REFUSES, refuses
from agentlab_faults.proxy.playing import Answering
from agentlab_faults.proxy.reading import Arrived
from agentlab_faults.proxy.scripted import Scripted
from agentlab_faults.proxy.server import Server
from agentlab_faults.run import LabFailure, LimitPassed, Run
from agentlab_faults.schedule import FAULT_FREE, Schedule
from agentlab_faults.sim.real import monotonic

__all__ = ["play_outside"]

_ADDRESS: Final = "127.0.0.1"
_ENDINGS: Final[dict[type[BaseException], Ending]] = {LimitPassed: "stopped", LabFailure: "lab"}
_NEVER_CALLED: Final = (
    "The agent never called the scripted provider{why}; it must take its address from OPENAI_BASE_URL, ANTHROPIC_BASE_URL, "
    "GOOGLE_GEMINI_BASE_URL or the like."
)


def play_outside(agent: Outside, setup: Setup, schedule: Schedule = FAULT_FREE, *, seed: int = 0, clean: Clean | None = None) -> Played:
    """Play `setup.prompts` once in real time under `schedule`: what `engine.play` is for agents inside.

    All seconds are real, and begin when the agent can be asked. Nothing is known of its tools: the ledger is empty. Its exceptions,
    CannotRun and CannotAsk included, are returned; whatever was started has ended, and no port is open afterwards. Raises CannotListen if
    the port of `agent.proxy` is in use.
    """

    async def staged() -> Played:
        return await _Stage(agent, setup, schedule, seed, clean).play()

    return asyncio.run(staged())


class _Stage:
    """One conversation: the server, the run behind it, and what is heard of the agent."""

    def __init__(self, agent: Outside, setup: Setup, schedule: Schedule, seed: int, clean: Clean | None) -> None:
        self._agent, self._setup, self._clean = agent, setup, clean
        self._began = monotonic()
        self._stopped: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._started = asyncio.Event()
        self.replies: list[Any] = []
        self.run = Run(setup, schedule, clean, self._now, self._stop, seed=seed)
        self.provider = Provider(self.run)
        self._server = Server(self._answer)
        self._scripted = Scripted()

    def _now(self) -> float:
        return monotonic() - self._began

    def _stop(self, why: BaseException) -> None:
        if not self._stopped.done():
            self._stopped.set_result(why)

    async def play(self) -> Played:
        """Play it."""
        await self._server.start(_ADDRESS, self._agent.proxy)
        try:
            ending, error, detail = await self._to_its_end()
        finally:
            self.run.over = True
            await self._server.close()
        return self._played(ending, error, detail)

    async def _to_its_end(self) -> tuple[Ending, BaseException | None, str]:
        conversation: asyncio.Future[Any] = asyncio.ensure_future(converse(self._agent, self._setup.prompts, self._environment(), self))
        starting: asyncio.Future[Any] = asyncio.ensure_future(self._started.wait())
        try:
            await asyncio.wait([conversation, starting], return_when=asyncio.FIRST_COMPLETED)
            seconds = self._setup.deadline + self._setup.grace
            ends: list[asyncio.Future[Any]] = [conversation, self._stopped]
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if self._stopped.done():
                why = self._stopped.result()
                return _ENDINGS[type(why)], None, str(why)
            if not conversation.done():
                return "deadline", None, ""
            error = conversation.exception()
        finally:
            starting.cancel()
            conversation.cancel()
            with contextlib.suppress(asyncio.CancelledError, AgentFailed, CannotAsk, CannotRun):  # told above, or nobody's concern any more
                await conversation
        if error is not None and not isinstance(error, AgentFailed | CannotAsk | CannotRun):
            raise error
        return ("returned", None, "") if error is None else ("raised", error, "")

    def _environment(self) -> dict[str, str]:
        """The agent's environment: every provider is here, and no real key goes along."""
        return app_environment(os.environ, f"http://{_ADDRESS}:{self._server.port}", own_keys=False)

    async def _answer(self, arrived: Arrived, channel: Channel) -> Answering:
        answering = await self._scripted.answer(self, arrived, channel)

        def ended(end: End) -> None:
            if answering.on_end is not None:
                answering.on_end(end)
            self._refuse(answering.exchange, end)

        return replace(answering, on_end=ended)

    def _refuse(self, exchange: Exchange, end: End) -> None:
        if end == "broken" and refuses(exchange):
            self._server.refuse(REFUSES)

    def begin(self) -> None:
        """The agent can be asked: the clock begins."""
        self._began = monotonic()
        self._started.set()

    def turn(self, prompt: str) -> None:
        """A user's turn begins."""
        self.run.model.prompted(sum(isinstance(event, TurnBegan) for event in self.run.events))
        self.run.events.append(TurnBegan(self._now(), prompt))

    def reply(self, value: Any) -> None:
        """The agent answered the turn."""
        self.replies.append(value)
        self.run.events.append(Replied(self._now(), value if isinstance(value, str) else ""))

    def _played(self, ending: Ending, error: BaseException | None, detail: str) -> Played:
        run, provider = self.run, self.provider
        problems = [*run.problems, *self._server.failures]
        if not provider.requests and not isinstance(error, CannotAsk | CannotRun) and ending in ("returned", "raised"):
            problems.append(_NEVER_CALLED.format(why=f" ({error})" if error is not None else ""))
        return Played(
            ending="lab" if problems and ending != "lab" else ending,
            replies=tuple(self.replies),
            error=error,
            detail=detail,
            journal=tuple(run.events),
            ledger=run.ledger,
            points=tuple(run.points.values()),
            strikes=tuple(run.strikes),
            requests=provider.requests,
            tokens=provider.tokens,
            seconds=self._now(),
            time="real",
            telemetry=provider.telemetry,
            problems=tuple(problems),
            clean=self._clean or Clean(provider.answers, provider.requests, provider.tokens),
            models=tuple(provider.models),
            system_prompts=tuple(provider.system_prompts),
            tool_schemas=provider.tool_schemas,
        )
