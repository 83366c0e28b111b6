"""Circuit breakers of the agent, known by the events that it puts on its OpenTelemetry spans, whether anybody exports them or not.

An event counts if it has the attributes `agentlab.breaker.name` and `agentlab.breaker.state` (`closed`, `open` or `half_open`).
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["NAME", "STATE", "watching"]

NAME = "agentlab.breaker.name"
STATE = "agentlab.breaker.state"

Heard = Callable[[str, str], None]
_SPANS = (("opentelemetry.trace.span", "NonRecordingSpan"), ("opentelemetry.sdk.trace", "Span"))
"""Where events are put: spans that nobody records, and those of the SDK."""


@contextlib.contextmanager
def watching(heard: Heard) -> Iterator[None]:
    """Call `heard` with a breaker's name and new state at each such event, until the block is left."""
    places = [(cls, cls.add_event) for cls in (getattr(importlib.import_module(module), name) for module, name in _SPANS)]
    for cls, real in places:
        cls.add_event = _heard(real, heard)
    try:
        yield
    finally:
        for cls, real in places:
            cls.add_event = real


def _heard(real: Callable[..., None], heard: Heard) -> Callable[..., None]:
    @functools.wraps(real)
    def add_event(span: Any, name: str, attributes: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        told = attributes or {}
        if NAME in told and STATE in told:
            heard(str(told[NAME]), str(told[STATE]))
        real(span, name, attributes, *args, **kwargs)

    return add_event
