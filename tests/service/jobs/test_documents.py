"""What docs/jobs.md names exists."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from service.jobs.metrics import JobMetrics
from service.settings import Settings
from ssuformer import errors

TEXT = Path("docs/jobs.md").read_text()


def test_every_setting_of_jobs_is_named_and_every_name_is_one() -> None:
    named = set(re.findall(r"SSU_([A-Z_]+)", TEXT))
    fields = {name.upper() for name in Settings.model_fields}
    prefixes = ("JOB", "WEBHOOK", "INPUT", "OUTGOING")
    about_jobs = {name for name in fields if name.startswith(prefixes)}

    assert named <= fields
    assert about_jobs - named <= {"WEBHOOK_RETRY_SECONDS"}


def test_every_metric_of_jobs_is_named() -> None:
    registry = CollectorRegistry()
    JobMetrics(registry)
    names = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in registry.collect()
    }

    assert names == {name.partition("{")[0] for name in re.findall(r"`(ssu_[a-z_]+)", TEXT)}


def test_every_code_of_jobs_is_named() -> None:
    kinds: list[type[errors.SsuError]] = [*errors.JobError.__subclasses__(), errors.TooManyJobs]
    codes = {kind.code for kind in kinds} - {"input_unreachable"}

    assert [code for code in codes if code not in TEXT] == []
