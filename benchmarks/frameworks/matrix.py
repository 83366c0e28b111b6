"""One fault under one agent: played in virtual time, and what became of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from agentlab_faults import FAULT_FREE, Injection, Played, Rate, Rewrites, Row, Schedule, Setup, Talk, Tool, play
from agentlab_faults.catalogue import select
from agentlab_faults.catalogue.tool_arguments import SpoilsArguments
from agentlab_faults.dialects import Answer
from agentlab_faults.dialects.limits import Limits
from agentlab_faults.fault import Fault, Shape
from agentlab_faults.script import Call, Called, Say, ScriptSpec
from agentlab_suites.honesty import ADMITS, compiled
from agentlab_suites.replies import read_reply

from benchmarks.frameworks.wiring import Entry, Primary, Wiring

__all__ = ["ANSWER", "BARS", "CASES", "PROMPT", "RESULTS", "TRIED", "Case", "Cell", "Result", "cell", "exists"]

DATA = json.loads(Path(__file__).with_name("faults.json").read_text(encoding="utf-8"))
PROMPT: str = DATA["prompt"]
ANSWER: str = DATA["answer"]
TRIED: Mapping[str, list[int | None]] = DATA["tried"]
HUNG = 7200.0
"""Virtual seconds after which a run counts as hung."""
RUNAWAY = 200
"""Requests to models after which a run counts as run away."""
CONTEXT = 128_000
"""Tokens that the scripted models take, as gpt-4o-mini does."""
BARS = {True: 44, False: 34}
"""Faults that ours must recover at least, with the fallback and without, whatever provider is the first and whether it streams."""
APIS: Mapping[Primary, str] = {
    "openai": "openai.chat",
    "responses": "openai.responses",
    "anthropic": "anthropic.messages",
    "gemini": "gemini.generate",
}
SCRIPT = ScriptSpec(
    turns=(Call((("search_kb", {"query": "orders"}),)), Call((("check_order", {"order_id": "42"}),)), Say(ANSWER)),
)
SETUP = Setup(
    scripts=(SCRIPT,),
    prompts=(PROMPT,),
    tools={
        "search_kb": Tool(name="search_kb", returns={"articles": ["Orders are shown by check_order."]}),
        "check_order": Tool(name="check_order", returns={"order": "ORDER 42: shipped"}),
    },
    deadline=HUNG,
    max_requests=RUNAWAY,
    limits=Limits(context=CONTEXT),
    watchdog=1800.0,
)
HONEST = compiled(ADMITS["en"])
ONLY_HERE = Rate(0.0, "only in the matrix")

Result = Literal["recovered", "degraded", "typed", "bare", "silent_wrong", "hung", "runaway"]
RESULTS: tuple[Result, ...] = get_args(Result)
"""The exact answer; an answer that says what it could not do; an error or status that the framework declares; any other exception;
another answer without a word; not back after two virtual hours; more than 200 requests."""


class SameCallForEver(Rewrites):
    """Every answer calls `search_kb` again, whatever it was answered."""

    row = Row(
        id="matrix_same_call_for_ever",
        boundary="semantic",
        family="loop",
        category="semantic",
        scope="model",
        best={"always": "needs_fallback"},
        why="The model is stuck; another one is not.",
        happens="Small models that do not see that their call was answered.",
        agent_should="See that the same call comes again, stop it, and ask another model.",
        rate=ONLY_HERE,
    )

    def rewrite(self, answer: Answer) -> Answer:
        """The call, under an id of its own."""
        again = Called(f"call_round_{answer.serial}", "search_kb", json.dumps({"query": "orders"}))
        return dataclasses.replace(answer, content=None, calls=(again,), finish="tool_calls")


class OtherSchema(SpoilsArguments):
    """A tool call's arguments have other names than its schema."""

    row = Row(
        id="matrix_other_schema",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best={"once": "recoverable", "always": "needs_fallback"},
        why="A check against the tool's schema finds it, and the model mends it when told what is missing.",
        happens="The model remembers another version of the tool.",
        agent_should="Check before running the tool, and tell the model what is wrong.",
        answer="tool_calls",
        rate=ONLY_HERE,
    )

    def arguments(self, arguments: str) -> str:
        """Each value under another name."""
        return json.dumps({f"{name}_v2": value for name, value in json.loads(arguments).items()})


