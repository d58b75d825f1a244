"""A small collector: it receives OTLP over HTTP for real, and keeps the spans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import Status

SERVER = Message.SPAN_KIND_SERVER


@dataclass(frozen=True)
class Received:
    """A span, as a collector sees it."""

    name: str
    kind: int
    trace: str
    number: str
    parent: str
    start: int
    end: int
    facts: dict[str, str | int]
    failed: bool
    resource: dict[str, str | int]


@dataclass
class Collector:
    """What has been received, and what the collector does to its senders."""

    address: str = ""
    status: int = 200
    """What it answers."""
    open: Event = field(default_factory=Event)
    """It answers only while this is set."""
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    """What was asked for, answered or not."""

    @property
    def spans(self) -> list[Received]:
        return [span for body in self.bodies for span in _read(body)]

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]


@contextmanager
def a_collector() -> Iterator[Collector]:
    """Run a collector on a free port."""
    collector = Collector()
    collector.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.paths.append(self.path)
            collector.open.wait(20)
            if self.path == "/v1/traces" and collector.status == 200:
                collector.bodies.append(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(collector.status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        collector.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield collector
        finally:
            collector.open.set()
            server.shutdown()
            thread.join()


def _read(body: bytes) -> Iterator[Received]:
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _facts(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Received(
                    name=span.name,
                    kind=span.kind,
                    trace=span.trace_id.hex(),
                    number=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    facts=_facts(span.attributes),
                    failed=span.status.code == Status.STATUS_CODE_ERROR,
                    resource=resource,
                )


def _facts(attributes: object) -> dict[str, str | int]:
    pairs = iter(attributes)  # type: ignore[call-overload]
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in pairs}
