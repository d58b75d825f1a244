"""What schemas pass of who reaches whom: services, network policies, Triton's address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from tests.k8s.manifests import Manifests, Object, Workload, called, matches

DNS, INFERENCES, SPANS, DATABASE, HTTPS = 53, 8001, 4318, 5432, 443
"""The only ports that anything here may call."""
_PRIVATE = (
    *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.168.0.0/16", "fc00::/7", "fe80::/10", "::1/128"),
)
"""Networks in which pods, nodes and what tells them who they are may be."""
_NAMESPACE = "kubernetes.io/metadata.name"


def services_find_ports(manifests: Manifests) -> Iterator[str]:
    """Every service selects pods, and every port of it is a named one of theirs."""
    for one in manifests.of("Service"):
        works = manifests.selected({"matchLabels": one["spec"]["selector"]})
        if not works:
            yield f"{called(one)} selects no pods"
        ports = one["spec"]["ports"]
        for key in ("name", "port"):
            if len({port[key] for port in ports}) < len(ports):
                yield f"{called(one)} has two ports of one {key}"
        for port in ports:
            if any(port.get("targetPort") not in work.ports for work in works):
                yield f"{called(one)}: no pod has a port {port.get('targetPort')}"
            if port.get("protocol") != "TCP":
                yield f"{called(one)}: port {port['name']} does not say TCP"


def triton_is_reached_pod_by_pod(manifests: Manifests) -> Iterator[str]:
    """The address of Triton is a headless service's port, by which gRPC finds every pod."""
    for container in manifests.containers:
        environment = manifests.environment(container)
        if environment.get("SSU_ENGINE") != "triton":
            continue
        host, _, port = environment.get("SSU_TRITON_ADDRESS", "").rpartition(":")
        service = manifests.find("Service", host.partition(".")[0])
        if service is None:
            yield f"{container.called}: there is no service {host}"
        elif service["spec"].get("clusterIP") != "None":
            yield f"{called(service)} hides its pods behind one address"
        elif _target(service, port) != "grpc":
            yield f"{called(service)} has no gRPC on port {port}"


def _target(service: Object, port: str) -> object:
    targets = {str(one["port"]): one.get("targetPort") for one in service["spec"]["ports"]}
    return targets.get(port)


def nothing_is_open_by_default(manifests: Manifests) -> Iterator[str]:
    """A policy closes all pods of the namespace in both directions."""
    for one in manifests.of("NetworkPolicy"):
        spec = one["spec"]
        both = set(spec.get("policyTypes", ())) == {"Ingress", "Egress"}
        if not spec["podSelector"] and both and not spec.get("ingress") and not spec.get("egress"):
            return
    if manifests.deployments:
        yield "no policy denies by default"


def policies_select_what_is_there(manifests: Manifests) -> Iterator[str]:
    """Policies and their peers in the namespace select pods."""
    for one in manifests.of("NetworkPolicy"):
        peers = [*_local_peers(one["spec"], "ingress"), *_local_peers(one["spec"], "egress")]
        for selector in (one["spec"]["podSelector"], *peers):
            if not manifests.selected(selector):
                yield f"{called(one)}: nobody is {selector}"


def doors_lead_to_ports(manifests: Manifests) -> Iterator[str]:
    """Policies let named peers in, to ports that the pods have."""
    for one in manifests.of("NetworkPolicy"):
        works = manifests.selected(one["spec"]["podSelector"])
        opened = {number for work in works for number in work.ports.values()}
        for rule in one["spec"].get("ingress", ()):
            if not rule.get("from") or not rule.get("ports"):
                yield f"{called(one)} lets anybody in, or to any port"
        for _, port in _ports(one["spec"], "ingress"):
            if port not in opened:
                yield f"{called(one)} opens port {port}, which no pod has"


def calls_out_are_few(manifests: Manifests) -> Iterator[str]:
    """Out go only calls to DNS, Triton, a collector, a database and hosts, each to named peers."""
    for one in manifests.of("NetworkPolicy"):
        for rule in one["spec"].get("egress", ()):
            if not rule.get("to") or not rule.get("ports"):
                yield f"{called(one)} lets calls out to anybody, or on any port"
        for rule, port in _ports(one["spec"], "egress"):
            outside = all("ipBlock" in peer for peer in rule.get("to", ()))
            known = (HTTPS,) if outside else (DNS, INFERENCES, SPANS)
            if port not in (*known, DATABASE):
                yield f"{called(one)} lets calls out to port {port}"
            elif (port == INFERENCES) != any(_is_local(peer) for peer in rule.get("to", ())):
                yield f"{called(one)}: port {port} of somebody else"


def gateways_reach_triton(manifests: Manifests) -> Iterator[str]:
    """Where Triton runs the models, one policy lets inferences out and another lets them in."""
    for work in manifests.deployments:
        environments = [manifests.environment(one) for one in work.serving]
        if not any(one.get("SSU_ENGINE") == "triton" for one in environments):
            continue
        for other in manifests.deployments:
            if "grpc" not in other.ports:
                continue
            if not _lets(manifests, work, "egress", other):
                yield f"{work.called} may not call {other.called}"
            if not _lets(manifests, other, "ingress", work):
                yield f"{other.called} may not be called by {work.called}"


