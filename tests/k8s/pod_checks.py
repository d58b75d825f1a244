"""What schemas pass of a pod's inside: volumes, ports, resources, images, rights."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.k8s.manifests import Container, Manifests, called, matches, quantity

IMAGES = ("ssu-gateway", "ssu-triton")
MADE_BY_OTHERS = {
    *(("Secret", f"ssu-{name}") for name in ("keys", "jobs", "webhooks")),
    ("ServiceAccount", "default"),
}
"""What no manifest makes: an operator (k8s/README.md says how), or Kubernetes."""

_NAMES = {
    **{f"configMap{end}": ("ConfigMap", "name") for end in ("", "Ref", "KeyRef")},
    **{f"secret{end}": ("Secret", "name") for end in ("Ref", "KeyRef")},
    "secret": ("Secret", "secretName"),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
}
_LONGEST_PORT_NAME = 15
_GATEWAY_ITSELF = 2**30
_VOLUMES = {"configMap", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "secret"}


def objects_are_named_once(manifests: Manifests) -> Iterator[str]:
    """No two of a kind share a name, and all lie in the namespace that is made with them."""
    for name, count in Counter(called(one) for one in manifests.objects).items():
        if count > 1:
            yield f"{name} is there {count} times"
    spaces = {one["metadata"]["name"] for one in manifests.of("Namespace")}
    for one in manifests.objects:
        if one["kind"] != "Namespace" and one["metadata"].get("namespace") not in spaces:
            yield f"{called(one)} lies outside of {sorted(spaces)}"


def selectors_match_their_pods(manifests: Manifests) -> Iterator[str]:
    """A Deployment and its spread select the pods that it makes."""
    for one in manifests.deployments:
        spreads = one.pod.get("topologySpreadConstraints", ())
        if not spreads:
            yield f"{one.called} is spread over nothing"
        selectors = [one.item["spec"]["selector"], *(spread["labelSelector"] for spread in spreads)]
        if not all(matches(selector, one.labels) for selector in selectors):
            yield f"{one.called} does not select its own pods"
        if any(spread["whenUnsatisfiable"] != "ScheduleAnyway" for spread in spreads):
            yield f"{one.called} cannot run on one node"


def volumes_and_mounts_agree(manifests: Manifests) -> Iterator[str]:
    """Every mount has its volume, every volume a mount, and no path two."""
    for one in manifests.workloads:
        volumes = {volume["name"] for volume in one.pod.get("volumes", ())}
        mounted: set[str] = set()
        for container in one.containers:
            mounts = container.spec.get("volumeMounts", ())
            mounted |= {mount["name"] for mount in mounts}
            paths = Counter(mount["mountPath"] for mount in mounts)
            yield from (f"{container.called}: {path} twice" for path, n in paths.items() if n > 1)
        yield from (f"{one.called}: no volume {name}" for name in sorted(mounted - volumes))
        yield from (f"{one.called}: nobody mounts {name}" for name in sorted(volumes - mounted))


def ports_are_distinct(manifests: Manifests) -> Iterator[str]:
    """No number and no name is taken twice in a pod, and all have names that are short enough."""
    for one in manifests.workloads:
        ports = [port for container in one.serving for port in container.spec.get("ports", ())]
        for key in ("containerPort", "name"):
            counted = Counter(port.get(key) for port in ports)
            yield from (f"{one.called}: {key} {k} twice" for k, n in counted.items() if n > 1)
        for port in ports:
            if not 1 <= port["containerPort"] <= 65_535:
                yield f"{one.called}: there is no port {port['containerPort']}"
            if not 1 <= len(port.get("name", "")) <= _LONGEST_PORT_NAME:
                yield f"{one.called}: port {port['containerPort']} has no proper name"


def quantities_can_be_read(manifests: Manifests) -> Iterator[str]:
    """Every amount of a resource, and every size of a volume, is a quantity."""
    for container in manifests.containers:
        for amounts in container.spec.get("resources", {}).values():
            yield from _unreadable(container.called, amounts.values())
    for one in manifests.workloads:
        empty = (volume.get("emptyDir") or {} for volume in one.pod.get("volumes", ()))
        yield from _unreadable(one.called, (v["sizeLimit"] for v in empty if "sizeLimit" in v))
    for claim in manifests.of("PersistentVolumeClaim"):
        yield from _unreadable(called(claim), claim["spec"]["resources"]["requests"].values())


def _unreadable(where: str, amounts: Any) -> Iterator[str]:  # noqa: ANN401
    for amount in amounts:
        try:
            quantity(amount)
        except ValueError as error:
            yield f"{where}: {error}"


def requests_are_within_limits(manifests: Manifests) -> Iterator[str]:
    """CPU and memory are limited, nobody asks for more than that, and for GPUs exactly that."""
    for container in manifests.containers:
        resources = container.spec.get("resources", {})
        requests, limits = resources.get("requests", {}), resources.get("limits", {})
        for name in ("cpu", "memory"):
            if name not in requests or name not in limits:
                yield f"{container.called}: {name} is not asked for and limited"
        for name in {*requests, *limits}:
            asked, most = container.resource("requests", name), container.resource("limits", name)
            if "/" in name and (asked != most or not isinstance(limits.get(name), str)):
                yield f"{container.called}: {name} is not asked for exactly, as a string"
            if asked is not None and most is not None and asked > most:
                yield f"{container.called}: asks for more {name} than it may have"


def memory_holds_what_may_be_in_it(manifests: Manifests) -> Iterator[str]:
    """A container's memory has room for its volumes in memory, and for what clients may send."""
    for container in manifests.containers:
        needed = 0.0
        environment = manifests.environment(container)
        for path, volume in container.mounts():
            empty = volume.get("emptyDir") or {}
            if empty.get("medium") != "Memory":
                continue
            room = quantity(empty.get("sizeLimit", 0))
            needed += room
            if path == "/tmp" and room < _uploads(environment):
                yield f"{container.called}: the uploads do not fit into /tmp"
            if room == 0:
                yield f"{container.called}: {path} is memory without a limit"
        if "SSU_WORKERS" in environment:
            decoding = int(environment["SSU_WORKERS"]) * int(environment["SSU_DECODE_MEMORY"])
            needed += decoding + _GATEWAY_ITSELF
        if needed > (container.resource("limits", "memory") or 0.0):
            yield f"{container.called}: {needed / 2**30:.2f} GiB do not fit into its memory"


