"""Monitoring that a check must find broken."""

from __future__ import annotations

from tests.k8s import monitoring_checks
from tests.k8s.broken import ALL, CPU, TRITON, Case

CASES = (
    Case(
        monitoring_checks.monitors_find_ports,
        ALL,
        lambda b: b.spec("ServiceMonitor")["endpoints"][0].update(port="prometheus"),
        "no port prometheus",
    ),
    Case(
        monitoring_checks.monitors_find_ports,
        ALL,
        lambda b: b.spec("PodMonitor", TRITON)["selector"].update(matchLabels={"app": "x"}),
        "selects nothing",
    ),
    Case(
        monitoring_checks.monitors_find_ports,
        ALL,
        lambda b: b.spec("ServiceMonitor").update(jobLabel="app"),
        "no label app",
    ),
    Case(
        monitoring_checks.everything_is_monitored,
        ALL,
        lambda b: b.without("PodMonitor", TRITON),
        "Deployment/ssu-triton has no monitor",
    ),
    Case(
        monitoring_checks.metrics_exist,
        ALL,
        lambda b: b.spec("ScaledObject")["triggers"][0]["metadata"].update(query="ssu_queue_len"),
        "no metric ssu_queue_len",
    ),
    Case(
        monitoring_checks.metrics_exist,
        ALL,
        lambda b: b.spec("ScaledObject", TRITON)["triggers"][0]["metadata"].update(
            query="rate(nv_inference_queue_us[2m])"
        ),
        "no metric nv_inference_queue_us",
    ),
    Case(
        monitoring_checks.metrics_exist,
        ALL,
        lambda b: next(iter(b.manifests.of("PrometheusRule")))["spec"]["groups"][0]["rules"].append(
            {"expr": "ssu_requests > 1"}
        ),
        "no metric ssu_requests",
    ),
    Case(
        monitoring_checks.scaling_metrics_are_provided,
        CPU,
        lambda b: b.spec("HorizontalPodAutoscaler")["metrics"][0]["pods"]["metric"].update(
            name="q"
        ),
        "nobody provides q",
    ),
)
