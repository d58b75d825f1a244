"""Metrics of the gateway, in their own registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from service.telemetry.container import ContainerCollector
from service.telemetry.stages import Stage, StageClock
from ssuformer.contract import MODELS
from ssuformer.errors import (
    DeadlineExceeded,
    DecodeFailed,
    DecodeTimeout,
    EngineError,
    EngineMismatch,
    EngineUnavailable,
    HeadersTooLarge,
    KeyRefused,
    Overloaded,
    RequestMalformed,
    TooManyConnections,
    TooSlow,
)

_REQUEST_BUCKETS = (
    *(0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5),
    *(10, 15, 20, 30, 45, 60, 90, 120, 180, 300),
)
_STAGE_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1, 2.5, 5, 10, 30, 60, 120),
)
_FAILED = tuple((code, "failed") for code in ("422", "500", "502", "503", "504", "507"))
"""Status and outcome of failed requests."""
PORTS = ("http", "metrics")
REJECTIONS = ("queue_full", "pushed_out", "uploads", "upload_disk", "rate", "quota")
"""Reasons why a request is not let in."""
SPEED_STAGES: tuple[Stage, ...] = ("decode", "segmentation", "caption")
"""Stages whose processing speed is measured."""
_REALTIME_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_DEATHS = (
    *("refused_call", "malformed", "exception", "exit"),
    *("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGKILL", "SIGSYS"),
)
"""Causes for which a decoding process fails a clip."""
_MOST_CODES = 64
OTHER = "other"
"""The label of everything that would be one label too many."""
_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """Counters, gauges and histograms of one application.

    The label `version` is the version of the weights used; it is empty if none were used.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._warned: set[str] = set()
        ProcessCollector(registry=registry)
        registry.register(ContainerCollector())
        self._add_durations(registry)
        self._add_clips(registry)
        self._add_counters(registry)
        self._add_gauges(registry)
        self._begin_at_zero()

    def _add_durations(self, registry: CollectorRegistry) -> None:
        self.request_duration = Histogram(
            "ssu_request_duration_seconds",
            "Duration from the first byte in to the last byte out.",
            ("route", "outcome", "version"),
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self.stage_duration = Histogram(
            "ssu_stage_duration_seconds",
            "Duration of a stage of a request.",
            ("stage", "backend", "version"),
            buckets=_STAGE_BUCKETS,
            registry=registry,
        )
        self.engine_duration = Histogram(
            "ssu_engine_infer_duration_seconds",
            "One inference.",
            ("engine", "device", "version"),
            buckets=_STAGE_BUCKETS,
            registry=registry,
        )
        self.realtime_factor = Histogram(
            "ssu_realtime_factor",
            "Seconds of clip processed per second; under 1 is slower than real time.",
            ("stage", "version"),
            buckets=_REALTIME_BUCKETS,
            registry=registry,
        )
        self.event_loop_lag = Histogram(
            "ssu_event_loop_lag_seconds",
            "Event loop lag.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )

    def _add_clips(self, registry: CollectorRegistry) -> None:
        self.engine_batch = Histogram(
            "ssu_engine_batch_size",
            "Frames or regions in one inference.",
            ("engine", "version"),
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=registry,
        )
        self.clip_duration = Histogram(
            "ssu_clip_duration_seconds",
            "Duration of the clips.",
            buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600),
            registry=registry,
        )
        self.clip_frames = Histogram(
            "ssu_clip_frames",
            "Frames sent to the engines.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000),
            registry=registry,
        )
        self.clip_pixels = Histogram(
            "ssu_clip_pixels",
            "Pixels of one frame of the clips.",
            buckets=tuple(4.0**power * 2**12 for power in range(8)),
            registry=registry,
        )
        self.clip_bytes = Histogram(
            "ssu_clip_bytes",
            "Size of the clips.",
            buckets=tuple(4.0**power * 2**16 for power in range(9)),
            registry=registry,
        )

    def _add_counters(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "ssu_requests",
            "Requests answered.",
            ("route", "code", "outcome", "version"),
            registry=registry,
        )
        self.input_rejected = Counter(
            "ssu_input_rejected",
            "Requests rejected because of their content.",
            ("code",),
            registry=registry,
        )
        self.warnings = Counter(
            "ssu_warnings", "Warnings in answers.", ("code",), registry=registry
        )
        self.admission_rejected = Counter(
            "ssu_admission_rejected", "Requests not let in.", ("reason",), registry=registry
        )
        self.key_clips = Counter(
            "ssu_key_clips",
            "Requests with clips, by the key's name; empty without keys.",
            ("key", "outcome"),
            registry=registry,
        )
        self.key_seconds = Counter(
            "ssu_key_seconds", "Seconds of work, by the key's name.", ("key",), registry=registry
        )
        self.connections_refused = Counter(
            "ssu_connections_refused",
            "Connections refused or closed before, or without, an answer of the application.",
            ("port", "code"),
            registry=registry,
        )
        self.cancelled = Counter(
            "ssu_cancelled", "Requests given up.", ("stage", "cause"), registry=registry
        )
        self.decode_exits = Counter(
            "ssu_decode_child_exits",
            "Decoding processes that ended before their clip was done.",
            ("reason", "cause"),
            registry=registry,
        )
        self.packets = Counter(
            "ssu_video_packets",
            "Packets of films that were `decoded`, or `dropped` as no wanted picture needs them.",
            ("fate",),
            registry=registry,
        )
        self.engine_failures = Counter(
            "ssu_engine_failures",
            "Failed inferences; `overloaded`: the server's queue was full.",
            ("engine", "code", "version"),
            registry=registry,
        )
        self.engine_retries = Counter(
            "ssu_engine_retries",
            "Inferences retried after a broken connection.",
            ("engine", "version"),
            registry=registry,
        )

        self.trace_spans = Counter(
            "ssu_trace_spans",
            "Spans that `ended`; of them, those `exported` and those `lost` with their batch.",
            ("fate",),
            registry=registry,
        )
        self.rollouts = Counter(
            "ssu_model_rollouts",
            "Newer weights that were `switched` to, `refused`, or `rolled_back`.",
            ("result",),
            registry=registry,
        )

    def _add_gauges(self, registry: CollectorRegistry) -> None:
        self.queue_depth = Gauge("ssu_queue_depth", "Clips waiting.", registry=registry)
        self.queue_limit = Gauge("ssu_queue_limit", "Clips that may wait.", registry=registry)
        self.queue_oldest_age = Gauge(
            "ssu_queue_oldest_age_seconds",
            "Waiting time of the oldest clip in the queue.",
            registry=registry,
        )
        self.connections = Gauge(
            "ssu_connections", "Open connections.", ("port",), registry=registry
        )
        self.uploads = Gauge("ssu_uploads", "Clips being received.", registry=registry)
        self.upload_bytes = Gauge(
            "ssu_upload_bytes", "Bytes of the clips held on the temporary disk.", registry=registry
        )
        self.storage_free = Gauge(
            "ssu_storage_free_bytes", "Free bytes of the temporary disk.", registry=registry
        )
        self.workers = Gauge(
            "ssu_workers", "Maximum number of clips processed at once.", registry=registry
        )
        self.draining = Gauge("ssu_draining", "1 while draining after SIGTERM.", registry=registry)
        self.in_work = Gauge("ssu_in_work", "Clips being worked on.", registry=registry)
        self.ready = Gauge("ssu_ready", "1 if ready, as reported by /readyz.", registry=registry)
        self.engine_up = Gauge("ssu_engine_up", "1 if the engine is up.", registry=registry)
        self.circuit_state = Gauge(
            "ssu_circuit_state",
            "0 closed; 1 open: the model is down and requests fail at once.",
            ("engine",),
            registry=registry,
        )
        self.engine_last_success = Gauge(
            "ssu_engine_last_success_timestamp_seconds",
            "Time of the engine's last answer.",
            ("engine",),
            registry=registry,
        )
        self.model_info = Gauge(
            "ssu_model_info",
            "The loaded weights.",
            ("name", "version", "digest", "repository_version"),
            registry=registry,
        )

    def _begin_at_zero(self) -> None:
        """Initialize counters at zero: a rate does not see a series' first value."""
        for result in ("switched", "refused", "rolled_back"):
            self.rollouts.labels(result)
        for reason in ("abandoned", "start_failed"):
            self.decode_exits.labels(reason, "")
        for cause in _DEATHS:
            self.decode_exits.labels(DecodeFailed.code, cause)
        for cause in ("slow", "SIGXCPU"):
            self.decode_exits.labels(DecodeTimeout.code, cause)
        self.decode_exits.labels("died_idle", "SIGKILL")
        for fate in ("decoded", "dropped"):
            self.packets.labels(fate)
        for stage in get_args(Stage):
            for cause in ("deadline", "client_deadline", "disconnect"):
                self.cancelled.labels(stage, cause)
        self._begin_admission()
        self.input_rejected.labels(KeyRefused.code)
        self._begin_requests("", ("429", "overloaded"), *_FAILED)

    def _begin_admission(self) -> None:
        self.key_seconds.labels("")
        for result in ("answered", "refused", "overloaded", "failed"):
            self.key_clips.labels("", result)
        for reason in REJECTIONS:
            self.admission_rejected.labels(reason)
        for port in PORTS:
            for error in (HeadersTooLarge, RequestMalformed, TooManyConnections, TooSlow):
                self.connections_refused.labels(port, error.code)

    def warn(self, code: str) -> None:
        """Count a warning; codes come from decoding processes, so there may not be too many."""
        self._warned.add(code if len(self._warned) < _MOST_CODES else OTHER)
        self.warnings.labels(code if code in self._warned else OTHER).inc()

    def begin_version(self, version: str) -> None:
        """Initialize the counters of these weights, too."""
        self._begin_requests(version, ("200", "answered"), *_FAILED)
        for model in MODELS:
            self.engine_retries.labels(model, version)
            for kind in (EngineError, EngineUnavailable, EngineMismatch, Overloaded):
                self.engine_failures.labels(model, kind.code, version)
            self.engine_failures.labels(model, DeadlineExceeded.code, version)

    def _begin_requests(self, version: str, *results: tuple[str, str]) -> None:
        for code, outcome in results:
            self.requests.labels("/understand", code, outcome, version)

    def observe_stages(
        self, clock: StageClock, *, backend: str, version: str, exemplar: Mapping[str, str]
    ) -> None:
        """Record the time one request spent in each stage; the exemplar identifies the request."""
        for stage, seconds in clock.seconds.items():
            self.stage_duration.labels(stage, backend, version).observe(seconds, dict(exemplar))

    def observe_speed(self, clock: StageClock, clip_seconds: float, *, version: str) -> None:
        """Record the processing speed of a clip relative to real time."""
        spent = {stage: clock.seconds.get(stage, 0.0) for stage in SPEED_STAGES}
        for stage, seconds in [*spent.items(), ("total", clock.elapsed)]:
            if seconds > 0:
                self.realtime_factor.labels(stage, version).observe(clip_seconds / seconds)
