"""What `kubectl apply -k` would send of each folder, made by a kubectl of a known version."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import yaml

from tests.k8s.manifests import Manifests

SCRIPT = Path("scripts/manifests-test")
RENDERED = (
    "k8s/overlays/cpu",
    "k8s/overlays/gpu",
    "k8s/overlays/dev",
    "tests/k8s/combinations/cpu",
    "tests/k8s/combinations/gpu",
)
"""The overlays as they are, and two of them with all that is optional."""

ADAPTER = "k8s/prometheus-adapter"
"""Configuration of another's program, in another's namespace: held to the schemas alone."""


@cache
def kubectl() -> str:
    """Return where kubectl is; it is fetched if need be, and the script says so if it cannot be."""
    return subprocess.run(
        [SCRIPT, "--kubectl"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={"SSU_VENV": sys.prefix, **os.environ},
    ).stdout.strip()


@cache
def render(folder: str) -> Manifests:
    """Return every object that a folder's kustomization makes."""
    text = subprocess.run(
        [kubectl(), "kustomize", folder], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return Manifests(tuple(one for one in yaml.safe_load_all(text) if one))
