"""What schemas pass of how pods come and go: probes, grace, updates, numbers, evictions."""

from __future__ import annotations

from collections.abc import Iterator

from service.app import create_app
from service.settings import Settings
from tests.k8s.manifests import Container, Manifests, Object, Workload, called

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
TRITON_ROUTES = {"/v2/health/live", "/v2/health/ready"}
_DEADLINE, _DRAIN = "SSU_DEADLINE_SECONDS", "SSU_DRAIN_SECONDS"
_EXIT, _AGE = "--exit-timeout-secs", "--grpc-max-connection-age"
_DNS_SECONDS = 30
"""How long caches of DNS may keep an address: as long as kubeadm tells CoreDNS to."""


def health_routes(container: Container) -> set[str]:
    """Return the paths by which a container says how it is."""
    if container.image == "ssu-triton":
        return TRITON_ROUTES
    paths = create_app(Settings(engine="fake")).openapi()["paths"]
    return {path for path, one in paths.items() if "health" in one.get("get", {}).get("tags", ())}


def probes_hit_routes(manifests: Manifests) -> Iterator[str]:
    """Each container that serves has all three probes, on a port and a path that it has."""
    for container in (one for work in manifests.deployments for one in work.serving):
        paths = health_routes(container)
        for kind in PROBES:
            asked = container.spec.get(kind, {}).get("httpGet", {})
            if asked.get("path") not in paths:
                yield f"{container.called}: {kind} asks for {asked.get('path')}"
            if asked.get("port") not in container.ports:
                yield f"{container.called}: {kind} asks on port {asked.get('port')}"


def starting_is_waited_for(manifests: Manifests) -> Iterator[str]:
    """An update counts as failed only after the startup probe has given up.

    A gateway that asks Triton becomes ready after it: it waits for the slowest of all.
    """
    starts = {one.called: _longest_start(one) for one in manifests.deployments}
    for one in manifests.deployments:
        longest = max(starts.values()) if _asks_triton(manifests, one) else starts[one.called]
        if one.item["spec"].get("progressDeadlineSeconds", 600) <= longest:
            yield f"{one.called}: an update fails before a slow start of {longest} s is over"


def _longest_start(workload: Workload) -> int:
    return max((_patience(one.spec.get("startupProbe", {})) for one in workload.serving), default=0)


def _asks_triton(manifests: Manifests, workload: Workload) -> bool:
    return any(manifests.environment(one).get("SSU_ENGINE") == "triton" for one in workload.serving)


def _patience(probe: Object) -> int:
    return int(probe.get("periodSeconds", 10)) * int(probe.get("failureThreshold", 3))


def grace_outlasts_the_longest_request(manifests: Manifests) -> Iterator[str]:
    """A pod that is told to go may finish what was asked of it before."""
    deadline = _longest_request(manifests)
    for one in manifests.deployments:
        grace = one.pod.get("terminationGracePeriodSeconds", 30)
        for container in one.serving:
            pause = _pause(container)
            if pause is None:
                yield f"{container.called} stops before the endpoint is gone"
            exit_seconds = container.options.get(_EXIT)
            if exit_seconds is not None and float(exit_seconds) < deadline:
                yield f"{container.called}: {_EXIT} is shorter than the longest request"
            drain = float(manifests.environment(container).get(_DRAIN, 0))
            needed = (pause or 0) + drain + max(deadline, float(exit_seconds or 0))
            if grace <= needed:
                yield f"{one.called}: {needed:g} s may be needed, the grace is {grace}"


def _longest_request(manifests: Manifests) -> float:
    """Return the deadline that the settings state, or the service's own."""
    default = Settings.model_fields["deadline_seconds"].default
    stated = (manifests.environment(one).get(_DEADLINE) for one in manifests.containers)
    return max((float(one) for one in stated if one), default=float(default))


def _pause(container: Container) -> float | None:
    """Return how long preStop sleeps, or None."""
    hook = container.spec.get("lifecycle", {}).get("preStop", {})
    command = hook.get("exec", {}).get("command", [])
    if len(command) == 2 and command[0] == "sleep" and float(command[1]) > 0:
        return float(command[1])
    return None


