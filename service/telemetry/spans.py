"""Spans of requests, exported to an OpenTelemetry collector by OTLP over HTTP.

This alone imports OpenTelemetry, whose variables `OTEL_*` hold: endpoint, headers, sampler, queue,
resource. Spans carry no names of files, no addresses, no keys and no messages of errors.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.requests import ClientDisconnect
from structlog.typing import FilteringBoundLogger

from service.telemetry.metrics import Metrics
from service.telemetry.trace import Trace, Traces, passed_on
from ssuformer.errors import ConfigError, SsuError

_W3C = TraceContextTextMapPropagator()
_NAME = "ssu-gateway"
_MOST_SPANS = 256
"""Spans of one request; a long clip has thousands of windows, and the first ones tell enough."""
_LONGEST_REASON = 200


class RequestTrace(Trace):
    """A span for a request, which continues its client's trace, and one for each of its stages."""

    def __init__(self, tracer: Tracer, headers: Mapping[str, str], *, number: str) -> None:
        before = _W3C.extract(headers, context=Context())
        self._tracer = tracer
        self._span = tracer.start_span("request", before, SpanKind.SERVER)
        self._span.set_attribute("ssu.request_id", number)
        self._context = set_span_in_context(self._span, before)
        self._left = _MOST_SPANS if self._span.is_recording() else 0
        self._left_out = 0
        self.id = f"{self._span.get_span_context().trace_id:032x}"
        self.headers = _headers_of(self._context)
        self.sent_back = {"traceparent": self.headers["traceparent"]}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record the block as a span, of which outgoing calls are part."""
        span = self._child(name)
        if span is None:
            yield
            return
        try:
            with passed_on(_headers_of(set_span_in_context(span, self._context))):
                yield
        except BaseException as error:
            _fail(span, _code_of(error))
            raise
        finally:
            span.end()

    def note(self, name: str, *, began: float, seconds: float, code: str | None = None) -> None:
        """Record what another process has done, from a time of the monotonic clock on."""
        start = round(1e9 * began) + time.time_ns() - time.monotonic_ns()
        span = self._child(name, start)
        if span is not None:
            if code is not None:
                _fail(span, code)
            span.end(start + round(1e9 * seconds))

    def end(self, name: str, facts: Mapping[str, str | int | None], *, failed: bool) -> None:
        """Record the end of the request, under its final name."""
        self._span.update_name(name)
        known = {key: value for key, value in facts.items() if value not in (None, "")}
        self._span.set_attributes({key: value for key, value in known.items() if value is not None})
        if self._left_out:
            self._span.set_attribute("ssu.spans_left_out", self._left_out)
        if failed:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()

    def _child(self, name: str, start: int | None = None) -> Span | None:
        """Return a new span of the request, unless it has too many, or is not sampled."""
        if not self._left:
            self._left_out += 1
            return None
        self._left -= 1
        return self._tracer.start_span(name, self._context, start_time=start)


class SpanTraces(Traces):
    """Exports spans from a thread of its own; if the collector is slow or away, they are lost."""

    def __init__(
        self, metrics: Metrics, log: FilteringBoundLogger, exporter: SpanExporter | None = None
    ) -> None:
        """Raise ConfigError if a variable `OTEL_*` cannot be followed."""
        self._log = log
        reasons = _hear_from_library()
        watched = _WatchedExporter(exporter or _otlp(), metrics, log, reasons)
        try:
            self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
            self._provider.add_span_processor(_Counter(metrics))
            self._provider.add_span_processor(BatchSpanProcessor(watched))
        except ValueError as error:
            raise _not_followed(error) from error
        self._tracer = self._provider.get_tracer(_NAME)
        for fate in ("ended", "exported", "lost"):
            metrics.trace_spans.labels(fate)
        if reasons.said:
            log.warning("traces_variable_ignored", reason=reasons.said)

    def begin(self, headers: Mapping[str, str], *, number: str) -> Trace:
        """Return the trace of a request with these headers and this request ID."""
        return RequestTrace(self._tracer, headers, number=number)

    async def close(self, seconds: float) -> None:
        """Export what is left, in these seconds at most."""
        # A thread of asyncio's would be waited for, however long the collector takes.
        ending = Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, seconds)
        if ending.is_alive():
            self._log.warning("traces_lost", reason=f"they took longer than {seconds:g} s")


class _Counter(SpanProcessor):
    """Counts spans that are to be exported; one that finds the queue full has no other count."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def on_end(self, span: ReadableSpan) -> None:
        """Count a span."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._metrics.trace_spans.labels("ended").inc()


class _WatchedExporter(SpanExporter):
    """Counts what another exporter does; logs when it begins to fail, and when it works again."""

    def __init__(
        self,
        exporter: SpanExporter,
        metrics: Metrics,
        log: FilteringBoundLogger,
        reasons: _LastReason,
    ) -> None:
        self._exporter = exporter
        self._metrics = metrics
        self._log = log
        self._reasons = reasons
        self._works = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans, or lose them."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # whatever it is, the next batch is another try
            self._reasons.said = type(error).__name__
            result = SpanExportResult.FAILURE
        works = result is SpanExportResult.SUCCESS
        self._metrics.trace_spans.labels("exported" if works else "lost").inc(len(spans))
        if works and not self._works:
            self._log.info("traces_exported")
        if self._works and not works:
            self._log.warning("traces_lost", reason=self._reasons.said)
        self._works = works
        return result

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()


class _LastReason(logging.Handler):
    """Keeps the last warning of the library, which would otherwise write text to stderr."""

    said = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning."""
        self.said = record.getMessage()[:_LONGEST_REASON]


def _hear_from_library() -> _LastReason:
    reasons = _LastReason(logging.WARNING)
    library = logging.getLogger("opentelemetry")
    library.handlers, library.propagate = [reasons], False
    return reasons


def _otlp() -> SpanExporter:
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        found = os.environ.get(name, "http/protobuf")
        if found != "http/protobuf":
            raise ConfigError(f"{name} is {found}; traces are exported by http/protobuf alone")
    try:
        return OTLPSpanExporter()
    except ValueError as error:
        raise _not_followed(error) from error


def _not_followed(error: ValueError) -> ConfigError:
    return ConfigError(f"a variable OTEL_* cannot be followed: {error}")


def _resource() -> Resource:
    """Return who exports, as the variables say; by default under the service's own name."""
    named = "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    own = {} if named else {"service.name": os.environ.get("OTEL_SERVICE_NAME") or _NAME}
    return Resource.create(own)


def _headers_of(context: Context) -> dict[str, str]:
    headers: dict[str, str] = {}
    _W3C.inject(headers, context)
    return headers


def _fail(span: Span, code: str) -> None:
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR))


def _code_of(error: BaseException) -> str:
    """Return the stable code of an error, as in a problem."""
    if isinstance(error, SsuError):
        return error.code
    left = isinstance(error, asyncio.CancelledError | GeneratorExit | ClientDisconnect)
    return "cancelled" if left else SsuError.code
