"""The provider's side of a run: the agent's HTTP requests come here, and the script or a fault answers them."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentlab_faults.calls import Call, chat_fingerprint
from agentlab_faults.exchange import Exchange, Pause, WireRequest
from agentlab_faults.fault import Fault, Replaces, Served, Spoils
from agentlab_faults.injector import Target, can_spoil
from agentlab_faults.intercept import OnEnd, classify
from agentlab_faults.journal import Answered, Requested
from agentlab_faults.ledger import canonical
from agentlab_faults.points import Point
from agentlab_faults.run import LimitPassed, Run
from agentlab_faults.script import ScriptMissing, chat
from agentlab_faults.sim.real import get_ident

__all__ = ["Provider"]

_API = "openai.chat"
_EPOCH = 1_700_000_000
"""The virtual epoch: 14 November 2023, 22:13:20 UTC."""
_NOT_VIRTUAL = "which is not in virtual time; use asyncio.to_thread or a ThreadPoolExecutor."
_SILENT = Exchange(before=(Pause(math.inf),))
"""Never answers: what a request gets once the run is being stopped."""


@dataclass(slots=True)
class _Answer:
    exchange: Exchange
    fault: str = ""
    spoiled: bool = False
    """The agent cannot use it: a later equal request is one more attempt at the same call."""
    tokens: int = 0
    calls: tuple[str, ...] = ()
    text: str = ""
    tells_at: float = 0.0
    """Virtual seconds of the run from which on the agent can tell the answer from the clean one."""
    unseen: Callable[[], None] | None = None
    """Takes back that the agent saw the strike."""


class Provider:
    """Handler of the interceptor for one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
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
        if endpoint.kind == "telemetry":
            self.telemetry += 1
            return Exchange(status=202, headers=(("content-length", "0"),)), None
        if get_ident() != self._thread:
            self._run.problems.append(
                f"The agent called its provider from a real thread ({threading.current_thread().name}), {_NOT_VIRTUAL}"
            )
            return None
        if endpoint.api != _API:
            self._run.fail(f"The agent called {endpoint.api} at {request.host}{request.path}, but the script is served as {_API} only.")
            return _SILENT, None
        try:
            return self._chat(request)
        except ScriptMissing as missing:
            self._run.fail(str(missing))
        except Exception as error:  # noqa: BLE001 - what breaks in here is the lab's failure and must not pass for the provider's
            self._run.fail(f"The lab failed while it answered {request.path}: {type(error).__name__}: {error}")
        return _SILENT, None

    def _chat(self, request: WireRequest) -> tuple[Exchange, OnEnd | None]:
        run = self._run
        self.requests += 1
        body = _parse(request.body)
        call = run.calls.place(_API, chat_fingerprint(body))
        model = str(body.get("model", ""))
        run.events.append(_requested(run.now(), self.requests, call, request, model))
        if self._limit_passed():
            return _SILENT, None
        if run.clean is None:
            self._describe(body, model)
        if not run.strikes and self._ran_unseen(body):
            return _SILENT, None
        secret = request.headers.get("authorization") or request.headers.get("api-key", "")
        key = hashlib.sha256(secret.encode()).hexdigest()[:12]
        injection = run.injector.pick(Target("llm", call.point, call.attempt, run.now(), host=request.host, model=model, key=key))
        answer = self._answer(request, body, call, injection.fault if injection else None)
        if call.point not in run.points:
            run.points[call.point] = Point(call.point, "llm", _API, call.n, request.host, model, calls_tools=bool(answer.calls))
        return answer.exchange, functools.partial(self._ended, call, self.requests, answer)

    def _limit_passed(self) -> bool:
        setup = self._run.setup
        if setup.max_requests is not None and self.requests > setup.max_requests:
            self._run.stop(LimitPassed(f"The agent made more than {setup.max_requests} provider requests."))
        elif setup.max_tokens is not None and self.tokens > setup.max_tokens:
            self._run.stop(LimitPassed(f"The agent used more than {setup.max_tokens} tokens."))
        else:
            return False
        return True

    def _ran_unseen(self, body: Mapping[str, Any]) -> bool:
        """Stop the run at the first result of a tool that must not run for real, if nothing of that name has passed the tools' seam."""
        run = self._run
        passed = {execution.tool for execution in run.ledger.executions}
        for message in _list(body.get("messages")):
            if not isinstance(message, dict) or message.get("role") != "tool":
                continue
            tool = self._fakes.get(str(message.get("tool_call_id")))
            if tool is not None and tool not in passed:
                told = str(message.get("content"))[:80]
                run.fail(
                    f"The agent answered the model's call of {tool!r} with {told!r}, but no tool of that name passed the lab: "
                    f"what ran, if anything did, was real. Say where it is: tools: {{{tool}: {{effect: {run.setup.tools[tool].effect}, "
                    'at: "your.module:function"}}'
                )
                return True
        return False

    def _describe(self, body: Mapping[str, Any], model: str) -> None:
        """Keep what tells one version of the agent from another."""
        self.models.setdefault(model)
        for message in _list(body.get("messages")):
            if isinstance(message, dict) and message.get("role") in ("system", "developer"):
                self.system_prompts.setdefault(canonical(message.get("content")))
        for offered in _list(body.get("tools")):
            if isinstance(offered, dict) and isinstance(function := offered.get("function"), dict):
                self.tool_schemas[str(function.get("name"))] = canonical(function)

    def _answer(self, request: WireRequest, body: dict[str, Any], call: Call, fault: Fault | None) -> _Answer:
        run = self._run
        if isinstance(fault, Replaces):
            exchange = fault.answer(request)
            clean = run.clean.answers.get(call.point) if run.clean else None
            unseen = run.struck(fault.row.id, call, changed=clean != _digest(exchange))
            clean_at = min((spec.latency for spec in run.setup.scripts), default=0.0)
            return _Answer(exchange, fault.row.id, spoiled=True, tells_at=run.now() + min(_silence(exchange), clean_at), unseen=unseen)
        refusal = chat.refuse(request, body or None, serial=self.requests)
        if refusal is not None:
            return _Answer(refusal, spoiled=True)
        return self._served(request, body, call, fault)

    def _served(self, request: WireRequest, body: dict[str, Any], call: Call, fault: Fault | None) -> _Answer:
        run = self._run
        serving = run.model.serve(body)
        payload = chat.render(serving, body, serial=self.requests, created=_EPOCH + int(run.now()))
        served = chat.exchange(payload, latency=serving.latency, serial=self.requests)
        tokens = int(payload["usage"]["total_tokens"])
        self.tokens += tokens
        names = tuple(called.name for called in serving.tool_calls)
        fakes = {name for name, tool in run.setup.tools.items() if tool.body == "fake"}
        self._fakes.update((called.id, called.name) for called in serving.tool_calls if called.name in fakes)
        answer = _Answer(served, tokens=tokens, calls=names, text=serving.content or "")
        if run.clean is None:
            self.answers.setdefault(call.point, _digest(served))
        if isinstance(fault, Spoils) and can_spoil(fault, bool(names)):
            answer.exchange = fault.spoil(Served(json.loads(served.content), served, request))
            answer.fault = fault.row.id
            answer.spoiled = _digest(answer.exchange, timed=False) != _digest(served, timed=False)
            if answer.spoiled:
                run.model.spoiled(serving.ids)
            answer.tells_at = run.now() + min(_silence(answer.exchange), _silence(served))
            answer.unseen = run.struck(fault.row.id, call, changed=_digest(answer.exchange) != _digest(served))
        return answer

    def _ended(self, call: Call, serial: int, answer: _Answer, end: str) -> None:
        run = self._run
        if run.over and end == "delivered":
            return
        if end == "delivered" and not answer.spoiled:
            run.calls.done(_API, call)
        if end == "abandoned" and answer.unseen is not None and run.now() < answer.tells_at:
            answer.unseen()
        status = answer.exchange.status if end == "delivered" else 0
        wait = _retry_after(answer.exchange)
        run.events.append(
            Answered(run.now(), serial, call.point, call.attempt, end, status, answer.tokens, answer.fault, wait, answer.calls, answer.text)
        )


