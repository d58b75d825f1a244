"""The committed rules, checked and tested by promtool. `scripts/observability-test` runs this."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.observability.unit_tests import FOR_DAYS, SAMPLING, unit_tests

RULES = Path("k8s/observability/rules.yaml")


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)


def test_prometheus_accepts_the_rules() -> None:
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("every", [SAMPLING, FOR_DAYS])
def test_each_cause_fires_its_alerts_and_no_other(every: str, tmp_path: Path) -> None:
    written = tmp_path / "tests.yaml"
    written.write_text(yaml.safe_dump(unit_tests(RULES, every)))

    tested = promtool("test", "rules", written)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_an_alert_that_fires_unexpectedly_is_noticed(tmp_path: Path) -> None:
    tests = unit_tests(RULES, SAMPLING)
    tests["tests"] = [one for one in tests["tests"] if one["name"] == "memory runs out"]
    tests["tests"][0]["promql_expr_test"][0]["exp_samples"] = []
    written = tmp_path / "tests.yaml"
    written.write_text(yaml.safe_dump(tests))

    tested = promtool("test", "rules", written)

    assert tested.returncode != 0
