"""Metrics of jobs and of the calls that tell of them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

RESULTS = ("done", "failed", "deleted", "expired")
CALLS = ("delivered", "failed", "given_up")


class JobMetrics:
    """Counters and gauges; those of states are of the store, the same in all gateways."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.jobs = Gauge("ssu_jobs", "Jobs in the store.", ("state",), registry=registry)
        self.oldest = Gauge(
            "ssu_jobs_oldest_age_seconds",
            "Time since the oldest job that waits was sent.",
            registry=registry,
        )
        self.bytes = Gauge(
            "ssu_jobs_bytes", "Bytes of clips and results of all jobs.", registry=registry
        )
        self.ended = Counter("ssu_jobs_ended", "Jobs that ended.", ("result",), registry=registry)
        self.parts = Counter("ssu_job_parts", "Parts of jobs that were done.", registry=registry)
        self.seconds = Counter(
            "ssu_job_clip_seconds", "Seconds of clips that were understood.", registry=registry
        )
        self.taken_over = Counter(
            "ssu_jobs_taken_over", "Jobs of another gateway, gone on with.", registry=registry
        )
        self.leases_lost = Counter(
            "ssu_job_leases_lost", "Jobs that another gateway took, or were deleted, while in work",
            registry=registry,
        )  # fmt: skip
        self.calls = Counter(
            "ssu_webhook_attempts", "Attempts at webhooks.", ("result",), registry=registry
        )
        for result in RESULTS:
            self.ended.labels(result)
        for result in CALLS:
            self.calls.labels(result)
