"""Metrics of the studio."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

TOOLS = ("load", "mask", "track", "sentences", "onsets")
RESULTS = ("done", "refused", "failed", "timeout", "cancelled")


class StudioMetrics:
    """Counters, gauges and times of the studio."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.clips = Gauge(
            "ssu_studio_clips", "Clips of the studio.", ("state",), registry=registry
        )
        self.bytes = Gauge("ssu_studio_bytes", "Bytes of all clips.", registry=registry)
        self.prepared = Counter(
            "ssu_studio_prepared", "Clips that were prepared.", ("result",), registry=registry
        )
        self.edits = Counter("ssu_studio_edits", "Edits that were saved.", registry=registry)
        self.calls = Counter(
            "ssu_studio_tool_calls", "Calls of tools.", ("tool", "result"), registry=registry
        )
        self.seconds = Histogram(
            "ssu_studio_tool_seconds",
            "Time of a call of a tool; of a frame, for tracking.",
            ("tool",),
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60),
            registry=registry,
        )
        for state in ("preparing", "ready", "failed"):
            self.clips.labels(state)
        for result in ("ready", "failed"):
            self.prepared.labels(result)
        for tool in TOOLS:
            self.seconds.labels(tool)
            for result in RESULTS:
                self.calls.labels(tool, result)
