"""The files of jobs, in a folder and in a bucket of a real server of S3."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.jobs.files import FilesGone, JobFiles, copy_in, files_at, read, write
from ssuformer.errors import ConfigError, JobsUnavailable
from tests.service.conftest import run
from tests.service.jobs.conftest import ended, job_settings, send

pytestmark = pytest.mark.anyio
LARGE = os.urandom(2**20) * 12
"""More than one piece of an upload in parts."""


@pytest.fixture
def files(place: str) -> JobFiles:
    found = files_at(place)
    found.start()
    return found


def test_a_file_is_there_once_it_is_written_and_gone_once_it_is_removed(files: JobFiles) -> None:
    files.add("one")

    assert not files.holds("one", "clip")
    assert write(files, "one", "clip", LARGE) == len(LARGE)
    assert (files.holds("one", "clip"), read(files, "one", "clip") == LARGE) == (True, True)
    write(files, "one", "clip", b"other")
    assert read(files, "one", "clip") == b"other"
    files.remove("one", "clip")
    files.remove("one", "clip")
    with pytest.raises(FilesGone):
        read(files, "one", "clip")


def test_what_is_not_written_to_its_end_is_not_there(files: JobFiles) -> None:
    files.add("one")

    def stop_midway() -> None:
        with files.writing("one", "clip") as out:
            out.write(b"half")
            raise ValueError("midway")

    with pytest.raises(ValueError, match="midway"):
        stop_midway()

    assert not files.holds("one", "clip")


def test_an_open_file_can_be_read_by_its_descriptor(files: JobFiles, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(LARGE)
    files.add("one")
    with (tmp_path / "source").open("rb") as source:
        copy_in(files, "one", "clip", source.fileno())

    with files.opened("one", "clip") as file:
        assert os.pread(file.fileno(), 100, 2**20) == LARGE[:100]


def test_nothing_can_be_written_for_a_job_that_was_deleted(files: JobFiles) -> None:
    files.add("one")
    files.add("another")
    write(files, "one", "clip", b"1")
    write(files, "another", "clip", b"2")

    files.remove_all("one")

    with pytest.raises(FilesGone):
        write(files, "one", "late", b"3")
    assert not files.holds("one", "late")
    assert not files.holds("one", "clip")
    assert read(files, "another", "clip") == b"2"


def test_jobs_are_old_by_their_newest_file(files: JobFiles) -> None:
    files.add("one")
    write(files, "one", "clip", b"1")

    assert files.older_than(60.0) == []
    assert files.older_than(-60.0) == ["one"]


async def test_a_job_works_the_same_with_its_files_in_either(
    place: str, tmp_path: Path, long_clip: bytes
) -> None:
    async with run(job_settings(tmp_path, jobs_folder=place)) as running:
        job = await send(running, long_clip)
        done = await ended(running, job["id"])
        results = [
            await running.client.get(f"{done['result']}?format={name}")
            for name in ("json", "fiftyone", "sheet")
        ]
        at_once = (await running.understand(long_clip)).json()
        await running.client.delete(f"/jobs/{job['id']}")

    assert [one.status_code for one in results] == [200, 200, 200]
    assert {**results[0].json(), "timings_ms": {}} == {**at_once, "timings_ms": {}}
    assert long_clip in results[1].content
    assert not files_at(place).holds(job["id"], "clip")


def test_a_store_that_is_not_there_is_said_to_be(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not files_at(bucket).holds("one", "clip")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    with pytest.raises(JobsUnavailable):
        files_at(bucket).holds("one", "clip")


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="s3://, gs://, az://"):
        files_at("ftp://there/files")
