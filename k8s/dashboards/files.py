"""The generated files: dashboards, the rule file, and their Kubernetes objects."""

from __future__ import annotations

import json
from typing import Any

import yaml

from k8s.dashboards.capacity import capacity
from k8s.dashboards.engines import engines
from k8s.dashboards.jobs import jobs
from k8s.dashboards.latency import latency
from k8s.dashboards.overview import overview
from k8s.dashboards.rules import RUNBOOK, rule_file
from k8s.dashboards.studio import studio

DASHBOARDS = {
    "overview": overview,
    "latency": latency,
    "engines": engines,
    "capacity": capacity,
    "jobs": jobs,
    "studio": studio,
}
_GENERATED = "# Written by `python -m k8s.dashboards`; change that instead.\n"
_WIDTH = 100


class _PlainDumper(yaml.SafeDumper):
    """Writes repeated objects in full instead of as YAML aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def files(runbook: str = RUNBOOK) -> dict[str, str]:
    """Return every generated file by its path within the folder."""
    rules = rule_file(runbook)
    boards = {f"dashboards/{name}.json": _json(build()) for name, build in DASHBOARDS.items()}
    return boards | {
        "rules.yaml": _yaml(rules),
        "prometheusrule.yaml": _yaml(_prometheus_rule(rules)),
        "kustomization.yaml": _yaml(_component(list(boards))),
    }


def _prometheus_rule(rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "ssu"},
        "spec": rules,
    }


def _component(boards: list[str]) -> dict[str, Any]:
    """Return the kustomize component; Grafana's sidecar finds dashboards by their label."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "resources": ["prometheusrule.yaml"],
        "configMapGenerator": [
            {
                "name": "ssu-dashboards",
                "files": boards,
                "options": {
                    "labels": {"grafana_dashboard": "1"},
                    "disableNameSuffixHash": True,
                },
            }
        ],
    }


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


def _yaml(value: dict[str, Any]) -> str:
    written: str = yaml.dump(
        value, Dumper=_PlainDumper, sort_keys=False, width=_WIDTH, allow_unicode=True
    )
    return _GENERATED + written
