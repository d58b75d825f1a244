from __future__ import annotations

import copy

import pytest

from tests.cluster.manifests import (
    SMALL_MEMORY,
    Document,
    for_small_node,
    gateway_container,
    without_pause,
)


@pytest.fixture
def documents() -> list[Document]:
    container = {
        "name": "gateway",
        "image": "ssu-gateway:0.1.0",
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        "resources": {
            "requests": {"cpu": "2", "memory": "2Gi"},
            "limits": {"cpu": "2", "memory": "6Gi"},
        },
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {"template": {"spec": {"containers": [container]}}},
        },
        {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"},
    ]


def test_a_small_node_gets_versions_that_kubernetes_1_20_knows(documents: list[Document]) -> None:
    changed = for_small_node(documents, "here:test")

    assert [one["apiVersion"] for one in changed] == [
        "apps/v1",
        "autoscaling/v2beta2",
        "policy/v1beta1",
    ]


def test_a_small_node_gets_a_local_image_and_small_requests(documents: list[Document]) -> None:
    container = gateway_container(for_small_node(documents, "here:test"))

    assert (container["image"], container["imagePullPolicy"]) == ("here:test", "Never")
    assert container["resources"]["requests"] == {"cpu": "100m", "memory": "256Mi"}
    assert container["resources"]["limits"] == {"cpu": "2", "memory": SMALL_MEMORY}


def test_what_is_changed_is_a_copy(documents: list[Document]) -> None:
    before = copy.deepcopy(documents)

    without_pause(for_small_node(documents, "here:test"), drain=False)

    assert documents == before


def test_without_a_pause_a_pod_neither_waits_nor_drains(documents: list[Document]) -> None:
    container = gateway_container(without_pause(documents, drain=False))

    assert "lifecycle" not in container
    assert {"name": "SSU_DRAIN_SECONDS", "value": "0"} in container["env"]
