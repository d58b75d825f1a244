"""What an overlay makes, and the few changes that let an old and small node run it."""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

OLD_VERSIONS = {"autoscaling/v2": "autoscaling/v2beta2", "policy/v1": "policy/v1beta1"}
"""Kubernetes 1.20 knows these kinds, with the same fields, by an older version only."""

SMALL_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
"""Of three pods, which a rolling update has for a moment, all fit on two cores."""

SMALL_MEMORY = "2Gi"
"""Limit of memory; what a pod is made to go beyond must be there to be taken."""


def render(overlay: Path) -> list[Document]:
    """Return every object of an overlay, as `kubectl kustomize` makes it."""
    text = subprocess.run(
        ["kubectl", "kustomize", str(overlay)], check=True, capture_output=True, text=True
    ).stdout
    return [document for document in yaml.safe_load_all(text) if document]


def for_small_node(documents: list[Document], image: str) -> list[Document]:
    """Return the objects with older versions, a local image, and requests that fit."""
    changed = copy.deepcopy(documents)
    for document in changed:
        version = document["apiVersion"]
        document["apiVersion"] = OLD_VERSIONS.get(version, version)
    container = gateway_container(changed)
    container["image"] = image
    container["imagePullPolicy"] = "Never"
    container["resources"]["requests"].update(SMALL_REQUESTS)
    container["resources"]["limits"]["memory"] = SMALL_MEMORY
    return changed


def without_pause(documents: list[Document], *, drain: bool) -> list[Document]:
    """Return the objects without preStop, and unless `drain`, without the gateway's own drain."""
    changed = copy.deepcopy(documents)
    container = gateway_container(changed)
    container.pop("lifecycle", None)
    if not drain:
        container.setdefault("env", []).append({"name": "SSU_DRAIN_SECONDS", "value": "0"})
    return changed


def gateway_container(documents: list[Document]) -> Document:
    """Return the only container of the only Deployment."""
    (deployment,) = (one for one in documents if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    found: Document = container
    return found
