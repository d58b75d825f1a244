"""The files of the page at `/`; what it does in a browser is in tests/service/web."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.formats.catalogue import NAMES
from service.http.problems import STATUS
from ssuformer import errors
from tests.service.conftest import Running, run, small_settings

pytestmark = pytest.mark.anyio

SOURCE = Path("service/web/source")


@pytest.mark.parametrize("prefix", ["", "/ssu"])
async def test_the_page_needs_nothing_from_elsewhere_and_no_key(
    tmp_path: Path, prefix: str
) -> None:
    (tmp_path / "keys").write_text("secret\n")
    settings = small_settings(root_path=prefix, keys_file=tmp_path / "keys")
    async with run(settings) as running:
        page = await running.client.get(f"{prefix}/")
        wanted = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
        got = {path: await running.client.get(path) for path in wanted}
        facts = (await running.client.get(f"{prefix}/page/facts.json")).json()

    assert len(got) == 5
    assert all(path.startswith(f"{prefix}/") and not path.startswith("//") for path in wanted)
    assert {answer.status_code for answer in got.values()} == {200}
    assert f'data-root="{prefix}"' in page.text
    assert facts["keys"] is True
    assert [one["name"] for one in facts["formats"]] == list(NAMES)


async def test_the_page_may_run_no_script_but_its_own(running: Running) -> None:
    page = await running.client.get("/")

    policy = dict(
        part.split(" ", 1) for part in page.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=", page.text)


async def test_its_files_are_kept_and_named_anew_when_they_change(running: Running) -> None:
    page = await running.client.get("/")
    (path,) = re.findall(r'src="(/page/page.js\?\w+)"', page.text)
    script = await running.client.get(path)
    others = [await running.client.get(path.partition("?")[0] + end) for end in ("", "?0123")]

    assert page.headers["cache-control"] == "no-cache"
    assert "immutable" in script.headers["cache-control"]
    assert [one.headers["cache-control"] for one in others] == ["no-cache"] * 2
    assert script.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/page/facts.json", "/docs"])
async def test_heads_of_its_files_can_be_asked_for(running: Running, path: str) -> None:
    head = await running.client.head(path)
    whole = await running.client.get(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


@pytest.mark.parametrize("name", ["other.js", "index.html", "..%2f__init__.py", "samples/no.mp4"])
async def test_other_files_are_not_given(running: Running, name: str) -> None:
    assert (await running.client.get(f"/page/{name}")).status_code == 404


async def test_samples_are_those_of_the_folder_that_is_set(tmp_path: Path) -> None:
    (tmp_path / "one.webm").write_bytes(b"film")
    (tmp_path / "notes.txt").write_text("no film")
    async with run(small_settings(samples=tmp_path)) as running:
        facts = (await running.client.get("/page/facts.json")).json()
        sample = await running.client.get("/page/samples/one.webm")
        part = await running.client.get("/page/samples/one.webm", headers={"Range": "bytes=1-2"})
        head = await running.client.head("/page/samples/one.webm")
        other = await running.client.get("/page/samples/notes.txt")

    assert facts["samples"] == [{"name": "one.webm", "bytes": 4}]
    assert sample.content == b"film"
    assert (part.status_code, part.content) == (206, b"il")
    assert (head.status_code, head.headers["content-length"]) == (200, "4")
    assert sample.headers["content-type"] == "video/webm"
    assert other.status_code == 404


async def test_the_page_is_not_in_the_documentation_of_the_service(running: Running) -> None:
    paths = (await running.client.get("/openapi.json")).json()["paths"]

    assert not [path for path in paths if path == "/" or path.startswith("/page")]


def test_the_page_says_what_to_do_about_every_error_that_a_request_may_end_with() -> None:
    told = set(re.findall(r"^  (\w+): \"", (SOURCE / "service/problem.ts").read_text(), re.M))
    never = {errors.ConfigError.code, errors.ParityError.code, "job_error", "studio_error"}
    # Of URLs, broken HTTP and headers, which the page does not send.
    others = {
        errors.UrlRefused, errors.InputUnreachable, errors.InputRefused, errors.NotAcceptable,
        errors.RequestError, errors.RequestMalformed, errors.HeadersTooLarge,
    }  # fmt: skip
    needed = {kind.code for kind in STATUS if kind not in others} - never

    assert needed - told == set()
    assert told - needed == {"connection_lost", "not_the_service"}


def test_modules_of_the_page_know_only_those_below_them() -> None:
    below = {
        "answer": set(),
        "service": {"answer"},
        "sound": set(),
        "view": {"answer", "sound"},
        "shared": {"service", "view"},
        "page": {"answer", "service", "shared", "view"},
        "studio": {"answer", "service", "shared", "sound", "view"},
    }

    for folder, allowed in below.items():
        for path in (SOURCE / folder).glob("*.ts"):
            known = set(re.findall(r'from "\.\./(\w+)/', path.read_text()))
            assert known <= allowed, path
