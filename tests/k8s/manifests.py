"""Rendered objects, and the questions that several checks ask of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

WORKLOADS = ("Deployment", "Job")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_UNITS = {
    **{"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12},
    **{"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40},
}


def quantity(text: object) -> float:
    """Return the number that a quantity stands for; raise ValueError if it is none."""
    found = _QUANTITY.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{text!r} is not a quantity")
    return float(found[1]) * _UNITS[found[2] or ""]


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether a selector of `matchLabels` takes such labels; an empty one takes all."""
    if "matchExpressions" in selector:
        raise ValueError("selectors by expressions are not understood here")
    return selector.get("matchLabels", {}).items() <= labels.items()


def called(item: Object) -> str:
    """Return what an object is called in complaints: `kind/name`."""
    return f"{item['kind']}/{item['metadata']['name']}"


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a workload's pod."""

    pod: Object
    spec: Object
    workload: str
    first: bool
    """Whether it runs before the others, and ends."""

    @property
    def called(self) -> str:
        """What it is called in complaints."""
        return f"{self.workload}, container {self.spec['name']}"

    @property
    def image(self) -> str:
        """The image's name without its tag."""
        return str(self.spec["image"]).rpartition(":")[0] or str(self.spec["image"])

    @property
    def ports(self) -> dict[str, int]:
        """The ports by their names."""
        return {one["name"]: one["containerPort"] for one in self.spec.get("ports", ())}

    @property
    def arguments(self) -> list[str]:
        """What is given to the command."""
        return [str(one) for one in self.spec.get("args", ())]

    @property
    def options(self) -> dict[str, str]:
        """The arguments of the form `--name=value`."""
        pairs = (one.partition("=") for one in self.arguments)
        return {name: value for name, found, value in pairs if found and name.startswith("--")}

    def mounts(self) -> Iterator[tuple[str, Object]]:
        """Yield where each volume is mounted, and the volume."""
        volumes = {one["name"]: one for one in self.pod.get("volumes", ())}
        for mount in self.spec.get("volumeMounts", ()):
            yield mount["mountPath"], volumes.get(mount["name"], {})

    def resource(self, kind: str, name: str) -> float | None:
        """Return the `requests` or `limits` of a resource, or None."""
        given = self.spec.get("resources", {}).get(kind, {}).get(name)
        return None if given is None else quantity(given)


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or a Job."""

    item: Object

    @property
    def called(self) -> str:
        """What it is called in complaints."""
        return called(self.item)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its pods."""
        return dict(self.item["spec"]["template"]["metadata"].get("labels", {}))

    @property
    def pod(self) -> Object:
        """What its pods are made of."""
        spec: Object = self.item["spec"]["template"]["spec"]
        return spec

    @property
    def containers(self) -> list[Container]:
        """All containers, those that run first among them."""
        return [
            Container(self.pod, spec, self.called, first)
            for kind, first in (("initContainers", True), ("containers", False))
            for spec in self.pod.get(kind, ())
        ]

    @property
    def serving(self) -> list[Container]:
        """The containers that run as long as the pod does."""
        return [one for one in self.containers if not one.first]

    @property
    def ports(self) -> dict[str, int]:
        """The ports of its pods by their names."""
        return {name: number for one in self.serving for name, number in one.ports.items()}


@dataclass(frozen=True, slots=True)
class Manifests:
    """Everything that one `kubectl apply -k` would send."""

    objects: tuple[Object, ...]

    def of(self, *kinds: str) -> list[Object]:
        """Return the objects of these kinds."""
        return [one for one in self.objects if one["kind"] in kinds]

    def find(self, kind: str, name: str) -> Object | None:
        """Return the object of that kind and name, or None."""
        return next((one for one in self.of(kind) if one["metadata"]["name"] == name), None)

    @property
    def workloads(self) -> list[Workload]:
        """Whatever makes pods."""
        return [Workload(one) for one in self.of(*WORKLOADS)]

    @property
    def deployments(self) -> list[Workload]:
        """What makes pods that stay."""
        return [one for one in self.workloads if one.item["kind"] == "Deployment"]

    @property
    def containers(self) -> list[Container]:
        """Every container of every pod."""
        return [container for one in self.workloads for container in one.containers]

    def selected(self, selector: Mapping[str, Any]) -> list[Workload]:
        """Return the workloads whose pods a selector takes."""
        return [one for one in self.workloads if matches(selector, one.labels)]

    def environment(self, container: Container) -> dict[str, str]:
        """Return the variables that a container gets, as far as they are known here."""
        found: dict[str, str] = {}
        for source in container.spec.get("envFrom", ()):
            settings = self.find("ConfigMap", source.get("configMapRef", {}).get("name", ""))
            found |= (settings or {}).get("data", {})
        for one in container.spec.get("env", ()):
            field = one.get("valueFrom", {}).get("resourceFieldRef")
            if "value" in one:
                found[one["name"]] = one["value"]
            elif field is not None:
                kind, _, name = field["resource"].partition(".")
                amount = container.resource(kind, name) or 0.0
                found[one["name"]] = str(-int(-amount // quantity(field.get("divisor", "1"))))
        return found
