"""Networks that a check must find broken."""

from __future__ import annotations

from tests.k8s import network_checks
from tests.k8s.broken import ALL, CPU, GPU, TRITON, Case

CASES = (
    Case(
        network_checks.services_find_ports,
        CPU,
        lambda b: b.spec("Service")["ports"][0].update(targetPort="web"),
        "no pod has a port web",
    ),
    Case(
        network_checks.services_find_ports,
        CPU,
        lambda b: b.spec("Service")["ports"][1].update(port=80),
        "two ports of one port",
    ),
    Case(
        network_checks.services_find_ports,
        CPU,
        lambda b: b.spec("Service")["ports"][0].pop("protocol"),
        "does not say TCP",
    ),
    Case(
        network_checks.services_find_ports,
        GPU,
        lambda b: b.spec("Service", TRITON)["selector"].update(tier="gpu"),
        "selects no pods",
    ),
    Case(
        network_checks.triton_is_reached_pod_by_pod,
        GPU,
        lambda b: b.spec("Service", TRITON).pop("clusterIP"),
        "hides its pods behind one address",
    ),
    Case(
        network_checks.triton_is_reached_pod_by_pod,
        GPU,
        lambda b: b.settings().update(SSU_TRITON_ADDRESS="triton:8001"),
        "there is no service triton",
    ),
    Case(
        network_checks.triton_is_reached_pod_by_pod,
        GPU,
        lambda b: b.settings().update(SSU_TRITON_ADDRESS="ssu-triton:8000"),
        "has no gRPC on port 8000",
    ),
    Case(
        network_checks.nothing_is_open_by_default,
        CPU,
        lambda b: b.spec("NetworkPolicy", "default-deny").update(policyTypes=["Ingress"]),
        "no policy denies by default",
    ),
    Case(
        network_checks.policies_select_what_is_there,
        GPU,
        lambda b: b.spec("NetworkPolicy", TRITON)["podSelector"]["matchLabels"].update(a="b"),
        "nobody is",
    ),
    Case(
        network_checks.policies_select_what_is_there,
        GPU,
        lambda b: b.spec("NetworkPolicy", TRITON)["ingress"][0].update(
            {"from": [{"podSelector": {"matchLabels": {"app": "gateway"}}}]}
        ),
        "nobody is {'matchLabels': {'app': 'gateway'}}",
    ),
    Case(
        network_checks.doors_lead_to_ports,
        CPU,
        lambda b: b.spec("NetworkPolicy")["ingress"][0]["ports"][0].update(port=80),
        "opens port 80, which no pod has",
    ),
    Case(
        network_checks.doors_lead_to_ports,
        CPU,
        lambda b: b.spec("NetworkPolicy")["ingress"][1].pop("from"),
        "lets anybody in",
    ),
    Case(
        network_checks.calls_out_are_few,
        CPU,
        lambda b: b.spec("NetworkPolicy")["egress"][0]["ports"][0].update(port=443),
        "lets calls out to port 443",
    ),
    Case(
        network_checks.calls_out_are_few,
        CPU,
        lambda b: b.spec("NetworkPolicy")["egress"][0].pop("to"),
        "lets calls out to anybody",
    ),
    Case(
        network_checks.calls_out_are_few,
        CPU,
        lambda b: b.spec("NetworkPolicy")["egress"][0]["ports"][0].update(port=8001),
        "port 8001 of somebody else",
    ),
    Case(
        network_checks.gateways_reach_triton,
        GPU,
        lambda b: b.without("NetworkPolicy", "ssu-gateway-to-triton"),
        "may not call",
    ),
    Case(
        network_checks.gateways_reach_triton,
        GPU,
        lambda b: b.without("NetworkPolicy", TRITON),
        "may not be called by",
    ),
    Case(
        network_checks.gateways_reach_the_collector_of_their_spans,
        ALL,
        lambda b: b.without("NetworkPolicy", "ssu-gateway-to-collector"),
        "let out to set()",
    ),
    Case(
        network_checks.gateways_reach_the_collector_of_their_spans,
        ALL,
        lambda b: b.settings().update(SSU_TRACES="off"),
        "its spans go to nobody",
    ),
    Case(
        network_checks.gateways_reach_the_collector_of_their_spans,
        ALL,
        lambda b: b.settings().update(OTEL_EXPORTER_OTLP_ENDPOINT="http://tempo.traces.svc:4318"),
        "its spans go to {('traces', 4318)}",
    ),
    Case(
        network_checks.gateways_reach_the_collector_of_their_spans,
        ALL,
        lambda b: b.spec("NetworkPolicy", "ssu-gateway-to-collector")["egress"][0]["to"][0].pop(
            "podSelector"
        ),
        "let out to set()",
    ),
    Case(
        network_checks.metrics_are_reached_from_monitoring,
        GPU,
        lambda b: b.spec("NetworkPolicy", TRITON)["ingress"].pop(),
        "Deployment/ssu-triton: its metrics",
    ),
    Case(
        network_checks.metrics_are_reached_from_monitoring,
        CPU,
        lambda b: b.spec("NetworkPolicy")["ingress"][0]["ports"].append({"port": 9464}),
        "not for the namespace monitoring alone",
    ),
)