def tritons_that_go_are_forgotten(manifests: Manifests) -> Iterator[str]:
    """Gateways ask DNS again when a connection ends: each ends before a pod that goes stops."""
    for container in (one for work in manifests.deployments for one in work.serving):
        if container.image != "ssu-triton":
            continue
        # gRPC lets a connection live up to a tenth longer.
        age = 1.1 * float(container.options.get(_AGE, 0)) / 1000
        if not age:
            yield f"{container.called}: its connections live for ever"
        elif age + _DNS_SECONDS >= (_pause(container) or 0):
            yield f"{container.called}: gateways may know it for {age + _DNS_SECONDS:g} s after DNS"


def updates_get_on(manifests: Manifests) -> Iterator[str]:
    """A rolling update always has a next step; with GPUs it takes no second one for it."""
    for one in manifests.deployments:
        rules = one.item["spec"].get("strategy", {}).get("rollingUpdate", {})
        surge, missing = rules.get("maxSurge"), rules.get("maxUnavailable")
        if surge is None or missing is None:
            yield f"{one.called} does not say how it is updated"
        elif surge in (0, "0%") and missing in (0, "0%"):
            yield f"{one.called} can never be updated"
        elif _takes_gpus(one) and surge not in (0, "0%"):
            yield f"{one.called}: its update waits for a GPU that nobody frees"


def _takes_gpus(workload: Workload) -> bool:
    return any(one.resource("limits", "nvidia.com/gpu") for one in workload.serving)


def scalers(manifests: Manifests) -> Iterator[tuple[Object, str, int, int]]:
    """Yield what scales, the name of what it scales, and the least and the greatest number."""
    for one in manifests.of("HorizontalPodAutoscaler"):
        spec = one["spec"]
        yield one, spec["scaleTargetRef"]["name"], spec.get("minReplicas", 1), spec["maxReplicas"]
    for one in manifests.of("ScaledObject"):
        spec = one["spec"]
        least, most = spec.get("minReplicaCount", 0), spec.get("maxReplicaCount", 100)
        yield one, spec["scaleTargetRef"]["name"], least, most


def scalers_have_targets(manifests: Manifests) -> Iterator[str]:
    """What scales has a Deployment to itself, which states no number of its own."""
    taken: set[str] = set()
    for one, name, least, most in scalers(manifests):
        target = manifests.find("Deployment", name)
        if target is None:
            yield f"{called(one)}: there is no Deployment {name}"
        elif "replicas" in target["spec"]:
            yield f"{called(target)} states replicas, and {called(one)} does, too"
        if not 1 <= least <= most:
            yield f"{called(one)}: from {least} to {most} is no range"
        if name in taken:
            yield f"{called(one)}: {name} is scaled twice"
        taken.add(name)
    for work in manifests.deployments:
        if work.item["metadata"]["name"] not in taken and "replicas" not in work.item["spec"]:
            yield f"{work.called}: nobody says how many"


def budgets_allow_evictions(manifests: Manifests) -> Iterator[str]:
    """What is scaled has a budget for its disruption, and the budget lets a node be drained."""
    numbers = {name: least for _, name, least, _ in scalers(manifests)}
    covered: set[str] = set()
    for one in manifests.of("PodDisruptionBudget"):
        spec, works = one["spec"], manifests.selected(one["spec"]["selector"])
        if not works:
            yield f"{called(one)} selects no pods"
        for work in works:
            name = work.item["metadata"]["name"]
            covered.add(name)
            if _evictable(spec, numbers.get(name, work.item["spec"].get("replicas", 1))) < 1:
                yield f"{called(one)} lets no pod of {work.called} be evicted"
    yield from (f"Deployment/{name} has no budget" for name in sorted(numbers.keys() - covered))


def _evictable(spec: Object, replicas: int) -> int:
    """Return how many of so many pods may be evicted at once, as Kubernetes rounds."""
    if "maxUnavailable" in spec:
        return _share(spec["maxUnavailable"], replicas)
    return replicas - _share(spec["minAvailable"], replicas)


def _share(value: int | str, replicas: int) -> int:
    if isinstance(value, int):
        return value
    return -int(-replicas * int(value.removesuffix("%")) // 100)
