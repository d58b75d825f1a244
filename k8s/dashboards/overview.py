"""Overview dashboard: objectives, requests, gateways, queue."""

from __future__ import annotations

from typing import Any

from k8s.dashboards.objectives import (
    BURNS,
    OBJECTIVES,
    PERIOD,
    ServiceLevelObjective,
    bad_ratio,
)
from k8s.dashboards.panels import (
    Panel,
    Query,
    Row,
    board,
    firing_alerts,
    lines,
    number,
    route_variable,
    version_variable,
)
from k8s.dashboards.queries import CLIPS, JOB, gauge, quantile, rate, total

_DURATION = "ssu_request_duration_seconds"
_SHOWN = ("5m", "30m", "1h", "6h", "3d")
_OF_VERSION = 'version=~"$version"'


def overview() -> dict[str, Any]:
    """Return the dashboard to look at first."""
    return board(
        "ssu-overview",
        "SSUFormer: overview",
        "Objectives and their budgets; rate, errors and duration; readiness, queue, alerts.",
        [_objectives(), _requests(), _state()],
        [route_variable(), version_variable()],
    )


def _ratio(objective: ServiceLevelObjective, window: str) -> str:
    return gauge(bad_ratio(window), f'slo="{objective.name}"', of=JOB)


def _kept(objective: ServiceLevelObjective) -> list[Panel]:
    near, kept = objective.target - 0.2 * objective.budget, objective.target
    return [
        number(
            f"{objective.name.capitalize()}, {PERIOD}",
            Query(f"1 - {_ratio(objective, PERIOD)}"),
            unit="percentunit",
            description=f"Objective: {objective.promise}.",
            width=5,
            first="red",
            steps=[(near, "orange"), (kept, "green")],
        ),
        number(
            f"Remaining budget: {objective.name}",
            Query(f"1 - {_ratio(objective, PERIOD)} / {objective.budget}"),
            unit="percentunit",
            description="Share of the error budget; below zero the objective is missed.",
            width=5,
            first="red",
            steps=[(0, "orange"), (0.25, "green")],
        ),
    ]


def _burn(objective: ServiceLevelObjective) -> Panel:
    return lines(
        f"Burn rate: {objective.name}",
        *(Query(f"{_ratio(objective, w)} / {objective.budget}", w) for w in _SHOWN),
        unit="none",
        description="1 uses up the budget in exactly its period. Dashed: paging thresholds.",
        limits=[burn.factor for burn in reversed(BURNS[:2])],
    )


def _objectives() -> Row:
    ready = number(
        "Gateways ready",
        Query(total("ssu_ready")),
        unit="none",
        first="red",
        steps=[(1, "green")],
    )
    stats = [panel for objective in OBJECTIVES for panel in _kept(objective)]
    return Row("Objectives", [*stats, ready, *(_burn(one) for one in OBJECTIVES)])


def _requests() -> Row:
    requests = "ssu_requests_total"
    every = rate(requests, of=CLIPS, where=_OF_VERSION)
    answered, unanswered = (f'{_OF_VERSION},outcome{op}"answered"' for op in ("=", "!="))
    return Row(
        "Rate, errors, duration",
        [
            lines(
                "Requests by outcome",
                Query(rate(requests, "outcome", _OF_VERSION, of=CLIPS), "{{outcome}}"),
                unit="reqps",
                width=8,
                stacked=True,
            ),
            lines(
                "Share of unanswered requests",
                Query(
                    f"{rate(requests, 'outcome', unanswered, of=CLIPS)}"
                    f" / on () group_left () {every}",
                    "{{outcome}}",
                ),
                unit="percentunit",
                description="failed: 5xx. overloaded: 429. refused: other 4xx. cancelled: 499."
                " client_deadline: 504, by a deadline set by the client.",
                width=8,
            ),
            lines(
                "Duration of answered requests",
                *(
                    Query(
                        quantile(share, _DURATION, where=answered, of=CLIPS),
                        f"p{share * 100:g}",
                        exemplar=True,
                    )
                    for share in (0.5, 0.95, 0.99)
                ),
                unit="s",
                description="Points are exemplars: single requests with their trace_id.",
                width=8,
            ),
        ],
    )


def _state() -> Row:
    return Row(
        "Gateways and queue",
        [
            lines(
                "Ready",
                Query(gauge("ssu_ready"), "{{instance}}"),
                Query(f"{gauge('ssu_draining')} == 1", "{{instance}} draining"),
                unit="none",
                width=8,
            ),
            lines(
                "Queue",
                Query(gauge("ssu_queue_depth"), "{{instance}} waiting"),
                Query(gauge("ssu_queue_limit"), "{{instance}} limit"),
                unit="none",
                width=8,
            ),
            firing_alerts(),
            lines(
                "Rejected and cancelled requests",
                Query(rate("ssu_admission_rejected_total", "reason"), "{{reason}}"),
                # Show only the stages and causes that occur.
                Query(
                    f"{rate('ssu_cancelled_total', 'cause, stage')} > 0", "{{cause}} in {{stage}}"
                ),
                unit="reqps",
                width=8,
            ),
            lines(
                "Input errors and warnings",
                Query(rate("ssu_input_rejected_total", "code"), "refused: {{code}}"),
                Query(rate("ssu_warnings_total", "code"), "warning: {{code}}"),
                unit="reqps",
                width=8,
            ),
            lines(
                "Clips by key",
                Query(rate("ssu_key_clips_total", "key, outcome"), "{{key}} {{outcome}}"),
                unit="reqps",
                description="By the name of the key; empty without keys.",
                width=8,
            ),
            lines(
                "Work by key",
                Query(rate("ssu_key_seconds_total", "key"), "{{key}}"),
                unit="none",
                description="Workers busy for it; the least served comes first in the queue.",
                width=8,
            ),
            lines(
                "Model versions",
                Query(
                    f"count by (name, version) ({gauge('ssu_model_info', _OF_VERSION)})",
                    "{{name}} {{version}}",
                ),
                Query(
                    total("ssu_model_rollouts_total", "result"),
                    "{{result}}",
                ),
                unit="none",
                description="Number of gateways per version; results of rollouts.",
                width=8,
            ),
        ],
    )
