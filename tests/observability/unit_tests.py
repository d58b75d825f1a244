"""The causes of `causes.yaml`, as promtool's unit tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

CAUSES = Path(__file__).with_name("causes.yaml")
SAMPLING = "1m"
FOR_DAYS = "10m"
"""How often rules are evaluated where a test lasts for days."""

METRIC = re.compile(r"\b(?:(?:ssu|nv|process)_[a-z0-9_]+|up)\b(?!:)")
"""A metric in an expression; what rules record has colons and is none."""


def load() -> dict[str, Any]:
    """Return what the file says."""
    found: dict[str, Any] = yaml.safe_load(CAUSES.read_text())
    return found


def unit_tests(rules: Path, every: str) -> dict[str, Any]:
    """Return a file for promtool: the causes whose rules are evaluated so often."""
    told = load()
    chosen = [cause for cause in told["causes"] if cause.get("every", SAMPLING) == every]
    groups = [group["name"] for group in yaml.safe_load(rules.read_text())["groups"]]
    return {
        "rule_files": [str(rules.absolute())],
        "evaluation_interval": every,
        "group_eval_order": groups,
        "tests": [_unit_test(cause, told) for cause in chosen],
    }


def _unit_test(cause: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    well = told["well_for_days" if "every" in cause else "well"]
    series = [
        {"series": _with_labels(name, labels), "values": values}
        for target, labels in told["targets"].items()
        for name, values in {**well.get(target, {}), **cause.get(target, {})}.items()
        if values is not None
    ]
    expected = {
        "expr": 'group by (alertname, long) (ALERTS{alertstate="firing"})',
        "eval_time": cause["at"],
        "exp_samples": [{"labels": _as_labels(alert), "value": 1} for alert in cause["fires"]],
    }
    return {
        "name": cause["cause"],
        "interval": SAMPLING,
        "input_series": series,
        "promql_expr_test": [expected],
    }


def _with_labels(name: str, labels: dict[str, str]) -> str:
    metric, _, own = name.removesuffix("}").partition("{")
    added = [f'{label}="{value}"' for label, value in labels.items()]
    return f"{metric}{{{','.join([*added, *filter(None, [own])])}}}"


def _as_labels(alert: str) -> str:
    name, _, own = alert.removesuffix("}").partition("{")
    return _with_labels(own and "{" + own + "}", {"alertname": name})
