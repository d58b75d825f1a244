"""What can be known of rules and dashboards without a Prometheus."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.dashboards.files import files
from k8s.dashboards.objectives import PROMPT_SECONDS
from k8s.dashboards.rules import rule_file
from service.jobs.metrics import JobMetrics
from service.studio.metrics import StudioMetrics
from service.telemetry.metrics import Metrics
from tests.observability.unit_tests import METRIC, load

FILES = files()
GENERATED = Path("k8s/observability")
RUNBOOK = Path("docs/runbook.md")
ALERTS = [rule for group in rule_file()["groups"] for rule in group["rules"] if "alert" in rule]
NAMES = sorted({rule["alert"] for rule in ALERTS})
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


def exported() -> set[str]:
    """Every series that a gateway can export."""
    registry = Metrics().registry
    JobMetrics(registry)
    StudioMetrics(registry)
    return {
        metric.name + suffix
        for metric in registry.collect()
        for suffix in SUFFIXES.get(metric.type, ("",))
    }


def expressions(value: object) -> Iterator[str]:
    """Every expression in a rule file or a dashboard."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("expr", "query") and isinstance(inner, str):
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def sections() -> dict[str, str]:
    """The text under each heading of the second level."""
    parts = re.split(r"^## (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_is_committed_is_what_is_generated(name: str) -> None:
    generated = FILES[name]

    committed = (GENERATED / name).read_text()

    assert committed == generated, "run: python -m k8s.dashboards"


def test_nothing_is_committed_that_is_not_generated() -> None:
    committed = {str(p.relative_to(GENERATED)) for p in GENERATED.rglob("*") if p.is_file()}

    assert committed == set(FILES)


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_metric_of_ours_that_is_asked_for_is_exported(name: str) -> None:
    asked = {
        metric
        for expr in expressions(yaml.safe_load(FILES[name]))
        for metric in METRIC.findall(expr)
        if metric.startswith(("ssu_", "process_"))
    }

    unknown = asked - exported()

    assert asked or name == "kustomization.yaml"
    assert not unknown


def test_the_prompt_answer_is_a_bucket_of_the_histogram() -> None:
    duration = Metrics().request_duration.labels("/understand", "answered", "1")

    bounds = {s.labels.get("le") for m in duration.collect() for s in m.samples}

    assert str(PROMPT_SECONDS) in bounds


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_whom_to_tell_what_it_means_and_where_to_read_on(
    rule: dict[str, Any],
) -> None:
    annotations = rule["annotations"]

    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["labels"]["app"] == "ssuformer"
    assert annotations["summary"]
    assert annotations["description"]
    assert annotations["runbook_url"] == f"{RUNBOOK}#{rule['alert'].lower()}"


def test_every_alert_has_a_section_in_the_runbook_and_every_section_an_alert() -> None:
    assert sorted(sections()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_section_says_meaning_causes_where_to_look_and_what_to_do(name: str) -> None:
    section = sections()[name]

    said = re.findall(r"^\*\*(.+?)\.\*\*", section, flags=re.MULTILINE)

    assert said == ["Meaning", "Likely causes", "Look at", "Do"]


def test_every_rule_that_alerts_is_made_to_fire_by_a_cause() -> None:
    caused = {alert for cause in load()["causes"] for alert in cause["fires"]}

    wanted = {
        rule["alert"] + (f'{{long="{rule["labels"]["long"]}"}}' if "long" in rule["labels"] else "")
        for rule in ALERTS
    }

    assert caused == wanted


def test_an_alert_is_silent_about_a_service_that_is_well_not_for_want_of_data() -> None:
    told = load()
    present = {name.partition("{")[0] for target in told["well"].values() for name in target}

    asked = {m for rule in ALERTS for m in METRIC.findall(rule["expr"])}

    assert asked <= present


def test_the_list_of_alerts_is_of_this_service_alone() -> None:
    panels = yaml.safe_load(FILES["dashboards/overview.json"])["panels"]

    filters = [
        panel["options"]["alertInstanceLabelFilter"]
        for panel in panels
        if panel["type"] == "alertlist"
    ]

    assert filters == ['{app="ssuformer"}']


def test_panels_have_numbers_and_titles_of_their_own_and_lie_within_the_grid() -> None:
    for name, content in FILES.items():
        if not name.startswith("dashboards/"):
            continue
        panels = yaml.safe_load(content)["panels"]

        numbers = [panel["id"] for panel in panels]
        titles = [panel["title"] for panel in panels if panel["type"] != "row"]

        assert numbers == list(range(1, len(panels) + 1))
        assert len(set(titles)) == len(titles)
        assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in panels)
