"""Latency dashboard: time per stage, clip properties, and single slow requests."""

from __future__ import annotations

from typing import Any, get_args

from k8s.dashboards.panels import (
    Panel,
    Query,
    Row,
    board,
    lines,
    route_variable,
    spread,
    version_variable,
)
from k8s.dashboards.queries import CLIPS, GATEWAY, buckets, mean, quantile
from service.telemetry.stages import Stage

_REQUEST = "ssu_request_duration_seconds"
_STAGE = "ssu_stage_duration_seconds"
_OF_VERSION = 'version=~"$version"'
_QUANTILES = (0.5, 0.95, 0.99)
STAGES: tuple[str, ...] = get_args(Stage)


def latency() -> dict[str, Any]:
    """Return the dashboard that shows where the time is spent."""
    return board(
        "ssu-latency",
        "SSUFormer: latency",
        "Requests and stages, as quantiles and heatmaps; speed; clip properties.",
        [_requests(), _stages(), *(_pair(stage) for stage in STAGES), _clips()],
        [route_variable(), version_variable()],
    )


def _requests() -> Row:
    answered = f'{_OF_VERSION},outcome="answered"'
    return Row(
        "Answered requests",
        [
            _quantiles("Duration", _REQUEST, answered, of=CLIPS),
            spread(
                "Requests by duration",
                buckets(_REQUEST, answered, of=CLIPS),
                unit="s",
                exemplar=True,
            ),
        ],
    )


def _quantiles(title: str, histogram: str, where: str, *, of: str) -> Panel:
    return lines(
        title,
        *(
            Query(
                quantile(share, histogram, where=where, of=of), f"p{share * 100:g}", exemplar=True
            )
            for share in _QUANTILES
        ),
        unit="s",
        description="Points are exemplars: single requests with their trace_id.",
    )


def _stages() -> Row:
    return Row(
        "All stages",
        [
            lines(
                "Mean time by stage",
                Query(mean(_STAGE, "stage", _OF_VERSION), "{{stage}}"),
                unit="s",
                description="Stacked: the height is the mean time of a request.",
                width=8,
                stacked=True,
            ),
            lines(
                "p95 by stage",
                Query(quantile(0.95, _STAGE, "stage", _OF_VERSION), "{{stage}}", exemplar=True),
                unit="s",
                width=8,
            ),
            lines(
                "Speed relative to real time",
                *(
                    Query(quantile(0.5, "ssu_realtime_factor", "stage"), "{{stage}} p50"),
                    Query(quantile(0.05, "ssu_realtime_factor", where='stage="total"'), "total p5"),
                ),
                unit="x",
                description="Under 1: slower than real time.",
                width=8,
                limits=[1],
            ),
        ],
    )


def _pair(stage: str) -> Row:
    where = f'stage="{stage}",{_OF_VERSION}'
    return Row(
        f"Stage: {stage}",
        [
            _quantiles(stage, _STAGE, where, of=GATEWAY),
            spread(f"{stage}, by duration", buckets(_STAGE, where), unit="s", exemplar=True),
        ],
    )


def _clips() -> Row:
    mix = (
        ("Clip duration", "ssu_clip_duration_seconds", "s"),
        ("Frames sent to the engines", "ssu_clip_frames", "none"),
        ("Pixels per frame", "ssu_clip_pixels", "none"),
        ("Clip size", "ssu_clip_bytes", "bytes"),
    )
    panels = [spread(title, buckets(name), unit=unit, width=6) for title, name, unit in mix]
    return Row("Clip properties", panels)
