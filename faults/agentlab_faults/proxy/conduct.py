"""How the app took what was broken: read off the journal as it grows, told live and summed up at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from agentlab_faults.journal import Answered, Event, FaultStruck, Requested

__all__ = ["Blow", "Conduct", "Entry", "Taken"]

Taken = Literal["recovered", "retried", "kept it", "gave up", "waiting", "accepted", "not known"]
"""The call was answered well, at a later attempt or late; it was tried again, and not (yet) answered; it was not tried again after a
spoiled answer with status 200; nor after anything else; its answer is still on its way; the app went on with a server that nobody vouches
for; it cannot be seen whether the app met it."""

_ENDS = {"broken": "connection broken", "abandoned": "the app hung up", "timeout": "the app hung up"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the live log, `seconds` after the server began."""

    seconds: float
    scope: str
    kind: Literal["broke", "saw", "retried", "recovered", "kept it", "gave up", "refused", "note"]
    point: str
    text: str
    fault: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


@dataclass(slots=True)
class Blow:
    """One strike, and what became of the call. Times in real seconds since the server began."""

    scope: str
    point: str
    attempt: int
    fault: str
    at: float
    saw: str = ""
    """What the app got."""
    retry_after: float | None = None
    """Seconds that it was told to wait."""
    ended: float | None = None
    spoiled: bool = False
    """What the app got is a whole answer with status 200."""
    hung_up: bool = False
    """The app closed the connection before the answer was complete."""
    retried_after: float | None = None
    """Seconds from the end of this attempt to the next one."""
    recovered_at: float | None = None
    accepted: bool = False
    """The app took a certificate that it must not trust."""
    known: bool = True
    """The app has met it. A connection that the kernel refused is known only by what the app says of it later."""

    @property
    def taken(self) -> Taken:
        """How the app took it."""
        if self.accepted or not self.known:
            return "accepted" if self.accepted else "not known"
        if self.recovered_at is not None:
            return "recovered"
        if self.retried_after is not None:
            return "retried"
        if self.ended is None:
            return "waiting"
        return "kept it" if self.spoiled else "gave up"

    def as_dict(self) -> dict[str, Any]:
        """As plain data, times rounded to milliseconds."""
        plain = {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(self).items()}
        return {**plain, "taken": self.taken}


class Conduct:
    """The conduct of one scope's app."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.blows: list[Blow] = []
        self.requests = 0
        self.served = 0
        """Answers that arrived unbroken."""
        self._open: dict[str, list[Blow]] = {}
        """By point, the blows whose call has not been answered well."""
        self._met: list[Blow] = []
        """Blows to connections, whose call is not known yet."""

    def feed(self, event: Event) -> Iterator[Entry]:
        """What there is to say of one more event."""
        match event:
            case Requested():
                self.requests += 1
                yield from self._asked_again(event)
            case FaultStruck(changed=True):
                blow = Blow(self.scope, event.point, event.attempt, event.fault, event.seconds)
                self.blows.append(blow)
                self._open.setdefault(event.point, []).append(blow)
                yield self._entry(event, "broke", event.point, f"{_attempt(event.attempt)} struck by {event.fault}", event.fault)
            case Answered():
                yield from self._answered(event)

    def met(self, seconds: float, fault: str, number: int, how: str, *, known: bool) -> tuple[Blow, Entry]:
        """A connection was struck before there was a request."""
        blow = Blow(self.scope, f"connection.{number}", 0, fault, seconds, known=known)
        self.blows.append(blow)
        return blow, Entry(seconds, self.scope, "broke", blow.point, f"struck by {fault}: {how}", fault)

    def took(self, seconds: float, blow: Blow, saw: str, *, accepted: bool) -> Entry:
        """What became of such a connection."""
        blow.ended, blow.saw, blow.accepted = seconds, saw, accepted
        if not accepted:
            self._met.append(blow)
        return Entry(seconds, self.scope, "saw", blow.point, saw, blow.fault)

    def finish(self, seconds: float) -> Iterator[Entry]:
        """What is left to say at the end."""
        for blow in self.blows:
            match blow.taken:
                case "gave up":
                    yield Entry(seconds, self.scope, "gave up", blow.point, f"never tried again after {blow.fault}", blow.fault)
                case "kept it":
                    yield Entry(seconds, self.scope, "kept it", blow.point, f"kept what {blow.fault} made of its answer", blow.fault)

    def _asked_again(self, event: Requested) -> Iterator[Entry]:
        for blow in self._met:
            blow.point = event.point
            blow.known = blow.known or event.sdk_retry > 0
            self._open.setdefault(event.point, []).append(blow)
        self._met.clear()
        waiting = [blow for blow in self._open.get(event.point, ()) if blow.retried_after is None and blow.attempt < event.attempt]
        for blow in waiting[-1:]:
            blow.retried_after = event.seconds - (blow.ended if blow.ended is not None else blow.at)
            told = f" (told to wait {blow.retry_after:g} s)" if blow.retry_after else ""
            by = ", by the SDK" if event.sdk_retry else ""
            after = f"{blow.retried_after:.2f} s"
            again = f"tried again after {after}{told}{by}" if blow.attempt else f"connected {after} later{by}"
            yield self._entry(event, "retried", event.point, again, blow.fault)

    def _answered(self, event: Answered) -> Iterator[Entry]:
        if event.fault:
            blow = next((b for b in reversed(self._open.get(event.point, [])) if b.attempt == event.attempt), None)
            if blow is not None:
                yield from self._seen(event, blow)
            if not event.whole:
                return
        if event.end != "delivered":
            return
        if event.status >= 400:
            why = f" by agentlab: {event.text}" if event.text else ", which was not ours to break"
            yield self._entry(event, "refused", event.point, f"answered {event.status}{why}")
            return
        self.served += 1
        waiting = self._open.pop(event.point, [])
        for blow in waiting:
            blow.recovered_at = event.seconds
        if waiting:
            lasted = event.seconds - waiting[0].at
            text = f"answered on {_attempt(event.attempt)}, {lasted:.2f} s after it was first struck"
            yield self._entry(event, "recovered", event.point, text, waiting[-1].fault)

    def _seen(self, event: Answered, blow: Blow) -> Iterator[Entry]:
        lasted = event.seconds - blow.at
        blow.ended, blow.retry_after, blow.hung_up = event.seconds, event.retry_after, event.end in {"abandoned", "timeout"}
        told = f", Retry-After {event.retry_after:g} s" if event.retry_after else ""
        blow.spoiled = event.end == "delivered" and event.status == 200
        blow.saw = f"{event.status}{told}" if event.end == "delivered" else f"{_ENDS[event.end]} after {lasted:.2f} s"
        yield self._entry(event, "saw", event.point, f"the app got {blow.saw}" if event.end != "abandoned" else blow.saw, blow.fault)

    def _entry(
        self, event: Event, kind: Literal["broke", "saw", "retried", "recovered", "refused"], point: str, text: str, fault: str = ""
    ) -> Entry:
        return Entry(event.seconds, self.scope, kind, point, text, fault)


def _attempt(number: int) -> str:
    return f"attempt {number}"
