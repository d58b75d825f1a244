"""What docs/studio.md and the API's document name exists, and the other way round."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from service.app import create_app
from service.http.documented_problems import NEVER_ANSWERED
from service.http.problems import STATUS
from service.settings import Settings
from service.studio.metrics import StudioMetrics
from ssuformer import errors
from ssuformer.errors import ConfigError
from tests.service.conftest import small_settings
from tests.service.studio.conftest import KEYS, studio_settings

TEXT = Path("docs/studio.md").read_text()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = studio_settings(tmp_path_factory.mktemp("studio"))
    return create_app(settings).openapi()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for path in document["paths"].values() for one in path.values()]


def test_every_setting_of_the_studio_is_named_and_every_name_is_one() -> None:
    named = set(re.findall(r"SSU_([A-Z_]+)\b", TEXT))
    fields = {name.upper() for name in Settings.model_fields}

    assert named <= fields
    assert {name for name in fields if name.startswith("STUDIO")} <= named


def test_every_metric_of_the_studio_is_named() -> None:
    registry = CollectorRegistry()
    StudioMetrics(registry)
    names = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in registry.collect()
    }

    assert names == set(re.findall(r"`(ssu_studio_[a-z_]+?)(?:\{|`)", TEXT))


def test_every_code_of_the_studio_is_named() -> None:
    codes = {kind.code for kind in errors.StudioError.__subclasses__()}

    assert [code for code in codes if f"`{code}`" not in TEXT] == []


def test_the_document_tells_of_all_problems_and_every_reference_leads_somewhere(
    document: dict[str, Any],
) -> None:
    told = {
        code
        for operation in operations(document)
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        for code in content.get("examples", {})
    }
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    written = json.dumps(document)

    assert told == {kind.code for kind in STATUS if kind not in NEVER_ANSWERED}
    assert set(re.findall(r'"\$ref": "(#/[^"]+)"', written)) <= known
    assert "HTTPValidationError" not in written


def test_operations_have_short_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document)]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert {"save_edits", "propagate", "export_project", "annotators_agreement"} <= set(names)


def test_schemas_that_the_service_had_before_keep_their_names(document: dict[str, Any]) -> None:
    plain = create_app(small_settings()).openapi()["components"]["schemas"]
    wide = document["components"]["schemas"]

    assert {name for name in plain if wide.get(name) != plain[name]} <= {"Problem"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"keys_file": None}, "SSU_KEYS_FILE"),
        ({"jobs": None}, "SSU_JOBS"),
        ({"studio_sentences": "http://127.0.0.1:9"}, "SSU_STUDIO_SENTENCES"),
    ],
)
def test_what_the_studio_lacks_is_said_at_the_start(
    tmp_path: Path, settings: dict[str, object], named: str
) -> None:
    (tmp_path / "keys").write_text(KEYS)

    with pytest.raises(ConfigError, match=named):
        create_app(studio_settings(tmp_path, **settings))


def test_without_it_there_is_none() -> None:
    paths = create_app(small_settings()).openapi()["paths"]

    assert not [path for path in paths if path.startswith("/studio")]
