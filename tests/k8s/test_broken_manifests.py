from __future__ import annotations

import pytest

from tests.k8s import (
    broken_jobs,
    broken_lifetimes,
    broken_monitoring,
    broken_networks,
    broken_pods,
    broken_schemas,
    broken_settings,
)
from tests.k8s.broken import Broken, Case
from tests.k8s.checks import SCHEMAS, SEMANTICS

CASES = (
    *broken_schemas.CASES,
    *broken_pods.CASES,
    *broken_lifetimes.CASES,
    *broken_networks.CASES,
    *broken_settings.CASES,
    *broken_jobs.CASES,
    *broken_monitoring.CASES,
)


@pytest.mark.parametrize("case", CASES, ids=lambda one: f"{one.check.__name__}: {one.complaint}")
def test_a_check_finds_what_has_been_broken(case: Case) -> None:
    broken = Broken(case.folder)
    before = list(case.check(broken.manifests))

    case.breaks(broken)
    found = list(case.check(broken.manifests))

    assert before == []
    assert any(case.complaint in one for one in found), found


def test_every_check_has_a_manifest_that_fails_it() -> None:
    broken = {case.check for case in CASES}

    assert {SCHEMAS, *SEMANTICS} - broken == set()