def gateways_reach_the_collector_of_their_spans(manifests: Manifests) -> Iterator[str]:
    """Spans may go to pods of the namespace and port that are set, and nowhere without traces."""
    for work in manifests.deployments:
        wanted = {
            _collector(environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""))
            for environment in map(manifests.environment, work.serving)
            if environment.get("SSU_TRACES") == "on"
        }
        opened = {
            (peer.get("namespaceSelector", {}).get("matchLabels", {}).get(_NAMESPACE), port)
            for one in manifests.of("NetworkPolicy")
            if matches(one["spec"]["podSelector"], work.labels)
            for rule, port in _ports(one["spec"], "egress")
            if port == SPANS
            for peer in rule["to"]
            if peer.get("podSelector")
        }
        if wanted != opened:
            yield f"{work.called}: its spans go to {wanted or 'nobody'}, let out to {opened}"


def _collector(endpoint: str) -> tuple[str, int | None]:
    """Return the namespace and the port of an address as http://NAME.NAMESPACE.svc:4318."""
    address = urlsplit(endpoint)
    _, namespace, *_ = f"{address.hostname}..".split(".")
    return namespace, address.port


def gateways_with_jobs_reach_their_database(manifests: Manifests) -> Iterator[str]:
    """Where there are jobs, named peers of PostgreSQL's port are let out to, and only there."""
    for work in manifests.deployments:
        wanted = any(one.get("name") == "SSU_JOBS" for one in _variables(work))
        if wanted != bool(list(_peers_of(manifests, work, DATABASE))):
            yield f"{work.called}: it has {'' if wanted else 'no '}jobs, unlike its policies"


def calls_to_hosts_leave_the_cluster(manifests: Manifests) -> Iterator[str]:
    """Where hosts may be called, HTTPS to all but private addresses is let out, and only there."""
    for work in manifests.deployments:
        environments = [manifests.environment(one) for one in work.serving]
        hosts = ("SSU_WEBHOOK_HOSTS", "SSU_INPUT_HOSTS")
        wanted = any(environment.get(name) for environment in environments for name in hosts)
        blocks = [peer["ipBlock"] for peer in _peers_of(manifests, work, HTTPS)]
        if wanted != bool(blocks):
            yield f"{work.called}: it calls {'' if wanted else 'no '}hosts, unlike its policies"
        for network in map(ip_network, _PRIVATE):
            if any(_holds(block, network) for block in blocks):
                yield f"{work.called}: its calls may go to {network}"


def _variables(work: Workload) -> list[Object]:
    return [one for container in work.serving for one in container.spec.get("env", ())]


def _peers_of(manifests: Manifests, work: Workload, port: int) -> Iterator[Object]:
    """Yield whom a workload may call on a port."""
    for one in manifests.of("NetworkPolicy"):
        if matches(one["spec"]["podSelector"], work.labels):
            for rule, opened in _ports(one["spec"], "egress"):
                yield from rule.get("to", ()) if opened == port else ()


def _holds(block: Object, network: Any) -> bool:  # noqa: ANN401
    """Return whether any address of a network is in a block."""
    whole, left_out = ip_network(block["cidr"]), map(ip_network, block.get("except", ()))
    if whole.version != network.version or not whole.overlaps(network):
        return False
    return not any(network.subnet_of(one) for one in left_out)


def metrics_are_reached_from_monitoring(manifests: Manifests) -> Iterator[str]:
    """Each Deployment's metrics can be scraped from the namespace `monitoring`, and only there."""
    for work in manifests.deployments:
        port = work.ports.get("metrics")
        peers = [
            peer
            for one in manifests.of("NetworkPolicy")
            if matches(one["spec"]["podSelector"], work.labels)
            for rule, opened in _ports(one["spec"], "ingress")
            if opened == port
            for peer in rule.get("from", ())
        ]
        wanted = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
        if [peer.get("namespaceSelector") for peer in peers] != [wanted]:
            yield f"{work.called}: its metrics are not for the namespace monitoring alone"


def _lets(manifests: Manifests, work: Workload, kind: str, peer: Workload) -> bool:
    return any(
        port == INFERENCES and any(matches(one["podSelector"], peer.labels) for one in peers)
        for policy in manifests.of("NetworkPolicy")
        if matches(policy["spec"]["podSelector"], work.labels)
        for rule, port in _ports(policy["spec"], kind)
        for peers in [[one for one in rule.get(_side(kind), ()) if _is_local(one)]]
    )


def _ports(spec: Object, kind: str) -> Iterator[tuple[Object, int]]:
    for rule in spec.get(kind, ()):
        for port in rule.get("ports", ()):
            yield rule, port["port"]


def _local_peers(spec: Object, kind: str) -> Iterator[Mapping[str, Any]]:
    for rule in spec.get(kind, ()):
        for peer in rule.get(_side(kind), ()):
            if _is_local(peer):
                yield peer["podSelector"]


def _side(kind: str) -> str:
    return {"ingress": "from", "egress": "to"}[kind]


def _is_local(peer: Object) -> bool:
    """Return whether a peer is of the policy's own namespace."""
    return "podSelector" in peer and "namespaceSelector" not in peer
