"""Where telemetry goes: to the terminal while developing, or to a collector by OTLP. Whoever has an SDK configured needs neither."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["console", "otlp"]

HTTP: Final = "http/protobuf"
PROTOCOL: Final = "OTEL_EXPORTER_OTLP_PROTOCOL"
EXTRAS: Final = {HTTP: "otlp", "grpc": "otlp-grpc"}
"""The extra that speaks each protocol."""
EXPORTERS: Final = {
    "TRACES": ("trace_exporter", "OTLPSpanExporter"),
    "METRICS": ("metric_exporter", "OTLPMetricExporter"),
    "LOGS": ("_log_exporter", "OTLPLogExporter"),
}
"""Module and class in the package of either protocol."""


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
    """Send spans, metrics and evaluation events by OTLP. The result flushes and stops it; call it before the process ends.

    The standard variables say where to and how: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_PROTOCOL
    (`http/protobuf`, the default, or `grpc`), OTEL_SERVICE_NAME, OTEL_METRIC_EXPORT_INTERVAL and the others. Needs the extra `otlp`, for
    gRPC `otlp-grpc` (ImportError names it). Raises RuntimeError if the process has a tracer provider already, ValueError for another
    protocol.
    """
    _refuse_second()
    spans, samples, records = _exporter("TRACES"), _exporter("METRICS"), _exporter("LOGS")
    from opentelemetry import _logs, metrics, trace  # noqa: PLC0415  # the SDK is loaded only by those who want it
    from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415  # the same
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: PLC0415  # the same
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415  # the same
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415  # the same
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # the same
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # the same

    tracing, logging = TracerProvider(), LoggerProvider()
    tracing.add_span_processor(BatchSpanProcessor(spans))
    logging.add_log_record_processor(BatchLogRecordProcessor(records))
    metering = MeterProvider([PeriodicExportingMetricReader(samples)])
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(metering)
    _logs.set_logger_provider(logging)

    def stop() -> None:
        tracing.shutdown()
        metering.shutdown()
        logging.shutdown()

    return stop


def _exporter(signal: Literal["TRACES", "METRICS", "LOGS"]) -> Any:
    """The exporter of one signal over the protocol that is asked for. Raises ValueError for another one, ImportError without the extra."""
    variable = next((name for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", PROTOCOL) if os.environ.get(name)), PROTOCOL)
    protocol = os.environ.get(variable) or HTTP
    if protocol not in EXTRAS:
        raise ValueError(
            f"{variable} is {protocol!r}, but only {' and '.join(EXTRAS)} are spoken here; set it to one of them, or unset it."
        )
    module, name = EXPORTERS[signal]
    try:
        loaded = import_module(f"opentelemetry.exporter.otlp.proto.{protocol.partition('/')[0]}.{module}")
    except ImportError as error:
        extra = EXTRAS[protocol]
        raise ImportError(f"OTLP over {protocol} needs the extra `{extra}`: pip install 'agentlab-chaos[{extra}]'.") from error
    return getattr(loaded, name)()


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
