"""What the runtime tells OpenTelemetry, caught by the real SDK in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@dataclass
class Told:
    """Spans, metrics and log events so far."""

    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader
    logs: InMemoryLogRecordExporter

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def span(self, name: str) -> ReadableSpan:
        """The first finished span of that name."""
        return next(span for span in self.spans if span.name == name)

    def parent(self, span: ReadableSpan) -> str:
        """The name of the span's parent; empty for a root."""
        wanted = span.parent.span_id if span.parent else None
        return next((other.name for other in self.spans if other.context is not None and other.context.span_id == wanted), "")

    def metrics(self) -> dict[str, Metric]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {metric.name: metric for found in data.resource_metrics for scope in found.scope_metrics for metric in scope.metrics}

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Attributes and value of each point: a number, or a histogram's (count, sum)."""
        found = self.metrics()[name].data.data_points
        return [(dict(point.attributes or {}), _value(point)) for point in found]

    def text(self) -> str:
        """All of it as text: what a reader of the telemetry could see."""
        logs = [record.log_record.to_json() for record in self.logs.get_finished_logs()]
        return "".join([*(span.to_json() for span in self.spans), *(metric.to_json() for metric in self.metrics().values()), *logs])


def _value(point: Any) -> Any:
    return (point.count, point.sum) if hasattr(point, "count") else point.value


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """A tracer, a meter and a logger provider of the real SDK for one test, as if the process had set them."""
    caught = Told(InMemorySpanExporter(), InMemoryMetricReader(), InMemoryLogRecordExporter())
    tracing, metering, logging = TracerProvider(), MeterProvider([caught.reader]), LoggerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(caught.exporter))
    logging.add_log_record_processor(SimpleLogRecordProcessor(caught.logs))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracing)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: metering)
    monkeypatch.setattr(_logs, "get_logger_provider", lambda: logging)
    yield caught
    tracing.shutdown()
    metering.shutdown()
    logging.shutdown()
