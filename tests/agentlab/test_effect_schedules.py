"""Effects at most once, under random schedules of everything that makes an agent do a thing again."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from agentlab_faults import intercept
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.sim import Simulation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentlab import Bounds, Model, Reply, Tool, ToolRefusedError
from agentlab.agent import Agent
from agentlab.stores import InMemoryStore

from .conftest import call, error, refused, say, silent

SCHEDULES = 1_000 if os.environ.get("AGENTLAB_FULL") else 100
MODELS = [
    Model(name="gpt-4o-mini", timeout=8.0, connect_timeout=3.0),
    Model(name="backup", base_url="https://llm.fallback.example/v1", limit_field="max_tokens", timeout=8.0),
]

Fate = Literal["fine", "lost before", "lost after", "refused", "hangs after"]
FATES: st.SearchStrategy[Fate] = st.sampled_from(["fine", "fine", "lost before", "lost after", "refused", "hangs after"])
ORDERS = st.sampled_from(["A", "B"])
TOOLS = st.sampled_from(["pay", "mail"])
CALLS = st.lists(st.tuples(TOOLS, ORDERS), min_size=1, max_size=3)
ANSWERS = CALLS | st.sampled_from(["say", "say", "500", "refused", "silent", "400"])


@dataclass
class World:
    """A bank that honours keys, and a post office that does not. `did` has each commit: the tool, the order, the key."""

    fates: list[Fate]
    did: list[tuple[str, str, str]] = field(default_factory=list)
    keys: dict[tuple[str, str, int], set[str]] = field(default_factory=dict)
    confirmed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often the tool's answer reached the runtime."""

    async def work(self, tool: str, order: str, key: str) -> str:
        fate = self.fates.pop(0) if self.fates else "fine"
        if key:
            self.keys.setdefault((tool, order, self.confirmed[tool, order]), set()).add(key)
        if fate == "refused":
            raise ToolRefusedError("Not today.")
        if fate == "lost before":
            raise ConnectionResetError
        if not key or (tool, order, key) not in self.did:
            self.did.append((tool, order, key))
        if fate == "lost after":
            raise ConnectionResetError
        if fate == "hangs after":
            await asyncio.sleep(1e6)
        self.confirmed[tool, order] += 1
        return "done"

    def tools(self) -> list[Tool]:
        async def pay(order: str, idempotency_key: str) -> str:
            """Pay."""
            return await self.work("pay", order, idempotency_key)

        async def mail(order: str) -> str:
            """Mail."""
            return await self.work("mail", order, "")

        return [Tool(pay, effect="write", timeout=4.0), Tool(mail, effect="external", timeout=4.0)]


@dataclass
class Provider:
    """Two hosts that answer by one list, then say that all is done."""

    answers: list[Any]
    serial: int = 0

    def __call__(self, request: WireRequest) -> tuple[Exchange, None]:
        json.loads(request.body)  # every request is whole
        chosen = self.answers.pop(0) if self.answers else "say"
        if isinstance(chosen, list):
            self.serial += 1
            ids = tuple(f"call_{self.serial}_{n}" for n in range(len(chosen)))
            return call(*((tool, {"order": order}) for tool, order in chosen), ids=ids), None
        return {"say": say("All done."), "500": error(500), "refused": refused(), "silent": silent(), "400": error(400)}[chosen], None


@dataclass
class Run:
    """One conversation over workers that come and go."""

    world: World
    store: InMemoryStore = field(default_factory=InMemoryStore)
    told: list[Reply] = field(default_factory=list)

    def worker(self) -> Agent:
        return Agent(
            "payer",
            instructions="Help.",
            models=MODELS,
            tools=self.world.tools(),
            checkpoints=self.store,
            conversation="c1",
            bounds=Bounds(seconds=30.0),
        )

    async def turn(self, crashes: list[float], resumes: int) -> None:
        """One turn of a user: workers crash in it so many seconds after they began, others go on; at last it is resumed by its handle."""
        agent = self.worker()
        reply = await self._crashing(agent("Do it."), crashes)
        while reply is None:
            agent = self.worker()
            handle = await agent.unfinished()
            if handle is None:
                return
            reply = await self._crashing(agent.resume(handle), crashes)
        for _ in range(resumes):
            if reply is None or reply.resume is None:
                break
            reply = await self._crashing(self.worker().resume(reply.resume), [])
        if reply is not None:
            self.told.append(reply)

    async def _crashing(self, work: Any, crashes: list[float]) -> Reply | None:
        task = asyncio.ensure_future(work)
        await asyncio.wait({task}, timeout=crashes.pop(0) if crashes else None)
        if task.done():
            found: Reply = task.result()
            return found
        task.cancel()
        await asyncio.wait({task})
        return None


@settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    answers=st.lists(ANSWERS, max_size=8),
    fates=st.lists(FATES, max_size=8),
    crashes=st.lists(st.floats(0.0, 12.0), max_size=4),
    resumes=st.integers(0, 2),
)
def test_in_a_turn_no_effect_happens_twice_and_none_that_was_confirmed_is_lost(
    answers: list[Any], fates: list[Fate], crashes: list[float], resumes: int
) -> None:
    world = World(fates)
    run = Run(world)
    intercept.install()
    simulation = Simulation(seed=0, cap=100_000.0)
    with intercept.armed(Provider(answers)), simulation:
        simulation.settle(run.turn(list(crashes), resumes))
    happened = Counter((tool, order) for tool, order, _ in world.did)
    assert set(happened.values()) <= {1}, world.did
    assert all(len(keys) == 1 for keys in world.keys.values())
    named = {name for reply in run.told for name in reply.effects}
    assert not run.told or {tool for tool, _ in happened} <= named
    for reply in run.told:
        certain = {tool for tool, _ in world.confirmed} - set(reply.unconfirmed)
        assert certain <= {tool for tool, _ in happened}


@settings(max_examples=SCHEDULES // 4, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    turns=st.lists(st.booleans(), min_size=1, max_size=4),
    fates=st.lists(st.sampled_from(["fine", "lost before", "lost after"]), max_size=6),
    crashes=st.lists(st.floats(0.0, 8.0), max_size=3),
)
def test_a_later_turn_that_wants_the_same_again_gets_it_once_under_its_own_key(
    turns: list[bool], fates: list[Fate], crashes: list[float]
) -> None:
    """Each turn asks for the same payment: by slip (once), or because it is wanted (again after the question)."""
    world = World(fates)
    run = Run(world)
    intercept.install()
    simulation = Simulation(seed=0, cap=100_000.0)
    allowed = 0
    with intercept.armed(provider := Provider([])), simulation:
        for wanted in turns:
            provider.answers = [[("pay", "A")]] * (2 if wanted else 1)
            before = world.confirmed["pay", "A"]
            simulation.settle(run.turn(crashes, 0))
            allowed += 1 if wanted or before == 0 else 0
            assert len(world.did) <= allowed
            assert len({key for _, _, key in world.did}) == len(world.did)
