"""The provider's side of a run: the agent's HTTP requests come here, and the script or a fault answers them."""

from __future__ import annotations

import functools
import hashlib
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentlab_faults.calls import Call
from agentlab_faults.cassette.matching import Player
from agentlab_faults.dialects import DIALECTS, Dialect
from agentlab_faults.dialects.counting import counted
from agentlab_faults.dialects.responses.retrieving import retrieved
from agentlab_faults.exchange import Break, Exchange, Pause, WireRequest, differs_after
from agentlab_faults.fault import Replaces, Spoils
from agentlab_faults.injector import Target
from agentlab_faults.intercept import Endpoint, Handler, OnEnd, classify
from agentlab_faults.journal import Answered
from agentlab_faults.ledger import canonical
from agentlab_faults.noting import digest, requested, retry_after, silence, traits
from agentlab_faults.points import Point, Trait
from agentlab_faults.reading import Reading, reading
from agentlab_faults.run import LimitPassed, Run
from agentlab_faults.schedule import Injection
from agentlab_faults.script import Asked, ScriptMissing
from agentlab_faults.scrub import cut
from agentlab_faults.serving import EPOCH, Good, recorded, serve
from agentlab_faults.sim.active import is_leftover
from agentlab_faults.sim.real import get_ident
from agentlab_faults.tokens import token_answer

__all__ = ["Provider"]

_NOT_VIRTUAL = "which is not in virtual time; use asyncio.to_thread or a ThreadPoolExecutor."
_SILENT = Exchange(before=(Pause(math.inf),))
"""Never answers: what a request gets once the run is being stopped."""
_REFUSED = Exchange(before=(Break("ConnectError", "the run that started this thread is over"),))
_TICK = 1e-6
"""Seconds that two times may be apart and still be the same: one is a clock's, the other one a sum."""


@dataclass(slots=True)
class _Answer:
    exchange: Exchange
    fault: str = ""
    spoiled: bool = False
    """The agent cannot use it: a later equal request is one more attempt at the same call."""
    tokens: int = 0
    calls: tuple[str, ...] = ()
    text: str = ""
    chunks: int = 0
    """Events of the fault-free stream; 0 if it is none."""
    tells_at: float = 0.0
    """Virtual seconds of the run from which on the agent can tell the answer from the clean one."""
    unseen: Callable[[], None] | None = None
    """Takes back that the agent saw the strike."""


