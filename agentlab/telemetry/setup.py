"""Where telemetry goes: to the terminal while developing, or to a collector by OTLP. Whoever has an SDK configured needs neither."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["console", "otlp"]

HTTP: Final = "http/protobuf"


def console(out: TextIO | None = None) -> Callable[[], None]:
    """Write each span as one line to `out` (standard error) when it ends, for development. The result flushes and stops it.

    Raises RuntimeError if the process has a tracer provider already.
    """
    from opentelemetry import trace  # noqa: PLC0415  # the SDK is loaded only by those who want it
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # the same
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor  # noqa: PLC0415  # the same

    _refuse_second()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=out or sys.stderr, formatter=_line)))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def otlp() -> Callable[[], None]:
    """Send spans, metrics and evaluation events by OTLP over HTTP. The result flushes and stops it; call it before the process ends.

    The standard variables say where to and how: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME,
    OTEL_METRIC_EXPORT_INTERVAL and the others. Needs the extra `otlp` (ImportError names it). Raises RuntimeError if the process has a
    tracer provider already, ValueError if OTEL_EXPORTER_OTLP_PROTOCOL asks for another protocol.
    """
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", HTTP)
    if protocol != HTTP:
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}, but only {HTTP!r} is spoken here; set it to that, or unset it.")
    try:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415  # an extra
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415  # the same
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  # the same
    except ImportError as error:
        raise ImportError("OTLP needs the extra `otlp`: pip install 'agentlab-chaos[otlp]'.") from error
    from opentelemetry import _logs, metrics, trace  # noqa: PLC0415  # the SDK is loaded only by those who want it
    from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415  # the same
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: PLC0415  # the same
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415  # the same
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415  # the same
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # the same
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # the same

    _refuse_second()
    tracing, logging = TracerProvider(), LoggerProvider()
    tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    logging.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    metering = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(metering)
    _logs.set_logger_provider(logging)

    def stop() -> None:
        tracing.shutdown()
        metering.shutdown()
        logging.shutdown()

    return stop


def _refuse_second() -> None:
    from opentelemetry import trace  # noqa: PLC0415  # loaded only by those who want it

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        raise RuntimeError(  # noqa: TRY004  # no type of the caller's is wrong
            "This process has a tracer provider already; add a span processor to that one instead."
        )


def _line(span: ReadableSpan) -> str:
    """One line: duration, name, error, and the attributes that matter to a reader."""
    seconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e9
    attributes = dict(span.attributes or {})
    left_out = ("gen_ai.operation.name", "gen_ai.conversation.id", "server.")
    told = " ".join(f"{name}={value}" for name, value in attributes.items() if not name.startswith(left_out))
    indent = "" if span.parent is None else "  "
    return f"{seconds:8.3f} s {indent}{span.name}  {told}\n"
