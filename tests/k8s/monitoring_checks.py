"""What schemas pass of what is measured: monitors, and the names of metrics in queries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml
from prometheus_client.metrics_core import Metric

from service.jobs.metrics import JobMetrics
from service.studio.metrics import StudioMetrics
from service.telemetry.metrics import Metrics
from tests.k8s.manifests import Manifests, Object, called, matches

ADAPTER = Path("k8s/prometheus-adapter/config.yaml")
TRITON_METRICS = {
    *(f"nv_inference_request_{end}" for end in ("success", "failure", "duration_us")),
    *(f"nv_inference_{end}" for end in ("count", "exec_count", "pending_request_count")),
    *(f"nv_inference_{end}_duration_us" for end in ("queue", "compute_input", "compute_infer")),
    "nv_inference_compute_output_duration_us",
    *(f"nv_gpu_{end}" for end in ("utilization", "memory_total_bytes", "memory_used_bytes")),
    *("nv_gpu_power_usage", "nv_gpu_power_limit", "nv_energy_consumption"),
    *("nv_cpu_utilization", "nv_cpu_memory_total_bytes", "nv_cpu_memory_used_bytes"),
    *("nv_model_load_duration_secs", "nv_pinned_memory_pool_used_bytes"),
}
"""What Triton's documentation lists, as far as it is of use here."""

_METRIC = re.compile(r"(?<![\w:-])(?:ssu|nv)_\w+(?![\w:])")
_SUFFIXES = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
}


def monitors_find_ports(manifests: Manifests) -> Iterator[str]:
    """Every monitor selects a service or pods, a port that they have, and a label for `job`."""
    for one in manifests.of("ServiceMonitor", "PodMonitor"):
        targets = list(_targets(manifests, one))
        if not targets:
            yield f"{called(one)} selects nothing"
        if any(one["spec"].get("jobLabel") not in labels for labels, _ in targets):
            yield f"{called(one)}: no label {one['spec'].get('jobLabel')}"
        for endpoint in one["spec"].get("endpoints") or one["spec"]["podMetricsEndpoints"]:
            if any(endpoint.get("port") not in ports for _, ports in targets):
                yield f"{called(one)}: no port {endpoint.get('port')}"
            if endpoint.get("path") != "/metrics":
                yield f"{called(one)}: there are no metrics at {endpoint.get('path')}"


def _targets(manifests: Manifests, monitor: Object) -> Iterator[tuple[Object, set[str]]]:
    selector = monitor["spec"]["selector"]
    if monitor["kind"] == "PodMonitor":
        yield from ((one.labels, set(one.ports)) for one in manifests.selected(selector))
        return
    for service in manifests.of("Service"):
        labels = service["metadata"].get("labels", {})
        if matches(selector, labels):
            yield labels, {port["name"] for port in service["spec"]["ports"]}


def everything_is_monitored(manifests: Manifests) -> Iterator[str]:
    """Where the operator is used at all, each Deployment has a monitor."""
    monitors = manifests.of("ServiceMonitor", "PodMonitor")
    names = {one["metadata"]["name"] for one in monitors}
    for one in manifests.deployments:
        if monitors and one.item["metadata"]["name"] not in names:
            yield f"{one.called} has no monitor"


def metrics_exist(manifests: Manifests) -> Iterator[str]:
    """Every metric in a query is one of the gateway's or of Triton's."""
    known = gateway_metrics() | TRITON_METRICS
    for one in manifests.of("ScaledObject", "PrometheusRule"):
        for query in _queries(one["spec"]):
            unknown = set(_METRIC.findall(query)) - known
            yield from (f"{called(one)}: no metric {name}" for name in sorted(unknown))


def _queries(value: object) -> Iterator[str]:
    """Yield every string under `query` or `expr`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("query", "expr"):
                yield str(inner)
            else:
                yield from _queries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _queries(inner)


def scaling_metrics_are_provided(manifests: Manifests) -> Iterator[str]:
    """What an autoscaler scales by, the configuration of prometheus-adapter makes."""
    provided = adapter_metrics(yaml.safe_load(ADAPTER.read_text()))
    for one in manifests.of("HorizontalPodAutoscaler"):
        for metric in one["spec"]["metrics"]:
            name = metric.get("pods", {}).get("metric", {}).get("name")
            if name not in provided:
                yield f"{called(one)}: nobody provides {name}"


def adapter_metrics(configuration: Object) -> dict[str, set[str]]:
    """Return the metrics that an adapter makes, each with those that it is made of."""
    made: dict[str, set[str]] = {}
    for rule in configuration["rules"]:
        used = set(_METRIC.findall(rule["seriesQuery"] + rule["metricsQuery"]))
        name = rule.get("name", {}).get("as")
        made |= {name: used} if name else {one: {one} for one in used}
    return made


@cache
def gateway_metrics() -> set[str]:
    """Return the name of every series that the gateway may expose."""
    registry = Metrics().registry
    JobMetrics(registry)
    StudioMetrics(registry)
    return {name for metric in registry.collect() for name in _series(metric)}


def _series(metric: Metric) -> Iterator[str]:
    yield from (metric.name + end for end in _SUFFIXES.get(metric.type, ("",)))
