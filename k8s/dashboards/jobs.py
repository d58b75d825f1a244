"""Jobs dashboard: what waits, what is done, who is told."""

from __future__ import annotations

from typing import Any

from k8s.dashboards.panels import Query, Row, board, lines
from k8s.dashboards.queries import most, rate


def jobs() -> dict[str, Any]:
    """Return the dashboard of jobs; states, age and bytes are of the store, the same everywhere."""
    return board(
        "ssu-jobs",
        "SSUFormer: jobs",
        "Jobs in the store and how they end; parts and speed; webhooks, requests, disk.",
        [_store(), _work(), _around()],
    )


def _store() -> Row:
    return Row(
        "Jobs",
        [
            lines(
                "Unfinished jobs",
                Query(most("ssu_jobs", "state", 'state=~"waiting|working"'), "{{state}}"),
                unit="none",
                width=8,
            ),
            lines(
                "Time since the oldest job that waits was sent",
                Query(most("ssu_jobs_oldest_age_seconds"), "oldest"),
                unit="s",
                description="The alert threshold is an hour.",
                width=8,
                limits=[3600],
            ),
            lines(
                "Ends of jobs",
                Query(rate("ssu_jobs_ended_total", "result"), "{{result}}"),
                unit="ops",
                width=8,
                stacked=True,
            ),
        ],
    )


def _work() -> Row:
    return Row(
        "Work",
        [
            lines(
                "Seconds of clips done per second",
                Query(rate("ssu_job_clip_seconds_total", "instance"), "{{instance}}"),
                unit="x",
                description="Speed relative to real time, of all jobs of a gateway together.",
                width=8,
            ),
            lines(
                "Parts done",
                Query(rate("ssu_job_parts_total", "instance"), "{{instance}}"),
                unit="ops",
                width=8,
            ),
            lines(
                "Takeovers and lost leases",
                Query(rate("ssu_jobs_taken_over_total", "instance"), "{{instance}} took over"),
                Query(rate("ssu_job_leases_lost_total", "instance"), "{{instance}} lost"),
                unit="ops",
                description="Lost: taken over by another, or deleted by its owner.",
                width=8,
            ),
        ],
    )


def _around() -> Row:
    return Row(
        "Webhooks, requests, disk",
        [
            lines(
                "Attempts at webhooks",
                Query(rate("ssu_webhook_attempts_total", "result"), "{{result}}"),
                unit="ops",
                description="failed: will be repeated. given_up: will not.",
                width=8,
            ),
            lines(
                "Requests for jobs",
                Query(rate("ssu_requests_total", "code", 'route=~"/jobs.*"'), "{{code}}"),
                unit="reqps",
                width=8,
            ),
            lines(
                "Clips and results of all jobs",
                Query(most("ssu_jobs_bytes"), "bytes"),
                unit="bytes",
                description="At SSU_JOBS_DISK a new job gets 507.",
                width=8,
            ),
        ],
    )
