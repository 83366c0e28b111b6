"""openai-agents' own traces, which a thread of its posts to OpenAI seconds after a run, or when the process ends: no seam is armed by then.

What is traced in a run never gets into the queue of that thread. An agent's traces are otherwise real, and its own processors see them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from agentlab_faults.intercept.arming import current

__all__ = ["keep_traces"]


def keep_traces(module: ModuleType) -> None:
    """Put `agents.tracing.processors` right; a module of that name which is another's is left as it is."""
    queue, exporter = getattr(module, "BatchTraceProcessor", None), getattr(module, "BackendSpanExporter", None)
    for name in ("on_trace_start", "on_span_end"):
        below = getattr(queue, name, None)
        if exporter is not None and below is not None:
            setattr(queue, name, _kept(below, exporter))


def _kept(below: Callable[[Any, Any], None], exporter: type) -> Callable[[Any, Any], None]:
    @functools.wraps(below)
    def queued(self: Any, item: Any) -> None:
        if current.armed is None or not isinstance(getattr(self, "_exporter", None), exporter):
            below(self, item)

    return queued
