"""The API's document: what it tells, and that the service keeps to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from pydantic import TypeAdapter
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from service.app import create_app
from service.engines.fake import FakeEngine
from service.formats.catalogue import every
from service.formats.record_schemas import AnswerRecord
from service.http.api_keys import OPEN
from service.http.documented_problems import NEVER_ANSWERED, OF_STUDIO
from service.http.problems import STATUS
from service.understanding.options import Options
from tests.service.conftest import Running, small_settings
from tests.service.http.raw_client import service
from tests.ssuformer.footage import Footage, flash_in

Document = dict[str, Any]
Case = schemathesis.Case[Any]


def document_of(**settings: object) -> Document:
    return create_app(small_settings(**settings)).openapi()


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, item in document["paths"].items():
        yield from ((path, operation) for operation in item.values())


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    store = tmp_path_factory.mktemp("jobs") / "jobs.sqlite"
    return document_of(jobs=f"sqlite:///{store}")


def test_operations_have_short_names_of_their_own(document: Document) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]

    assert {"understand", "limits", "models", "live", "ready", "started"} <= set(names)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


def test_every_reference_leads_somewhere(document: Document) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert set(references(document)) <= known
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_error_is_the_one_problem_with_an_example_for_each_code(document: Document) -> None:
    told = set()
    for path, operation in operations(document):
        for status, response in operation["responses"].items():
            content = response.get("content", {})
            if status < "400" or "application/problem+json" not in content:
                continue
            (media,) = content.values()
            assert media["schema"] == {"$ref": "#/components/schemas/Problem"}, (path, status)
            for code, example in media["examples"].items():
                assert example["value"]["code"] == code
                assert example["value"]["status"] == int(status)
                assert f"`{code}`" in response["description"]
                told.add(code)

    meant = {kind.code for kind in STATUS if kind not in (*NEVER_ANSWERED, *OF_STUDIO)}
    assert told == meant - {"key_refused"}


def test_with_keys_there_is_a_scheme_for_all_but_health(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret\n")

    document = document_of(keys_file=tmp_path / "keys")

    (name,) = document["components"]["securitySchemes"]
    assert document["security"] == [{name: []}]
    for path, operation in operations(document):
        assert ("401" in operation["responses"]) == (path not in OPEN)
        assert operation.get("security") == ([] if path in OPEN else None)


def test_without_keys_there_is_none(document: Document) -> None:
    assert "securitySchemes" not in document["components"]
    assert all("401" not in operation["responses"] for _, operation in operations(document))


def test_no_option_has_a_default_that_a_generated_client_would_send(document: Document) -> None:
    route = document["paths"]["/understand"]["post"]
    query = {parameter["name"]: parameter for parameter in route["parameters"]}
    form = document["components"]["schemas"]["OptionsForm"]["properties"]

    assert query.keys() == Options.model_fields.keys() == form.keys() - {"file"}
    for name, option in query.items():
        assert not {"default", "anyOf"} & {*option["schema"], *form[name]}
    assert query["mask_format"]["description"].endswith("Default: `rle`.")
    assert query["mask_format"]["schema"]["$ref"] == form["mask_format"]["$ref"]


def test_every_format_of_the_answer_is_told_and_streams_have_records(document: Document) -> None:
    content = document["paths"]["/understand"]["post"]["responses"]["200"]["content"]

    assert content.keys() == {one.media_type for one in every()}
    assert content["application/json"]["schema"]["$ref"].endswith("/Understanding")
    for one in every():
        record = content[one.media_type].get("itemSchema")
        assert record == (
            {"$ref": "#/components/schemas/AnswerRecord"} if one.write_record else None
        )


@pytest.mark.anyio
async def test_records_are_as_documented(running: Running, clip: bytes) -> None:
    told = await running.understand(clip, format="ndjson")

    adapter = TypeAdapter(AnswerRecord)
    records = [adapter.validate_json(line).root for line in told.text.splitlines()]
    assert [record.record for record in records] == ["head", "window", "tail"]


@pytest.mark.anyio
@pytest.mark.parametrize("name", [one.name for one in every() if "json" in one.media_type])
async def test_answers_in_json_are_as_documented(
    running: Running, clip: bytes, document: Document, name: str
) -> None:
    answer = await running.understand(clip, format=name)

    content = document["paths"]["/understand"]["post"]["responses"]["200"]["content"]
    media = content[answer.headers["content-type"]]
    parts = answer.text.splitlines() if "itemSchema" in media else [answer.text]
    schema = {**media.get("itemSchema", media["schema"]), "components": document["components"]}
    for part in parts:
        jsonschema.validate(json.loads(part), schema)


CHECKS = [
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
BOUNDED = hypothesis.settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
SMALL = Footage(paint=flash_in(1), beep=(0.0, 1.0), seconds=1).make()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = tmp_path_factory.mktemp("jobs") / "jobs.sqlite"
    with service(FakeEngine(), jobs=f"sqlite:///{store}", jobs_unfinished=10_000) as found:
        yield found


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def with_clip(case: Case) -> None:
    """Give a request a clip in place of the bytes that were made up."""
    if case.media_type == "multipart/form-data" and isinstance(case.body, dict):
        case.body["file"] = SMALL  # type: ignore[assignment]
    elif case.media_type is not None:
        case.body = SMALL


def own_deadline(case: Case) -> bool:
    form = case.body if isinstance(case.body, dict) else {}
    return "deadline" in {*(case.query or {}), *form}


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_whatever_is_sent_is_answered_as_documented(
    address: str, session: requests.Session, mode: schemathesis.GenerationMode
) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    seen: dict[str, set[int]] = {}

    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        wrong = mode == schemathesis.GenerationMode.NEGATIVE
        if wrong and not (operation.query or operation.body):
            continue  # nothing in it could be wrong

        @BOUNDED
        @hypothesis.given(case=operation.as_strategy(mode), real=st.booleans())
        def check(case: Case, real: bool) -> None:  # noqa: FBT001
            if real and not wrong:  # noqa: B023
                with_clip(case)
            answer = case.call_and_validate(session=session, checks=CHECKS)
            seen.setdefault(case.operation.path, set()).add(answer.status_code)
            assert answer.status_code < 500 or (answer.status_code == 504 and own_deadline(case))

        check()

    assert (200 in seen["/understand"]) != wrong
