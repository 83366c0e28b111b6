"""A real provider behind the server: requests are passed on within a budget, answers come back as they come, and faults strike between."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agentlab_faults.calls import Call, fingerprint
from agentlab_faults.dialects import DIALECTS, Dialect
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.fault import Fault, Replaces, Spoils
from agentlab_faults.injector import Target
from agentlab_faults.intercept.endpoints import classify
from agentlab_faults.journal import Answered
from agentlab_faults.noting import requested, retry_after
from agentlab_faults.proxy.budget import Purse, usage_in
from agentlab_faults.proxy.channel import Channel, Gone
from agentlab_faults.proxy.playing import Answering, CutOff
from agentlab_faults.proxy.reading import Arrived
from agentlab_faults.proxy.scopes import HEADER, Scope
from agentlab_faults.proxy.server import problem
from agentlab_faults.proxy.upstream import Response, Unreachable, Upstream
from agentlab_faults.reading import parsed
from agentlab_faults.serving import recorded
from agentlab_faults.sim.real import monotonic

__all__ = ["Keep", "Live"]

_HOP: Final = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    b"host", b"content-length", b"accept-encoding", b"expect", HEADER.encode(),
})  # fmt: skip
"""Headers of one connection, and those that are made anew."""
_MOST: Final = 32 * 1024 * 1024
"""Bytes of an answer that are held for a fault that needs it whole."""

Keep = Callable[[WireRequest, Exchange, Sequence[tuple[float, bytes]]], None]


@dataclass(slots=True)
class _Strike:
    """What a fault did to one request, or what kept it from the provider."""

    fault: str = ""
    spoiled: bool = False
    kept_back: str = ""
    """Why the provider did not answer it, as a sentence."""

    def refuse(self, status: int, sentence: str) -> Answering:
        """Answer in the provider's place."""
        self.kept_back = sentence
        return Answering(problem(status, sentence))


class Live:
    """Passes everything on to one provider."""

    def __init__(self, upstream: str, purse: Purse) -> None:
        self._upstream = Upstream(upstream)
        self._host = self._upstream.host
        self.purse = purse
        self._serial = 0
        self.keep: Keep | None = None
        """Sees each answer that came whole: the request, status and headers, and the body's pieces with the seconds before each."""
        self.tell: Callable[[str], None] = lambda _: None
        """Hears what could not be done."""

    async def close(self) -> None:
        """Close every connection to the provider."""
        await self._upstream.close()

    async def answer(self, scope: Scope, arrived: Arrived, channel: Channel) -> Answering:
        """What the provider or a fault answers."""
        wire = arrived.wire
        endpoint = classify(wire)
        if endpoint is None or endpoint.kind != "provider" or endpoint.api == "side":
            return await self._pass_on(arrived, channel, None, _Strike())
        run, body = scope.run, parsed(wire.body)
        dialect = DIALECTS.get(endpoint.api)
        conversation = dialect.conversation(body) if dialect is not None else body
        model = dialect.model(wire, body) if dialect is not None else str(body.get("model", ""))
        serial = self._serial = self._serial + 1
        call = run.calls.place(endpoint.api if dialect is None else dialect.api, fingerprint(conversation))
        sent = _to(wire, self._host)
        run.events.append(requested(run.now(), serial, call, sent, model))
        key = hashlib.sha256(wire.headers.get("authorization", "").encode()).hexdigest()[:12]
        injection = run.injector.pick(Target("llm", call.point, call.attempt, run.now(), host=self._host, model=model, key=key))
        fault = injection.fault if injection is not None else None
        strike = _Strike()
        if isinstance(fault, Replaces):
            run.struck(fault.row.id, call, changed=True)
            strike.fault, strike.spoiled = fault.row.id, True
            answering = Answering(fault.answer(sent))
        else:
            whole = None
            if injection is not None and dialect is not None:
                whole = _Whole(injection.fault, dialect, body, call, scope, injection.chunk, serial)
            try:
                answering = await self._pass_on(arrived, channel, whole, strike)
            except Gone:
                self._ended(scope, call, serial, Exchange(), strike, "abandoned")
                raise
        answering.on_end = functools.partial(self._ended, scope, call, serial, answering.exchange, strike)
        return answering

    def _ended(self, scope: Scope, call: Call, serial: int, exchange: Exchange, strike: _Strike, end: str) -> None:
        run = scope.run
        if end == "delivered" and not strike.spoiled and exchange.status < 400:
            run.calls.done(call)
        status = exchange.status if end == "delivered" else 0
        told = (strike.fault, retry_after(exchange))
        spoiled, why = strike.spoiled, strike.kept_back
        run.events.append(Answered(run.now(), serial, call.point, call.attempt, end, status, 0, *told, text=why, whole=not spoiled))

    async def _pass_on(self, arrived: Arrived, channel: Channel, whole: _Whole | None, strike: _Strike) -> Answering:
        aside = self.purse.open(parsed(arrived.wire.body), len(arrived.wire.body))
        if isinstance(aside, str):
            return strike.refuse(402, aside)
        headers = [(name, value) for name, value in arrived.raw if name not in _HOP] + [(b"accept-encoding", b"identity")]
        try:
            async with channel.attended():
                response = await self._upstream.ask(arrived.wire.method, arrived.target, headers, arrived.wire.body)
        except Unreachable as error:
            return strike.refuse(502, f"The provider cannot be reached ({error}).")
        exchange = Exchange(response.status, _headers(response))
        coming = _Coming(response, functools.partial(self._came, arrived.wire, exchange, aside))
        if whole is None or response.status >= 400:
            return Answering(exchange, live=coming)
        try:
            async with channel.attended():
                pieces = await _gather(coming)
        except CutOff as error:
            return strike.refuse(502, f"The provider broke off its answer ({error}).")
        finally:
            await coming.close()
        return Answering(self._struck(whole, exchange, pieces, arrived.wire, strike))

    def _came(self, wire: WireRequest, exchange: Exchange, aside: float, pieces: list[tuple[float, bytes]]) -> None:
        """The whole body has come."""
        refused = 400 <= exchange.status < 500
        self.purse.settle(aside, (0, 0) if refused else usage_in(b"".join(piece for _, piece in pieces)))
        if self.keep is None:
            return
        try:
            self.keep(wire, exchange, pieces)
        except OSError as error:
            self.tell(f"the provider's answer could not be recorded ({error}); it is passed on all the same")

    def _struck(self, whole: _Whole, exchange: Exchange, pieces: list[bytes], wire: WireRequest, strike: _Strike) -> Exchange:
        good = Exchange(exchange.status, exchange.headers, tuple(pieces))
        if whole.dialect.streams(wire, whole.body):
            good = Exchange(exchange.status, exchange.headers, _events(good.content))
        bad = whole.spoiled(good, wire)
        if bad is None:
            self.tell(
                f"{whole.fault.row.id} has nothing to act on in the provider's answer to {whole.call.point}, which is passed on as it is"
            )
            return good
        strike.fault, strike.spoiled = whole.fault.row.id, bad != good
        whole.scope.run.struck(whole.fault.row.id, whole.call, changed=bad != good)
        return bad