class Provider:
    """Handler of the interceptor for one run."""

    def __init__(self, run: Run, mcp: Handler | None = None) -> None:
        self._run = run
        self._mcp = mcp
        self._thread = get_ident()
        self.requests = 0
        self.telemetry = 0
        """Requests of the agent's own telemetry, answered 202."""
        self.tokens = 0
        self.answers: dict[str, str] = {}
        """Point name to the digest of its served answer."""
        self.models: dict[str, None] = {}
        self.system_prompts: dict[str, None] = {}
        self.tool_schemas: dict[str, str] = {}
        self._fakes: dict[str, str] = {}
        """Id to tool of the served calls whose tool must never run for real."""

    def __call__(self, request: WireRequest) -> tuple[Exchange, OnEnd | None] | None:
        """Answer one HTTP request; None lets it through to the network, where the guard sees it."""
        if self._run.over:
            return _SILENT, None
        endpoint = classify(request)
        if endpoint is None or endpoint.kind == "tool":
            return None
        if is_leftover():
            return _REFUSED, None
        if endpoint.kind == "mcp":
            return self._of_mcp(request)
        if endpoint.kind == "telemetry":
            self.telemetry += 1
            return Exchange(status=202, headers=(("content-length", "0"),)), None
        if get_ident() != self._thread:
            self._run.problems.append(
                f"The agent called its provider from a real thread ({threading.current_thread().name}), {_NOT_VIRTUAL}"
            )
            return None
        return self._of_provider(endpoint, request)

    def _of_provider(self, endpoint: Endpoint, request: WireRequest) -> tuple[Exchange, OnEnd | None]:
        if (beside := self._beside(endpoint.api, request)) is not None:
            return beside, None
        dialect = DIALECTS.get(endpoint.api)
        if dialect is None:
            served, what = ", ".join(DIALECTS), "" if endpoint.api == "side" else f" ({endpoint.api})"
            asked = f"{request.method} {request.host}{request.path}{what}"
            self._run.fail(f"The agent asked for {asked}, which the lab does not answer; the script is served as {served} only.")
            return _SILENT, None
        try:
            return self._called(dialect, request)
        except ScriptMissing as missing:
            self._run.fail(str(missing))
        except Exception as error:  # noqa: BLE001 - what breaks in here is the lab's failure and must not pass for the provider's
            self._run.fail(f"The lab failed while it answered {request.path}: {type(error).__name__}: {error}")
        return _SILENT, None

    def _of_mcp(self, request: WireRequest) -> tuple[Exchange, OnEnd | None] | None:
        try:
            return self._mcp(request) if self._mcp is not None else None
        except Exception as error:  # noqa: BLE001 - as above: it must not pass for the server's
            self._run.fail(f"The lab failed while it answered {request.path}: {type(error).__name__}: {error}")
        return _SILENT, None

    def _beside(self, api: str, request: WireRequest) -> Exchange | None:
        """What a provider answers that is no call of a model."""
        if api == "oauth.token":
            return token_answer(EPOCH + self._run.now())
        if api == "side":
            return retrieved(request, self._run.memory, serial=self.requests)
        return counted(request, serial=self.requests) if api == "tokens" else None

    def _called(self, dialect: Dialect, request: WireRequest) -> tuple[Exchange, OnEnd | None]:
        run = self._run
        self.requests += 1
        read = reading(dialect, request.body, run.memory)
        body = read.body
        call = run.calls.place(dialect.api, read.fingerprint)
        model = dialect.model(request, body)
        run.events.append(requested(run.now(), self.requests, call, request, model))
        if self._limit_passed():
            return _SILENT, None
        if run.clean is None:
            self._describe(dialect, body, model)
        refusal, asked = self._read(dialect, request, read)
        if asked is not None and not run.strikes and self._ran_unseen(asked):
            return _SILENT, None
        key = hashlib.sha256(dialect.key(request).encode()).hexdigest()[:12]
        injection = run.injector.pick(Target("llm", call.point, call.attempt, run.now(), host=request.host, model=model, key=key))
        if injection is not None and isinstance(injection.fault, Replaces) and _known_here(injection.fault, dialect, request, body):
            answer = self._replaced(injection.fault, request, call)
        elif run.cassette is not None:
            answer = self._recorded(dialect, run.cassette, request, body, call, injection)
        elif asked is None:
            answer = _Answer(refusal or _SILENT, spoiled=True)
        else:
            answer = self._served(asked, request, read, call, injection)
        self._note(dialect, request, body, call, model, answer, asked)
        return answer.exchange, functools.partial(self._ended, dialect, body, call, self.requests, answer)

    def _read(self, dialect: Dialect, request: WireRequest, read: Reading) -> tuple[Exchange | None, Asked | None]:
        """The provider's refusal, or what is asked of the model. A cassette may hold what no script can: then neither."""
        try:
            refusal = read.refusal(request, serial=self.requests)
        except ScriptMissing:
            if self._run.cassette is None:
                raise
            return None, None
        refusal = refusal or self._run.meter.refuse(dialect, request, read.body, now=self._run.now(), epoch=EPOCH, serial=self.requests)
        return refusal, self._run.model.named(read.asked()) if refusal is None else None

    def _note(
        self, dialect: Dialect, request: WireRequest, body: dict[str, Any], call: Call, model: str, answer: _Answer, asked: Asked | None
    ) -> None:
        """Remember the point at its first sight."""
        if call.point not in self._run.points:
            self._run.points[call.point] = Point(
                call.point,
                "llm",
                dialect.api,
                call.n,
                request.host,
                model,
                calls_tools=bool(answer.calls),
                streamed=answer.chunks > 0,
                chunks=answer.chunks,
                shows=_shown(dialect, request, body, asked) if self._run.clean is None else (),
            )

    def _limit_passed(self) -> bool:
        setup = self._run.setup
        if setup.max_requests is not None and self.requests > setup.max_requests:
            self._run.stop(LimitPassed(f"The agent made more than {setup.max_requests} provider requests."))
        elif setup.max_tokens is not None and self.tokens > setup.max_tokens:
            self._run.stop(LimitPassed(f"The agent used more than {setup.max_tokens} tokens."))
        else:
            return False
        return True

    def _ran_unseen(self, asked: Asked) -> bool:
        """Stop the run at the first result of a tool that must not run for real, if nothing of that name has passed the tools' seam."""
        run = self._run
        if not self._fakes:
            return False
        passed = {execution.tool for execution in run.ledger.executions}
        for call_id, told in asked.shown().items():
            tool = self._fakes.get(call_id)
            if told is not None and tool is not None and tool not in passed:
                run.fail(
                    f"The agent answered the model's call of {tool!r} with {cut(told, 80)!r}, but no tool of that name passed the lab: "
                    f"what ran, if anything did, was real. Say where it is: tools: {{{tool}: {{effect: {run.setup.tools[tool].effect}, "
                    'at: "your.module:function"}}'
                )
                return True
        return False

    def _describe(self, dialect: Dialect, body: Mapping[str, Any], model: str) -> None:
        """Keep what tells one version of the agent from another."""
        self.models.setdefault(model)
        for prompt in dialect.system_prompts(body):
            self.system_prompts.setdefault(canonical(prompt))
        for name, schema in dialect.tool_schemas(body).items():
            self.tool_schemas[name] = canonical(schema)

    def _replaced(self, fault: Replaces, request: WireRequest, call: Call) -> _Answer:
        run = self._run
        exchange = fault.answer(request)
        clean = run.clean.answers.get(call.point) if run.clean else None
        unseen = run.struck(fault.row.id, call, changed=clean != digest(exchange))
        clean_at = min((spec.latency for spec in run.setup.scripts), default=0.0)
        return _Answer(exchange, fault.row.id, spoiled=True, tells_at=run.now() + min(silence(exchange), clean_at), unseen=unseen)

    def _served(self, asked: Asked, request: WireRequest, read: Reading, call: Call, injection: Injection | None) -> _Answer:
        created = EPOCH + int(self._run.now())
        return self._on_its_way(serve(self._run.model, asked, read, request, serial=self.requests, created=created), call, injection)

    def _recorded(
        self, dialect: Dialect, cassette: Player, request: WireRequest, body: dict[str, Any], call: Call, injection: Injection | None
    ) -> _Answer:
        endpoint = classify(request)  # finer than the dialect: Gemini's streams have a path of their own, and the same body
        exchange = cassette.find(dialect.api if endpoint is None else endpoint.api, request.body).exchange
        good = recorded(dialect, exchange, request, body, serial=self.requests, latency=exchange.seconds)
        return self._on_its_way(good, call, injection) if good is not None else _Answer(exchange, spoiled=True)

    def _on_its_way(self, good: Good, call: Call, injection: Injection | None) -> _Answer:
        """A good answer, and what a fault leaves of it."""
        run = self._run
        served, said, fault = good.exchange, good.answer, injection.fault if injection else None
        tokens = int(said.usage.total) if said.usage is not None else 0
        self.tokens += tokens
        names = tuple(called.name for called in said.calls)
        fakes = {name for name, tool in run.setup.tools.items() if tool.body == "fake"}
        self._fakes.update((called.id, called.name) for called in said.calls if called.name in fakes)
        answer = _Answer(served, tokens=tokens, calls=names, text=said.content or "", chunks=_chunks(served) if good.streams else 0)
        if run.clean is None:
            self.answers.setdefault(call.point, digest(served))
        if injection and isinstance(fault, Spoils) and fault.row.acts_on(good.dialect.api, calls_tools=bool(names), streamed=good.streams):
            answer.exchange = good.spoiled(fault, injection.chunk)
            answer.fault = fault.row.id
            answer.spoiled = digest(answer.exchange, timed=False) != digest(served, timed=False)
            if answer.spoiled:
                run.model.spoiled(called.id for called in said.calls)
            answer.tells_at = run.now() + differs_after(answer.exchange, served)
            answer.unseen = run.struck(fault.row.id, call, changed=digest(answer.exchange) != digest(served))
        return answer

    def _ended(self, dialect: Dialect, body: dict[str, Any], call: Call, serial: int, answer: _Answer, end: str) -> None:
        run = self._run
        if run.over and end == "delivered":
            return
        if end == "delivered" and answer.exchange.status == 200:
            dialect.remember(answer.exchange.content, body, run.memory)
        if end == "delivered" and not answer.spoiled:
            run.calls.done(call)
        if end == "abandoned" and answer.unseen is not None and run.now() + _TICK < answer.tells_at:
            answer.unseen()
        status = answer.exchange.status if end == "delivered" else 0
        wait = retry_after(answer.exchange)
        told = (answer.fault, wait, answer.calls, answer.text, not answer.spoiled)
        run.events.append(Answered(run.now(), serial, call.point, call.attempt, end, status, answer.tokens, *told))


def _known_here(fault: Replaces, dialect: Dialect, request: WireRequest, body: Mapping[str, Any]) -> bool:
    """Whether this wire API knows such an answer; whether the good one would have called tools nobody asks."""
    row = fault.row
    return row.acts_on(dialect.api, calls_tools=row.answer == "tool_calls", streamed=dialect.streams(request, body))


def _shown(dialect: Dialect, request: WireRequest, body: Mapping[str, Any], asked: Asked | None) -> tuple[Trait, ...]:
    """What the request shows, as far as faults care."""
    return (*(traits(asked) if asked is not None else ()), *(("usage",) if dialect.tells_usage(request, body) else ()))


def _chunks(exchange: Exchange) -> int:
    return sum(isinstance(part, bytes) for part in exchange.body)
