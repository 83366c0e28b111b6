"""A collector of OTLP on loopback, for tests that send it what a process tells."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceServicer, add_LogsServiceServicer_to_server
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceServicer, add_MetricsServiceServicer_to_server
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer, add_TraceServiceServicer_to_server

__all__ = ["Message", "collector", "grpc_collector"]

Message = Any
"""A request of the collector's protocol; its classes are made at run time."""


@pytest.fixture
def collector() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A collector on loopback: its address, and the last body of each path."""
    bodies: dict[str, bytes] = {}

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies[self.path] = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def grpc_collector() -> Iterator[tuple[str, dict[str, Message]]]:
    """The same over gRPC: its address, and the last request by signal."""
    told: dict[str, Message] = {}

    def taking(signal: str, answer: Message) -> Any:
        def take(_self: object, request: Message, _context: object) -> Message:
            told[signal] = request
            return answer

        return take

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    port = server.add_insecure_port("127.0.0.1:0")
    tracing = type("Tracing", (TraceServiceServicer,), {"Export": taking("traces", traces.ExportTraceServiceResponse())})
    metering = type("Metering", (MetricsServiceServicer,), {"Export": taking("metrics", metrics.ExportMetricsServiceResponse())})
    logging = type("Logging", (LogsServiceServicer,), {"Export": taking("logs", logs.ExportLogsServiceResponse())})
    add_TraceServiceServicer_to_server(tracing(), server)
    add_MetricsServiceServicer_to_server(metering(), server)
    add_LogsServiceServicer_to_server(logging(), server)
    server.start()
    yield f"http://127.0.0.1:{port}", told
    server.stop(None).wait()