@dataclass(frozen=True, slots=True)
class _Whole:
    """A fault that needs the answer whole."""

    fault: Fault
    dialect: Dialect
    body: dict[str, Any]
    call: Call
    scope: Scope
    chunk: int | None
    serial: int

    def spoiled(self, good: Exchange, wire: WireRequest) -> Exchange | None:
        """The answer after the fault; None if it has nothing to act on."""
        found = recorded(self.dialect, good, wire, self.body, serial=self.serial)
        if found is None or not isinstance(self.fault, Spoils):
            return None
        fits = self.fault.row.acts_on(self.dialect.api, calls_tools=bool(found.answer.calls), streamed=found.streams)
        return found.spoiled(self.fault, self.chunk) if fits else None


class _Coming:
    """The body's pieces as they come, and when; `whole` gets them all at the end."""

    def __init__(self, response: Response, whole: Callable[[list[tuple[float, bytes]]], None]) -> None:
        self._response, self._whole = response, whole
        self._pieces: list[tuple[float, bytes]] = []
        self._size = 0
        self._last = monotonic()

    @property
    def at_hand(self) -> bool:
        """Whether the next piece has come already. Raises CutOff."""
        return self._response.at_hand

    async def piece(self) -> bytes | None:
        """The next bytes; None at the end. Raises CutOff."""
        piece = await self._response.piece()
        if piece is None:
            self._whole(self._pieces)
            return None
        now = monotonic()
        self._size += len(piece)
        if self._size <= _MOST:
            self._pieces.append((now - self._last, piece))
        self._last = now
        return piece

    async def close(self) -> None:
        """Read no further."""
        await self._response.close()


async def _gather(coming: _Coming) -> list[bytes]:
    pieces: list[bytes] = []
    while (piece := await coming.piece()) is not None:
        pieces.append(piece)
    return pieces


def _events(content: bytes) -> tuple[bytes, ...]:
    """A stream's events, one part each."""
    parts = content.split(b"\n\n")
    return tuple(part + b"\n\n" for part in parts[:-1]) + ((parts[-1],) if parts[-1] else ())


def _headers(response: Response) -> tuple[tuple[str, str], ...]:
    kept = [(name, value) for name, value in response.headers if name not in _HOP or name == b"content-length"]
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in kept)


def _to(wire: WireRequest, host: str) -> WireRequest:
    return WireRequest(wire.library, wire.method, wire.url, host, wire.path, wire.headers, wire.body, wire.timeouts, sync=wire.sync)
