"""The database of the studio is down: what is asked of it is answered with a problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.service.jobs.conftest import postgresql
from tests.service.studio.conftest import API, Annotator, put_mask, put_track, square_at, studio_of

pytestmark = pytest.mark.anyio

BODIES: dict[str, Any] = {
    "/projects": {"name": "films"},
    "/clips/{clip}/layers": {"from": None},
    "/clips/{clip}/layers/mine": {"id": "e", "base_revision": 2, "edits": [put_track("t2")]},
    "/clips/{clip}/masks": {"frame": 0, "box": [15, 25, 42, 42]},
    "/clips/{clip}/sentences": {"frame": 2, "track": "t1"},
    "/clips/{clip}/propagate": {"frame": 2, "to": 4, "track": "t1"},
    "/clips/{clip}/swap": {"other": "another"},
    "/clips/{clip}/adjudicate": {"a": "alice", "b": "model", "choices": []},
}
QUERIES = {"/clips/{clip}/agreement": {"a": "alice", "b": "model"}}


async def test_every_route_says_that_the_store_is_down_and_when_to_try_again(
    postgres_folder: Path, tmp_path: Path, film: bytes
) -> None:
    folder = postgres_folder / "studio"
    folder.mkdir()
    with postgresql(folder) as url:
        gateway = studio_of(tmp_path, jobs=url)
        started = await gateway.__aenter__()
        ann = Annotator(started.client, "alice")
        project = await ann.project()
        clip = await ann.send(project, film)
        await ann.begin(clip)
        await ann.edit(clip, 1, put_track("t1"), put_mask("t1", 2, square_at(2)))
    paths = (await started.client.get("/openapi.json")).json()["paths"]

    answers = {}
    for path, methods in paths.items():
        place = path.removeprefix(API)
        if path in (place, f"{API}/facts"):  # of others, or asks nothing of the store
            continue
        at = place.format(project=project, clip=clip, frame=0, annotator="alice")
        sent: dict[str, Any] = {"json": BODIES[place]} if place in BODIES else {"content": film}
        params = QUERIES.get(place, {"format": "coco"})
        for method in methods:
            more = sent if method in ("post", "patch") else {}
            answer = await ann.call(method.upper(), at, params=params, **more)
            told = answer.status_code, answer.json().get("code"), answer.headers.get("retry-after")
            answers[f"{method} {place}"] = told
    with postgresql(folder):
        revision = (await ann.layer(clip))["revision"]
        await gateway.__aexit__(None, None, None)

    assert len(answers) > 20
    assert set(answers.values()) == {(503, "jobs_unavailable", "2")}, answers
    assert revision == 2
