"""The documentation for people, at `/docs`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.service.conftest import Running, run, small_settings

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("prefix", ["", "/ssu"])
async def test_the_page_needs_nothing_from_elsewhere_and_no_key(
    tmp_path: Path, prefix: str
) -> None:
    (tmp_path / "keys").write_text("secret\n")
    settings = small_settings(root_path=prefix, keys_file=tmp_path / "keys")
    async with run(settings) as running:
        page = await running.client.get(f"{prefix}/docs")
        wanted = re.findall(r'(?:src|href|data-document)="([^"]+)"', page.text)
        got = {path: await running.client.get(path) for path in wanted}

    assert len(wanted) == 5
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert all(path.startswith(f"{prefix}/") and not path.startswith("//") for path in wanted)
    assert {answer.status_code for answer in got.values()} == {200}
    assert "SwaggerUIBundle" in got[f"{prefix}/docs/swagger-ui-bundle.js"].text
    assert got[f"{prefix}/openapi.json"].json()["components"]["securitySchemes"]


@pytest.mark.parametrize("name", ["other.js", "__init__.py", "..%2f__init__.py"])
async def test_other_files_are_not_given(running: Running, name: str) -> None:
    assert (await running.client.get(f"/docs/{name}")).status_code == 404
