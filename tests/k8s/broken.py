"""Manifests that can be broken, to prove that a check finds it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.k8s.checks import Check
from tests.k8s.manifests import Manifests, Object
from tests.k8s.rendering import render

CPU, GPU = "k8s/overlays/cpu", "k8s/overlays/gpu"
ALL = "tests/k8s/combinations/gpu"
GATEWAY, TRITON = "ssu-gateway", "ssu-triton"


class Broken:
    """A copy of what a folder renders to, with its parts at hand to be changed."""

    def __init__(self, folder: str) -> None:
        self.manifests = Manifests(copy.deepcopy(render(folder).objects))

    def object(self, kind: str, name: str = GATEWAY) -> Object:
        """Return the object of a kind and name."""
        found = self.manifests.find(kind, name)
        assert found is not None
        return found

    def spec(self, kind: str, name: str = GATEWAY) -> Object:
        """Return its specification."""
        spec: Object = self.object(kind, name)["spec"]
        return spec

    def pod(self, name: str = GATEWAY) -> Object:
        """Return the pod of a Deployment."""
        pod: Object = self.spec("Deployment", name)["template"]["spec"]
        return pod

    def container(self, name: str = GATEWAY) -> Object:
        """Return its only container."""
        container: Object = self.pod(name)["containers"][0]
        return container

    def volume(self, name: str, of: str = GATEWAY) -> Object:
        """Return a volume of a pod."""
        return next(one for one in self.pod(of)["volumes"] if one["name"] == name)

    def settings(self) -> dict[str, str]:
        """Return the gateway's settings."""
        (found,) = (one for one in self.manifests.of("ConfigMap") if "SSU_ENGINE" in one["data"])
        data: dict[str, str] = found["data"]
        return data

    def without(self, kind: str, name: str) -> None:
        """Leave an object out."""
        gone = self.object(kind, name)
        self.manifests = Manifests(tuple(one for one in self.manifests.objects if one is not gone))

    def argument(self, name: str, old: str, new: str) -> None:
        """Replace an argument of a container."""
        arguments = self.container(name)["args"]
        arguments[arguments.index(old)] = new


class Case(NamedTuple):
    """A check, where it looks, what is done to it, and a part of the complaint."""

    check: Check
    folder: str
    breaks: Callable[[Broken], Any]
    complaint: str
