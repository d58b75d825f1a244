"""Engines dashboard: inference duration, concurrency, failures, Triton, GPU."""

from __future__ import annotations

from typing import Any

from k8s.dashboards.panels import Query, Row, board, choice, lines, spread, version_variable
from k8s.dashboards.queries import SERVER, buckets, gauge, mean, quantile, rate

_INFER = "ssu_engine_infer_duration_seconds"
_OF_VERSION = 'version=~"$version"'


def engines() -> dict[str, Any]:
    """Return the dashboard of both models, as the gateways and as Triton see them."""
    server = choice(
        "server",
        'label_values(nv_inference_count{namespace=~"$namespace"}, instance)',
        label="Triton",
    )
    return board(
        "ssu-engines",
        "SSUFormer: engines and Triton",
        "Inferences measured by the gateways; Triton's queue, batches and failures; GPU.",
        [_seen_by_gateways(), _health(), _triton(), _gpu()],
        [version_variable(), server],
    )


def _seen_by_gateways() -> Row:
    return Row(
        "Inferences as seen by the gateways",
        [
            lines(
                "Inference duration",
                Query(quantile(0.5, _INFER, "engine, device", _OF_VERSION), "{{engine}} p50"),
                Query(quantile(0.95, _INFER, "engine, device", _OF_VERSION), "{{engine}} p95"),
                unit="s",
                width=8,
            ),
            spread("Inferences by duration", buckets(_INFER, _OF_VERSION), unit="s", width=8),
            lines(
                "Frames or regions per inference",
                Query(mean("ssu_engine_batch_size", "engine"), "{{engine}} mean"),
                Query(quantile(0.95, "ssu_engine_batch_size", "engine"), "{{engine}} p95"),
                unit="none",
                width=8,
            ),
        ],
    )


def _health() -> Row:
    return Row(
        "Engine up",
        [
            lines(
                "Failures and retries",
                Query(rate("ssu_engine_failures_total", "engine, code"), "{{engine}} {{code}}"),
                Query(rate("ssu_engine_retries_total", "engine"), "{{engine}} asked again"),
                unit="ops",
                width=8,
            ),
            lines(
                "Open circuits",
                Query(gauge("ssu_circuit_state"), "{{engine}} {{instance}}"),
                unit="none",
                width=8,
            ),
            lines(
                "Time since the last answer",
                Query(
                    f"time() - {gauge('ssu_engine_last_success_timestamp_seconds')}",
                    "{{engine}} {{instance}}",
                ),
                unit="s",
                description="Idle models are probed; the alert threshold is 180 s.",
                width=8,
                limits=[180],
            ),
        ],
    )


def _microseconds(part: str) -> str:
    return rate(f"nv_inference_{part}_duration_us", "model", of=SERVER)


def _per_request(part: str) -> Query:
    answered = rate("nv_inference_request_success", "model", of=SERVER)
    legend = "{{model}} " + part.removeprefix("compute_")
    return Query(f"{_microseconds(part)} / {answered} / 1e6", legend)


def _triton() -> Row:
    requests = rate("nv_inference_request_success", "model", of=SERVER)
    inferences = rate("nv_inference_count", "model", of=SERVER)
    executions = rate("nv_inference_exec_count", "model", of=SERVER)
    return Row(
        "Triton",
        [
            lines(
                "Triton request: queue and compute time",
                *map(_per_request, ("queue", "compute_input", "compute_infer", "compute_output")),
                unit="s",
                stacked=True,
            ),
            lines(
                "Queue time as a share of compute time",
                Query(
                    f"{_microseconds('queue')} / ({_microseconds('compute_input')}"
                    f" + {_microseconds('compute_infer')} + {_microseconds('compute_output')})",
                    "{{model}}",
                ),
                unit="percentunit",
                description="Over 100 %, requests queue longer than they compute.",
                limits=[1],
            ),
            lines(
                "Pending requests",
                Query(
                    f"sum by (model) ({gauge('nv_inference_pending_request_count', of=SERVER)})",
                    "{{model}}",
                ),
                unit="none",
                width=8,
            ),
            lines(
                "Batch size: inferences per execution",
                Query(f"{inferences} / {executions}", "{{model}}"),
                unit="none",
                width=8,
            ),
            lines(
                "Requests",
                Query(requests, "{{model}} answered"),
                Query(
                    rate("nv_inference_request_failure", "model, reason", of=SERVER),
                    "{{model}} {{reason}}",
                ),
                unit="reqps",
                width=8,
            ),
        ],
    )


def _gpu() -> Row:
    return Row(
        "GPU",
        [
            lines(
                "Utilisation",
                Query(gauge("nv_gpu_utilization", of=SERVER), "{{instance}} {{gpu_uuid}}"),
                unit="percentunit",
                width=8,
            ),
            lines(
                "Memory",
                Query(gauge("nv_gpu_memory_used_bytes", of=SERVER), "{{gpu_uuid}} used"),
                Query(gauge("nv_gpu_memory_total_bytes", of=SERVER), "{{gpu_uuid}} total"),
                unit="bytes",
                width=8,
            ),
            lines(
                "Power",
                Query(gauge("nv_gpu_power_usage", of=SERVER), "{{gpu_uuid}} draws"),
                Query(gauge("nv_gpu_power_limit", of=SERVER), "{{gpu_uuid}} limit"),
                unit="watt",
                width=8,
            ),
        ],
    )