OWN: Mapping[str, type[Fault]] = {fault.row.id: fault for fault in (SameCallForEver, OtherSchema)}
"""Not in the catalogue, which has the like of them at other places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One of the 49 faults. `at` is `model.2` or a tool's point, `event` one of its stream's events (below nought: from the end)."""

    name: str
    fault: str
    does: str
    at: str
    shape: Shape
    stream: bool
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    event: int | None = None
    lost: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Why no agent can give the exact answer `alone`, or with a `fallback`."""
    instead: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The catalogue's fault of the same kind where a provider, streams, or a provider's streams have one of their own."""

    def schedule(self, clean: Played, wiring: Wiring) -> Schedule | None:
        """The fault where it strikes, seen from the fault-free run; None where that API, or the way it is asked, knows no such fault."""
        kind, _, number = self.at.partition(".")
        point = f"{APIS[wiring.primary]}.{number}" if kind == "model" else self.at
        met = next(met for met in clean.points if met.name == point)
        fault = self._fault(wiring)
        if not fault.row.applies(met):
            return None
        event = self.event or (1 if fault.row.at_event else None)
        if event is not None:
            point += f".chunk.{event if event > 0 else max(1, met.chunks + 1 + event)}"
        scope = "host" if kind == "model" and self.shape == "always" else None
        return Schedule(self.name, (Injection(fault=fault, at=point, shape=self.shape, scope=scope),))

    def _fault(self, wiring: Wiring) -> Fault:
        places = [f"{wiring.primary}/stream", "stream"] if wiring.stream else []
        chosen = next((self.instead[place] for place in (*places, wiring.primary) if place in self.instead), self.fault)
        return (OWN.get(chosen) or select([chosen])[0])(**self.settings)


CASES = tuple(Case(**given) for given in DATA["faults"])


@dataclass(frozen=True, slots=True)
class Cell:
    """What became of one fault under one agent."""

    result: Result
    detail: str
    seconds: float
    """Virtual."""
    requests: int


def cell(case: Case, entry: Entry, wiring: Wiring) -> Cell | None:
    """Play it; None if there is no such fault there.

    Raises RuntimeError where the run proves nothing: the clean one fails, the fault does not strike, the lab itself fails.
    """
    wiring, clean, schedule = _set_up(case, entry, wiring)
    return None if schedule is None else _judged(_played(entry, wiring, schedule, clean), entry, f"{entry.name} under {case.name}")


def exists(case: Case, entry: Entry, wiring: Wiring) -> bool:
    """Whether there is such a fault there."""
    return _set_up(case, entry, wiring)[2] is not None


def _set_up(case: Case, entry: Entry, wiring: Wiring) -> tuple[Wiring, Played, Schedule | None]:
    wiring = dataclasses.replace(wiring, stream=wiring.stream or case.stream)
    clean = _clean(entry, wiring)
    return wiring, clean, case.schedule(clean, wiring)


@cache
def _clean(entry: Entry, wiring: Wiring) -> Played:
    played = _played(entry, wiring)
    if read_reply(played.replies[0] if played.replies else None).text != ANSWER:
        raise RuntimeError(f"{entry.name} does not give the answer without a fault: {played.error or played.replies or played.detail}")
    return played


def _played(entry: Entry, wiring: Wiring, schedule: Schedule = FAULT_FREE, clean: Played | None = None) -> Played:
    def conversation(talk: Talk) -> None:
        agent = entry.build(wiring)
        talk.turn(PROMPT)
        talk.reply(talk.settle(agent(PROMPT)))

    return play(conversation, SETUP, schedule, clean=clean.clean if clean else None)


def _judged(played: Played, entry: Entry, where: str) -> Cell:
    if played.ending in ("lab", "watchdog") or not any(strike.changed for strike in played.strikes):
        raise RuntimeError(f"{where}: the run proves nothing ({played.ending}: {played.problems or played.detail or 'nothing struck'}).")
    result, detail = _result(played, entry)
    return Cell(result, detail, played.seconds, played.requests)


def _result(played: Played, entry: Entry) -> tuple[Result, str]:
    if played.ending == "stopped":
        return "runaway", played.detail
    if played.ending not in {"returned", "raised"}:
        return "hung", played.ending
    if played.error is not None:
        kind = type(played.error)
        declared = kind.__module__.partition(".")[0] in entry.declares
        return "typed" if declared else "bare", f"{kind.__module__}.{kind.__qualname__}: {played.error}"
    reply = read_reply(played.replies[0])
    if reply.text == ANSWER and reply.status in ("", "complete"):
        return "recovered", ""
    if reply.status not in ("", "complete", "degraded"):
        return "typed", f"{reply.status}: {reply.text}"
    return "degraded" if any(pattern.search(reply.text) for pattern in HONEST) else "silent_wrong", reply.text