def _uploads(environment: dict[str, str]) -> int:
    """Return the bytes of all uploads that may be held at once."""
    return int(environment.get("SSU_UPLOAD_DISK", 0))


def references_resolve(manifests: Manifests) -> Iterator[str]:
    """Every ConfigMap, Secret, claim and account that is named is there, or may be missing."""
    for one in manifests.workloads:
        account = one.pod.get("serviceAccountName", "default")
        for kind, name in {*_references(one.pod), ("ServiceAccount", account)} - MADE_BY_OTHERS:
            if manifests.find(kind, name) is None:
                yield f"{one.called}: there is no {kind} {name}"


def _references(value: object) -> Iterator[tuple[str, str]]:
    """Yield kind and name of whatever a part of a pod cannot do without."""
    if isinstance(value, list):
        for inner in value:
            yield from _references(inner)
    if isinstance(value, dict):
        for key, inner in value.items():
            kind, name = _NAMES.get(key, ("", ""))
            if kind and not inner.get("optional"):
                yield kind, inner[name]
            yield from _references(inner)


def no_secret_is_written_down(manifests: Manifests) -> Iterator[str]:
    """Secrets are made in the cluster, not in files."""
    yield from (f"{called(one)} stands in a manifest" for one in manifests.of("Secret"))


def images_are_ours(manifests: Manifests) -> Iterator[str]:
    """Every image is one of this project's, of the version that the project has."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    for container in manifests.containers:
        name, _, tag = str(container.spec["image"]).partition(":")
        if name not in IMAGES or tag != project["version"]:
            yield f"{container.called}: {container.spec['image']} is not ours"


def pods_are_restricted(manifests: Manifests) -> Iterator[str]:
    """Pods pass Kubernetes' profile `restricted`, write to no image, and know no service links."""
    for one in manifests.workloads:
        pod, context = one.pod, one.pod.get("securityContext", {})
        wrong = {
            "runAsNonRoot": context.get("runAsNonRoot") is not True,
            "runAsUser": context.get("runAsUser", 0) == 0,
            "seccompProfile": context.get("seccompProfile") != {"type": "RuntimeDefault"},
            "host": any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
            "volumes": any(not (v.keys() - {"name"}) <= _VOLUMES for v in pod.get("volumes", ())),
            "enableServiceLinks": pod.get("enableServiceLinks") is not False,
        }
        yield from (f"{one.called}: {name}" for name, bad in wrong.items() if bad)
        for container in one.containers:
            yield from (f"{container.called}: {name}" for name in _rights(container))


def _rights(container: Container) -> Iterator[str]:
    context = container.spec.get("securityContext", {})
    wrong = {
        "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is not False,
        "readOnlyRootFilesystem": context.get("readOnlyRootFilesystem") is not True,
        "capabilities": context.get("capabilities") != {"drop": ["ALL"]},
        "privileged": bool(context.get("privileged")),
        "runAsUser": context.get("runAsUser", 1) == 0,
        "runAsNonRoot": context.get("runAsNonRoot", True) is not True,
        "seccompProfile": "seccompProfile" in context,
        "hostPort": any("hostPort" in port for port in container.spec.get("ports", ())),
    }
    yield from (name for name, bad in wrong.items() if bad)


def namespaces_demand_it(manifests: Manifests) -> Iterator[str]:
    """The namespace refuses pods that are not restricted."""
    for one in manifests.of("Namespace"):
        labels = one["metadata"].get("labels", {})
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{called(one)} does not enforce the profile restricted"


def accounts_have_no_token(manifests: Manifests) -> Iterator[str]:
    """Neither the pod nor its account mounts a token, and Deployments have an account each."""
    for one in manifests.workloads:
        if one.pod.get("automountServiceAccountToken") is not False:
            yield f"{one.called} is given a token"
    for account in manifests.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{called(account)} gives a token"
    for one in manifests.deployments:
        if one.pod.get("serviceAccountName", "default") == "default":
            yield f"{one.called} runs as the default account"
