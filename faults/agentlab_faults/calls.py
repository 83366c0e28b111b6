"""Logical calls: which request is a new call of the agent, and which is one more attempt at the call before."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from agentlab_faults.runs import prefix

__all__ = ["Call", "Calls", "fingerprint"]

_PASSING = re.compile(
    r"\b(?:call|toolu|fc|msg|resp|rs)_\w+"
    r"|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
)
"""What may differ between two attempts at one call: call ids, uuids, timestamps."""

_encode = json.JSONEncoder(sort_keys=True, default=str).encode


def fingerprint(conversation: Any) -> str:
    """What makes two requests the same call: the part of the body that holds the conversation, without passing ids."""
    return _PASSING.sub("#", _encode(conversation))


@dataclass(slots=True)
class Call:
    """One attempt at a logical call."""

    point: str
    n: int
    attempt: int
    fingerprint: str


class Calls:
    """Numbers the logical calls of one run, each target (wire API or tool) for itself.

    The same fingerprint again is the next attempt, unless the last answer to it was delivered unspoiled: then it is a new call.
    The runs of a session are numbered each for itself: `r3.openai.chat.2`.
    """

    def __init__(self) -> None:
        self._count: dict[str, int] = {}
        self._open: dict[tuple[str, str], Call] = {}

    def place(self, target: str, fingerprint: str) -> Call:
        """The call that a request with this fingerprint belongs to."""
        target = prefix() + target
        last = self._open.get((target, fingerprint))
        if last is None:
            n = self._count.get(target, 0) + 1
            self._count[target] = n
            call = Call(f"{target}.{n}", n, 1, fingerprint)
        else:
            call = Call(last.point, last.n, last.attempt + 1, fingerprint)
        self._open[target, fingerprint] = call
        return call

    def done(self, call: Call) -> None:
        """The call's answer was delivered unspoiled: the next equal request is a new call."""
        key = call.point.rpartition(".")[0], call.fingerprint
        if self._open.get(key) is call:
            del self._open[key]
