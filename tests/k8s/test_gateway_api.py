"""The example of the Gateway API, held to the projects' definitions and to what k8s/ renders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from service.settings import Settings
from tests.k8s.manifests import Container, Manifests
from tests.k8s.rendering import render

EXAMPLE = Path("docs/proxies/gateway-api.yaml")
OBJECTS = Manifests(tuple(yaml.safe_load_all(EXAMPLE.read_text())))
SCHEMAS = Path(__file__).with_name("schemas")
ROUTES = ("ssu-gateway", "ssu-jobs")


def spec(kind: str, name: str) -> Any:  # noqa: ANN401
    found = OBJECTS.find(kind, name)
    assert found is not None
    return found["spec"]


def setting(name: str) -> float:
    """A setting of a gateway with jobs."""
    manifests = render("tests/k8s/combinations/cpu")
    (gateway,) = (one for one in manifests.containers if is_gateway(one))
    stated = manifests.environment(gateway).get(f"SSU_{name.upper()}")
    return float(Settings.model_fields[name].default if stated is None else stated)


def is_gateway(one: Container) -> bool:
    return one.workload == "Deployment/ssu-gateway" and not one.first


def validate(one: Any) -> None:  # noqa: ANN401
    schema = json.loads((SCHEMAS / f"{one['kind']}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(one)


@pytest.mark.parametrize("one", OBJECTS.objects, ids=lambda one: f"{one['kind']}/{one['metadata']}")
def test_every_object_is_as_its_project_defines_it(one: dict[str, Any]) -> None:
    validate(one)


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("HTTPRoute", {"timeout": {}}),
        ("HTTPRoute", {"hostnames": ["*"]}),
        ("HTTPRoute", {"rules": [{"timeouts": {"request": "150"}}]}),
        ("ClientSettingsPolicy", {"body": {"maxSize": "2 GiB"}}),
        ("ClientSettingsPolicy", {"targetRef": None}),
        ("ProxySettingsPolicy", {"timeout": {"reed": "150s"}}),
    ],
)
def test_what_a_project_does_not_define_is_refused(kind: str, changed: dict[str, Any]) -> None:
    one = {**next(iter(OBJECTS.of(kind)))}
    one["spec"] = {**one["spec"], **changed}

    with pytest.raises(jsonschema.ValidationError):
        validate(one)


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_leads_to_a_port_of_the_service(name: str) -> None:
    service = render("k8s/overlays/cpu").find("Service", "ssu-gateway")

    (target,) = spec("HTTPRoute", name)["rules"][0]["backendRefs"]

    assert service is not None
    assert target["name"] == service["metadata"]["name"]
    assert target["port"] in {port["port"] for port in service["spec"]["ports"]}


@pytest.mark.parametrize(
    ("name", "limit"), [("ssu-gateway", "max_bytes"), ("ssu-jobs", "job_max_bytes")]
)
def test_a_body_may_be_as_large_as_the_gateway_takes(name: str, limit: str) -> None:
    policy = spec("ClientSettingsPolicy", name)

    assert policy["targetRef"]["name"] == name
    assert policy["body"]["maxSize"] == f"{int(setting(limit)) // 2**20 + 1}m"
    assert policy["body"]["timeout"] == f"{setting('transfer_seconds'):g}s"


def test_the_proxy_outlasts_the_longest_request_and_never_ends_the_events_of_a_job() -> None:
    waits, ends = (spec("HTTPRoute", name)["rules"][0]["timeouts"] for name in ROUTES)
    reading = spec("ProxySettingsPolicy", "ssu-gateway")

    for wait in (waits["request"], waits["backendRequest"], reading["timeout"]["read"]):
        assert float(wait.removesuffix("s")) > setting("deadline_seconds")
    assert set(ends.values()) == {"0s"}
    assert [one["name"] for one in reading["targetRefs"]] == list(ROUTES)
