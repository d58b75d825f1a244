"""Where the studio keeps its films: beside those of jobs, in a folder or a bucket."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.service.jobs.conftest import bucket as bucket
from tests.service.jobs.conftest import place as place
from tests.service.jobs.conftest import s3 as s3
from tests.service.studio.conftest import Annotator, put_mask, put_track, square_at, studio_of

pytestmark = pytest.mark.anyio


async def test_a_clip_is_kept_in_a_folder_or_a_bucket(
    tmp_path: Path, place: str, film: bytes
) -> None:
    async with studio_of(tmp_path, jobs_folder=place) as started:
        alice = Annotator(started.client, "alice")
        project = await alice.project()
        clip = await alice.send(project, film)

        frame = await alice.call("GET", f"/clips/{clip}/frames/19")
        part = await alice.call("GET", f"/clips/{clip}/film", headers={"Range": "bytes=5-9"})
        await alice.begin(clip)
        await alice.edit(clip, 1, put_track("t1"), put_mask("t1", 0, square_at(0)))
        data = await alice.call("GET", f"/projects/{project}/export?format=ra-ssu")
        assert (await alice.call("DELETE", f"/clips/{clip}")).status_code == 204

        assert frame.content[:3] == b"\xff\xd8\xff"
        assert part.content == film[5:10]
        assert len(data.content) > len(film)
        assert started.gateway.studio is not None
        assert not started.gateway.studio.media.files.holds(clip, "clip")


async def test_what_jobs_sweep_away_is_not_the_studios(tmp_path: Path, film: bytes) -> None:
    async with studio_of(tmp_path) as started:
        alice = Annotator(started.client, "alice")
        clip = await alice.send(await alice.project(), film)
        long_ago = time.time() - 7 * 86_400
        for folder in ("files/studio", f"files/studio/{clip}"):
            os.utime(tmp_path / folder, (long_ago, long_ago))
        (tmp_path / "files/studio/nobodys").mkdir()
        os.utime(tmp_path / "files/studio/nobodys", (long_ago, long_ago))
        jobs, studio = started.gateway.jobs, started.gateway.studio
        assert jobs is not None
        assert studio is not None

        await jobs._remove_orphans()
        await studio._sweep()

        assert (await alice.call("GET", f"/clips/{clip}/frames/0")).status_code == 200
        assert not (tmp_path / "files/studio/nobodys").exists()
