"""Whatever is sent to the studio, right or wrong, is answered as its document says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.engines.fake import FakeEngine
from tests.service.http.raw_client import service
from tests.service.jobs.conftest import PATIENCE
from tests.service.studio.conftest import API, put_mask, put_track, square_at, studio_settings

CHECKS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
BOUNDED = hypothesis.settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
Case = schemathesis.Case[Any]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = studio_settings(
        tmp_path_factory.mktemp("studio"), studio_projects=100_000, studio_clips=100_000
    )
    told = {name: getattr(settings, name) for name in settings.model_fields_set - {"engine"}}
    with service(FakeEngine(), **told) as found:
        yield found


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = "Bearer alice-secret"
        yield session


@pytest.fixture(scope="module")
def real(address: str, session: requests.Session, film: bytes) -> dict[str, object]:
    """What there is: a project and a clip with a layer."""
    api = f"{address}{API}"
    project = session.post(f"{api}/projects", json={"name": "films"}).json()["id"]
    sent = session.post(f"{api}/projects/{project}/clips", files={"clip": ("a.mp4", film)}).json()
    end = time.monotonic() + PATIENCE
    while session.get(f"{api}/clips/{sent['id']}").json()["state"] != "ready":
        assert time.monotonic() < end
        time.sleep(0.1)
    session.post(f"{api}/clips/{sent['id']}/layers", json={"from": None})
    edits = [put_track("t1"), put_mask("t1", 0, square_at(0))]
    body: Any = {"id": "first", "base_revision": 1, "edits": edits}
    session.patch(f"{api}/clips/{sent['id']}/layers/mine", json=body)
    return {"project": project, "clip": sent["id"], "annotator": "alice", "frame": 3}


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_whatever_is_sent_is_answered_as_documented(
    address: str,
    session: requests.Session,
    real: dict[str, object],
    mode: schemathesis.GenerationMode,
) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json").include(tag="studio")
    seen: set[int] = set()

    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        wrong = mode == schemathesis.GenerationMode.NEGATIVE
        if wrong and not (operation.query or operation.body or operation.path_parameters):
            continue  # nothing in it could be wrong

        @BOUNDED
        @hypothesis.given(case=operation.as_strategy(mode), known=st.booleans())
        def check(case: Case, known: bool) -> None:  # noqa: FBT001
            if known and case.method != "DELETE" and case.path_parameters:
                for name in case.path_parameters.keys() & real.keys():
                    case.path_parameters[name] = real[name]
            answer = case.call_and_validate(session=session, checks=CHECKS)
            seen.add(answer.status_code)
            assert answer.status_code < 500, answer.text

        check()

    assert {404, 422} <= seen
    assert wrong or {200, 201} <= seen
