"""Capacity dashboard: utilisation of resources, per replica."""

from __future__ import annotations

from typing import Any

from k8s.dashboards.panels import Query, Row, board, lines, spread
from k8s.dashboards.queries import JOB, buckets, gauge, quantile, rate, total

_BUSY = rate("ssu_stage_duration_seconds_sum", "instance", 'stage!~"upload|queue"')
_PERIODS, _THROTTLED = (
    rate(f"ssu_cpu_{kind}_total", "instance") for kind in ("periods", "throttled_periods")
)
_LAG = "ssu_event_loop_lag_seconds"


def capacity() -> dict[str, Any]:
    """Return the dashboard that shows whether more, or larger, replicas are needed."""
    return board(
        "ssu-capacity",
        "SSUFormer: capacity",
        "Workers, queue, CPU, memory and event loop of every replica.",
        [_replicas(), _workers(), _connections(), _machine(), _processes()],
    )


def _replicas() -> Row:
    return Row(
        "Replicas",
        [
            lines(
                "Replicas",
                Query(f"count({gauge('ssu_workers')})", "running"),
                Query(total("ssu_ready"), "ready"),
                Query(
                    f"count({gauge('up', of=JOB)} and on (namespace, job, instance)"
                    f" last_over_time({gauge('ssu_workers')}[1d]))",
                    "known to Prometheus",
                ),
                unit="none",
                width=8,
            ),
            lines(
                "Clips answered by replica",
                Query(
                    rate("ssu_requests_total", "instance", 'route="/understand",code="200"'),
                    "{{instance}}",
                ),
                unit="reqps",
                width=8,
            ),
            lines(
                "Time since start",
                Query(f"time() - {gauge('process_start_time_seconds')}", "{{instance}}"),
                unit="s",
                width=8,
            ),
        ],
    )


def _workers() -> Row:
    return Row(
        "Workers and queue",
        [
            lines(
                "Clips in work, and workers",
                Query(total("ssu_in_work"), "in work"),
                Query(total("ssu_workers"), "workers"),
                unit="none",
                width=6,
            ),
            lines(
                "Busy worker seconds per worker and second",
                Query(f"{_BUSY} / {total('ssu_workers', 'instance')}", "{{instance}}"),
                unit="percentunit",
                description="Excludes the stages upload and queue; recorded when a request ends.",
                width=6,
                limits=[1],
            ),
            lines(
                "Queue depth and limit",
                Query(total("ssu_queue_depth"), "waiting"),
                Query(total("ssu_queue_limit"), "places"),
                unit="none",
                width=6,
            ),
            lines(
                "Longest wait in the queue",
                Query(gauge("ssu_queue_oldest_age_seconds"), "{{instance}}"),
                unit="s",
                width=6,
                limits=[60],
            ),
        ],
    )


def _connections() -> Row:
    return Row(
        "Connections and uploads",
        [
            lines(
                "Connections",
                Query(gauge("ssu_connections"), "{{instance}} {{port}}"),
                unit="none",
                width=6,
            ),
            lines(
                "Refused connections",
                Query(rate("ssu_connections_refused_total", "port, code"), "{{port}}: {{code}}"),
                unit="ops",
                description="Refused or closed before, or without, an answer.",
                width=6,
            ),
            lines(
                "Clips being received",
                Query(gauge("ssu_uploads"), "{{instance}}"),
                unit="none",
                width=6,
            ),
            lines(
                "Temporary disk",
                Query(gauge("ssu_upload_bytes"), "{{instance}} clips"),
                Query(gauge("ssu_storage_free_bytes"), "{{instance}} free"),
                unit="bytes",
                description="Without room for a clip a gateway is not ready: storage_full.",
                width=6,
            ),
        ],
    )


def _machine() -> Row:
    return Row(
        "Processor and memory",
        [
            lines(
                "Gateway CPU use and quota",
                Query(rate("process_cpu_seconds_total", "instance"), "{{instance}} used"),
                Query(gauge("ssu_cpu_quota_cores"), "{{instance}} quota"),
                unit="none",
                description="Excludes its decoding processes.",
                width=8,
            ),
            lines(
                "CPU throttling",
                # Without a quota there are no periods.
                Query(f"{_THROTTLED} / ({_PERIODS} > 0) or 0 * {_THROTTLED}", "{{instance}}"),
                unit="percentunit",
                description="Share of active CFS quota periods that were throttled.",
                width=8,
                limits=[0.25],
            ),
            lines(
                "Memory use and limit",
                Query(gauge("ssu_memory_bytes"), "{{instance}} container"),
                Query(gauge("process_resident_memory_bytes"), "{{instance}} gateway's process"),
                Query(gauge("ssu_memory_limit_bytes"), "{{instance}} limit"),
                unit="bytes",
                width=8,
            ),
        ],
    )


def _processes() -> Row:
    return Row(
        "Event loop and decoding processes",
        [
            lines(
                "Event loop lag",
                Query(quantile(0.5, _LAG), "p50"),
                Query(quantile(0.99, _LAG), "p99"),
                unit="s",
                width=8,
                limits=[0.25],
            ),
            spread("Event loop lag distribution", buckets(_LAG), unit="s", width=8),
            lines(
                "Exits of decoding processes",
                Query(rate("ssu_decode_child_exits_total", "reason"), "{{reason}}"),
                unit="ops",
                description="abandoned: client disconnected or timeout; all others are errors.",
                width=8,
            ),
        ],
    )
