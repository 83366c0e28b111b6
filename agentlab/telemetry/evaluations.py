"""The conventions' event `gen_ai.evaluation.result`: a log record in the trace of the evaluated run. The score is a metric, too."""

from __future__ import annotations

from agentlab.telemetry import names
from agentlab.telemetry.metrics import instruments

__all__ = ["evaluated", "evaluation_failed"]


def evaluated(agent: str, name: str, score: float) -> None:
    """A run of the current trace was given this score, 0 to 5."""
    _emit({names.EVALUATION_NAME: name, names.EVALUATION_SCORE: score})
    instruments().scores.record(score, {names.AGENT_NAME: agent, names.EVALUATION_NAME: name})


def evaluation_failed(name: str, error_type: str) -> None:
    """The evaluator of this name failed on a run of the current trace."""
    _emit({names.EVALUATION_NAME: name, names.ERROR_TYPE: error_type})


def _emit(attributes: dict[str, str | float]) -> None:
    from opentelemetry import _logs, context  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    record = _logs.LogRecord(context=context.get_current(), event_name=names.EVALUATION_RESULT, attributes=attributes)
    _logs.get_logger_provider().get_logger("agentlab").emit(record)
