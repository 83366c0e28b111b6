"""What the journal says of a request and of its answer, whoever answers it."""

from __future__ import annotations

import hashlib

from agentlab_faults.calls import Call
from agentlab_faults.exchange import Exchange, Pause, WireRequest
from agentlab_faults.journal import Requested
from agentlab_faults.points import Trait
from agentlab_faults.script import Asked

__all__ = ["digest", "requested", "retry_after", "silence", "traits"]


def requested(now: float, serial: int, call: Call, request: WireRequest, model: str) -> Requested:
    """The request as an event. `serial` numbers the run's requests."""
    retry = request.headers.get("x-stainless-retry-count", "0")
    sha = hashlib.sha256(request.body).hexdigest()
    sdk_retry = int(retry) if retry.isdigit() else 0
    return Requested(now, serial, call.point, call.attempt, request.host, model, request.library, len(request.body), sha, sdk_retry)


def digest(exchange: Exchange, *, timed: bool = True) -> str:
    """Equal for exchanges that the agent cannot tell apart, by bytes or (if `timed`) by time."""
    types = [value for name, value in exchange.headers if name.lower() in ("content-type", "content-encoding")]
    facts = f"{exchange.status} {types} {exchange.seconds if timed else 0} {exchange.intact} ".encode()
    return hashlib.sha256(facts + exchange.content).hexdigest()


def silence(exchange: Exchange) -> float:
    """Seconds until the client sees anything of the exchange."""
    seconds = 0.0
    for part in exchange.before:
        if not isinstance(part, Pause):
            break
        seconds += part.seconds
    return seconds


def retry_after(exchange: Exchange) -> float | None:
    """Seconds that the answer tells the agent to wait, if it says so in numbers."""
    told = {name.lower(): value for name, value in exchange.headers}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return float(told[name]) * unit
        except (KeyError, ValueError):
            continue
    return None


def traits(asked: Asked) -> tuple[Trait, ...]:
    """What a request shows, as far as faults care."""
    roles = {message.get("role") for message in asked.messages}
    held: dict[Trait, bool] = {
        "structured": asked.schema is not None or asked.json_object,
        "system": bool(roles & {"system", "developer"}),
        "results": any(message.get("role") == "tool" for message in asked.turn),
        "calls": len(dict.fromkeys(asked.called)) > 1,
        "tools": len(asked.callable) > 1,
    }
    return tuple(trait for trait, is_so in held.items() if is_so)
