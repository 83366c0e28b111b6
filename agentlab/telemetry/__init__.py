"""Telemetry by the OpenTelemetry API and the GenAI conventions' names. Without a configured SDK all of it is a no-op of microseconds.

Content (prompts, answers, arguments, results) is recorded only if OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT allows it, and a
secret never. `console` and `otlp` set up an SDK for those who have none.
"""

from __future__ import annotations

from agentlab.telemetry.calls import ChatCall, attempted, chat, tool
from agentlab.telemetry.evaluations import evaluated, evaluation_failed
from agentlab.telemetry.setup import console, otlp
from agentlab.telemetry.spans import breaker_changed, layer, run, spent, step, store_changed

__all__ = [
    "ChatCall",
    "attempted",
    "breaker_changed",
    "chat",
    "console",
    "evaluated",
    "evaluation_failed",
    "layer",
    "otlp",
    "run",
    "spent",
    "step",
    "store_changed",
    "tool",
]
