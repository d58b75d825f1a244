"""A real Prometheus that scrapes the real service under load: every question of every dashboard is
put to it, and alerts fire for their causes. `scripts/observability-test` runs this.
"""

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.observability import trouble
from tests.observability.deployment import deployment
from tests.observability.hurry import hurried
from tests.observability.pictures import draw
from tests.observability.prometheus_server import Prometheus, prometheus
from tests.observability.targets import Target, Variable, boards, targets, variables
from tests.observability.unit_tests import METRIC

RULES = Path("k8s/observability/rules.yaml")
CAUSED = {
    "AvailabilityBudgetBurn",
    "CircuitOpen",
    "DeadlinesExceeded",
    "DecodeChildCrashes",
    "EngineDown",
    "GatewayDown",
    "GatewayMissing",
    "InputRejectedSpike",
    "JobsFail",
    "ModelRolloutRefused",
    "RejectingRequests",
    "StudioStandsStill",
    "StudioToolsFail",
    "TritonDown",
    "WebhooksFail",
    "WebhooksGivenUp",
}
EVENTFUL = {
    "Burn rate: availability",
    "Open circuits",
    "Exits of decoding processes",
    "Input errors and warnings",
    "Rejected and cancelled requests",
    "Queue",
    "Requests by outcome",
    "Share of unanswered requests",
    "Longest wait in the queue",
    "Model versions",
    "Seconds of clips done per second",
    "Parts done",
    "Requests for jobs",
    "Clips and results of all jobs",
    "Clips by state",
    "Clips prepared per hour",
    "Bytes of all clips",
    "Calls of tools by result",
    "Failed calls by tool",
    "Time of a call of a tool",
    "Edits saved",
}
"""Panels that must show more than zeros after all that."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What two servers saw: one with the rules as they are, one with the rules in a hurry."""

    prometheus: Prometheus
    hurried: Prometheus
    start: float
    end: float


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Everything that happens to a service, within a minute or two."""
    folder = tmp_path_factory.mktemp("observability")
    hurried_rules = hurried(RULES, folder / "hurried.yaml")
    with deployment(folder) as running:
        jobs = running.jobs()
        with (
            prometheus(RULES, jobs, folder / "calm") as calm,
            prometheus(hurried_rules, jobs, folder / "hurried") as quick,
        ):
            start = time.time()
            with trouble.visitors(running.embedded, running.remote):
                calm.wait_for("namespace_job_slo:ssu_bad_events:ratio_rate30d")
                time.sleep(15)
                trouble.jobs(running)
                trouble.impatience(running)
                trouble.failing_jobs(running, quick)
                trouble.studio(running, quick)
                trouble.slow_uploads(running, quick)
                trouble.overload(running, quick)
                trouble.crash_of_decoding(running, quick)
                trouble.bad_rollout(running, quick)
                trouble.crash_of_triton(running, quick)
                trouble.refused_clips(running, quick)
            trouble.end_of_a_gateway(running, quick)
            trouble.end_of_all(running, quick)
            # What fired last has to lie within the steps of a query.
            time.sleep(2)
            yield Seen(calm, quick, start, time.time())


@pytest.mark.parametrize("target", targets(), ids=str)
def test_every_target_of_every_dashboard_has_something_to_show(seen: Seen, target: Target) -> None:
    found = seen.prometheus.over(target.expr, seen.start, seen.end)

    assert "$" not in target.expr
    assert any(math.isfinite(value) for one in found for _, value in one.points)


@pytest.mark.parametrize("target", [t for t in targets() if t.panel in EVENTFUL], ids=str)
def test_what_happened_can_be_seen(seen: Seen, target: Target) -> None:
    found = seen.prometheus.over(target.expr, seen.start, seen.end)

    assert any(value > 0 for one in found for _, value in one.points)


@pytest.mark.parametrize("variable", variables(), ids=str)
def test_every_variable_of_every_dashboard_has_values(seen: Seen, variable: Variable) -> None:
    values = seen.prometheus.ask(
        f"label/{variable.label}/values", **{"match[]": variable.series, "start": seen.start}
    )

    assert "$" not in variable.series
    assert values


@pytest.mark.parametrize("target", [t for t in targets() if t.exemplar], ids=str)
def test_every_target_with_exemplars_leads_to_a_trace(seen: Seen, target: Target) -> None:
    found = seen.prometheus.ask(
        "query_exemplars", query=target.expr, start=seen.start, end=seen.end
    )

    traces = {point["labels"]["trace_id"] for series in found for point in series["exemplars"]}
    assert all(len(trace) == 32 for trace in traces)
    assert traces


def test_every_metric_of_the_rules_was_scraped(seen: Seen) -> None:
    names = set(seen.prometheus.ask("label/__name__/values", start=seen.start))
    rules = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]

    asked = {metric for rule in rules for metric in METRIC.findall(rule["expr"])}

    assert asked <= names


def test_the_rules_are_evaluated_without_an_error(seen: Seen) -> None:
    for server in (seen.prometheus, seen.hurried):
        groups = server.ask("rules")["groups"]

        assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}


def test_real_causes_fire_their_alerts(seen: Seen) -> None:
    assert seen.hurried.fired(seen.start, seen.end) >= CAUSED


def test_what_fires_now_says_what_is_wrong_in_words(seen: Seen) -> None:
    said = [one["annotations"] for one in seen.hurried.ask("alerts")["alerts"]]

    texts = [text for annotations in said for text in annotations.values()]
    assert texts
    assert not [text for text in texts if "<no value>" in text or "error expanding" in text]


def test_pictures_are_drawn_of_every_dashboard(seen: Seen, tmp_path: Path) -> None:
    folder = Path(os.environ.get("SSU_PICTURES", tmp_path))

    for board in boards():
        path = draw(board, seen.prometheus, seen.start, seen.end, folder)

        assert 10_000 < path.stat().st_size < 150_000
