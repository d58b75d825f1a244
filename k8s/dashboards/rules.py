"""The Prometheus rule file: recorded ratios, burn rate alerts, alerts on causes."""

from __future__ import annotations

from typing import Any

from k8s.dashboards.causes import GROUPS, Alert
from k8s.dashboards.objectives import (
    BAD_EVENTS,
    BURNS,
    EVENTS,
    LEAST_BAD_EVENTS,
    OBJECTIVES,
    WINDOWS,
    Burn,
    ServiceLevelObjective,
    bad_ratio,
)

RUNBOOK = "docs/runbook.md"
OURS = {"app": "ssuformer"}
"""The label of every alert; `service` is already used by Prometheus Operator."""
Rule = dict[str, Any]


def rule_file(runbook: str = RUNBOOK) -> dict[str, list[dict[str, Any]]]:
    """Return all rule groups; alerts link to the runbook at this address."""
    burns = [_burning(objective, burn, runbook) for objective in OBJECTIVES for burn in BURNS]
    groups = {
        "ssu-events": [rule for objective in OBJECTIVES for rule in _recorded(objective)],
        "ssu-ratios": [_recorded_ratio(window) for window in WINDOWS],
        "ssu-objectives": burns,
    }
    for name, alerts in GROUPS.items():
        groups[name] = [_alerting(alert, runbook) for alert in alerts]
    return {"groups": [{"name": name, "rules": rules} for name, rules in groups.items()]}


def _recorded(objective: ServiceLevelObjective) -> list[Rule]:
    labels = {"slo": objective.name}
    return [
        {"record": EVENTS, "expr": objective.events, "labels": labels},
        {"record": BAD_EVENTS, "expr": objective.bad, "labels": labels},
    ]


def _recorded_ratio(window: str) -> Rule:
    """Return the ratio over a window; it is absent if there were no events.

    Averages of recorded ratios are cheap over 30 days, and survive pod restarts.
    """
    bad, events = BAD_EVENTS, EVENTS
    if window != "5m":
        bad, events = (f"avg_over_time({name}[{window}])" for name in (bad, events))
    return {"record": bad_ratio(window), "expr": f"{bad} / ({events} > 0)"}


def _burning(objective: ServiceLevelObjective, burn: Burn, runbook: str) -> Rule:
    limit = f"{burn.factor} * {objective.budget}"
    slo = f'{{slo="{objective.name}"}}'
    # A rate over 5 minutes, every 5 minutes, adds up to the events.
    bad_events = f"sum_over_time({BAD_EVENTS}{slo}[{burn.long}:5m]) * 300"
    return {
        "alert": objective.alert,
        "expr": f"{bad_ratio(burn.long)}{slo} > {limit}"
        f" and {bad_ratio(burn.short)}{slo} > {limit}"
        f" and {bad_events} >= {LEAST_BAD_EVENTS}",
        "labels": {**OURS, "severity": burn.severity, "long": burn.long, "short": burn.short},
        "annotations": {
            "summary": f"The {objective.name} budget burns {burn.factor:g} times too fast.",
            "description": f"Objective: {objective.promise}. Over {burn.long}"
            " {{ $value | humanizePercentage }} missed it, in {{ $labels.job }}.",
            "runbook_url": _section(runbook, objective.alert),
        },
    }


def _alerting(alert: Alert, runbook: str) -> Rule:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasting,
        "labels": {**OURS, "severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": _section(runbook, alert.name),
        },
    }


def _section(runbook: str, alert: str) -> str:
    return f"{runbook}#{alert.lower()}"