def _parse(body: bytes) -> dict[str, Any]:
    """The request's JSON object; anything else is an empty one, which the scripted provider then refuses as the real one does."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _list(value: Any) -> list[Any]:
    """A list as it is, anything else as none: what is wrong with it is the refusal's to say."""
    return value if isinstance(value, list) else []


def _requested(now: float, serial: int, call: Call, request: WireRequest, model: str) -> Requested:
    retry = request.headers.get("x-stainless-retry-count", "0")
    digest = hashlib.sha256(request.body).hexdigest()
    sdk_retry = int(retry) if retry.isdigit() else 0
    return Requested(now, serial, call.point, call.attempt, request.host, model, request.library, len(request.body), digest, sdk_retry)


def _digest(exchange: Exchange, *, timed: bool = True) -> str:
    """Equal for exchanges that the agent cannot tell apart, by bytes or (if `timed`) by time."""
    types = [value for name, value in exchange.headers if name.lower() in ("content-type", "content-encoding")]
    facts = f"{exchange.status} {types} {exchange.seconds if timed else 0} {exchange.intact} ".encode()
    return hashlib.sha256(facts + exchange.content).hexdigest()


def _silence(exchange: Exchange) -> float:
    """Virtual seconds until the client sees anything of the exchange."""
    seconds = 0.0
    for part in exchange.before:
        if not isinstance(part, Pause):
            break
        seconds += part.seconds
    return seconds


def _retry_after(exchange: Exchange) -> float | None:
    """Seconds that the answer tells the agent to wait, if it says so in numbers."""
    told = {name.lower(): value for name, value in exchange.headers}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return float(told[name]) * unit
        except (KeyError, ValueError):
            continue
    return None
