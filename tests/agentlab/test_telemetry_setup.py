"""Where telemetry goes: one line a span for people, and OTLP by its standard variables. Each test is a process: it has one provider."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .collecting import Message, collector, grpc_collector

__all__ = ["collector", "grpc_collector"]

SPANS = """
from agentlab import telemetry
stop = telemetry.{setup}()
with telemetry.run("helper", "c1"), telemetry.step(1):
    telemetry.spent("gpt-4o-mini", 0.25)
{more}
stop()
"""


def child(setup: str, more: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", SPANS.format(setup=setup, more=more)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "OTEL_METRIC_EXPORT_INTERVAL": "600000", **environment},
    )


def test_the_console_has_one_line_for_each_span() -> None:
    done = child("console")
    assert done.returncode == 0, done.stderr
    first, second = done.stderr.splitlines()
    assert "step 1" in first
    assert "invoke_agent helper" in second
    assert "agentlab.step.number=1" in first


def test_spans_and_metrics_reach_a_collector_with_the_services_name(collector: tuple[str, dict[str, bytes]]) -> None:
    address, bodies = collector
    done = child("otlp", OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_SERVICE_NAME="shop", OTEL_EXPORTER_OTLP_COMPRESSION="none")
    assert done.returncode == 0, done.stderr
    [spans] = ExportTraceServiceRequest.FromString(bodies["/v1/traces"]).resource_spans
    assert any(found.key == "service.name" and found.value.string_value == "shop" for found in spans.resource.attributes)
    assert {span.name for span in spans.scope_spans[0].spans} == {"invoke_agent helper", "step 1"}
    [metrics] = ExportMetricsServiceRequest.FromString(bodies["/v1/metrics"]).resource_metrics
    assert {"agentlab.runs", "agentlab.cost"} <= {metric.name for metric in metrics.scope_metrics[0].metrics}


def test_a_second_provider_is_refused() -> None:
    done = child("console", more="telemetry.console()")
    assert "RuntimeError: This process has a tracer provider already" in done.stderr


def test_over_grpc_they_reach_a_collector_too(grpc_collector: tuple[str, dict[str, Message]]) -> None:
    address, told = grpc_collector
    done = child("otlp", OTEL_EXPORTER_OTLP_PROTOCOL="grpc", OTEL_EXPORTER_OTLP_ENDPOINT=address)
    assert done.returncode == 0, done.stderr
    [spans] = told["traces"].resource_spans
    assert {span.name for span in spans.scope_spans[0].spans} == {"invoke_agent helper", "step 1"}
    [metrics] = told["metrics"].resource_metrics
    assert {"agentlab.runs", "agentlab.cost"} <= {metric.name for metric in metrics.scope_metrics[0].metrics}


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"])
def test_another_protocol_is_refused(variable: str) -> None:
    done = child("otlp", **{variable: "http/json"})
    assert f"ValueError: {variable} is 'http/json', but only http/protobuf and grpc are spoken here" in done.stderr


@pytest.mark.parametrize(("protocol", "package", "extra"), [("http/protobuf", "http", "otlp"), ("grpc", "grpc", "otlp-grpc")])
def test_a_missing_extra_is_named(protocol: str, package: str, extra: str) -> None:
    missing = f"import sys\nsys.modules['opentelemetry.exporter.otlp.proto.{package}.trace_exporter'] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{missing}from agentlab import telemetry\ntelemetry.otlp()"],
        env={**os.environ, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"pip install 'agentlab-chaos[{extra}]'" in done.stderr
