"""Jobs over HTTP: sent, followed, read in every format, deleted."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli.temporary_service import hosted
from service.formats.catalogue import every
from service.formats.format import Need
from tests.service.conftest import Running, run
from tests.service.jobs.conftest import (
    StopsAt,
    ended,
    job_settings,
    jobs_of,
    look,
    send,
    until,
)
from tests.service.jobs.slow_gateway import SlowEngine

pytestmark = pytest.mark.anyio

TEXTS = [one.name for one in every() if Need.PICTURES not in one.needs]


def without_times(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "timings_ms"}


async def answers(
    running: Running,
    clip: bytes,
    **options: Any,  # noqa: ANN401
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what /understand answers, and what the same job does."""
    at_once = await running.understand(clip, **options)
    job = await send(running, clip, **options)
    done = await ended(running, job["id"])
    assert done["state"] == "done", done
    result = await running.client.get(done["result"])
    return at_once.json(), result.json()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fps": 2, "start": 1.5},
        {"captions": False, "mask_format": "polygon"},
        {"smooth": True, "end": 27.3},
    ],
    ids=str,
)
async def test_a_job_in_parts_gives_the_answer_that_understand_gives(
    working: Running, long_clip: bytes, options: dict[str, Any]
) -> None:
    at_once, later = await answers(working, long_clip, **options)

    assert without_times(later) == without_times(at_once)
    assert later["timings_ms"].keys() <= {*at_once["timings_ms"], "queue"}
    assert working.metric("ssu_job_parts_total") >= 3


async def test_a_short_clip_is_one_part(working: Running, clip: bytes) -> None:
    at_once, later = await answers(working, clip)

    assert without_times(later) == without_times(at_once)
    assert working.metric("ssu_job_parts_total") == 1


@pytest.fixture(scope="module")
async def finished(
    tmp_path_factory: pytest.TempPathFactory,
    long_clip: bytes,
    anyio_backend: str,  # noqa: ARG001
) -> AsyncIterator[tuple[Running, str]]:
    async with jobs_of(tmp_path_factory.mktemp("jobs")) as started:
        job = await send(started, long_clip)
        await ended(started, job["id"])
        yield started, job["id"]


@pytest.mark.parametrize("name", TEXTS)
async def test_every_format_is_that_of_understand(
    finished: tuple[Running, str], long_clip: bytes, name: str
) -> None:
    running, job = finished

    later = await running.client.get(f"/jobs/{job}/result", params={"format": name})
    at_once = await running.understand(long_clip, format=name)

    assert later.status_code == 200
    assert later.headers["content-type"] == at_once.headers["content-type"]
    assert later.headers["content-disposition"] == at_once.headers["content-disposition"]
    if name not in ("json", "ndjson", "sse", "fiftyone", "label-studio"):
        assert later.content == at_once.content


@pytest.mark.parametrize("name", ["overlay", "sheet"])
async def test_what_is_drawn_on_the_film_can_be_had_of_a_job(
    finished: tuple[Running, str], name: str
) -> None:
    running, job = finished

    drawn = await running.client.get(f"/jobs/{job}/result", params={"format": name})

    assert drawn.status_code == 200
    assert len(drawn.content) > 1000


async def test_the_format_a_job_was_sent_with_is_that_of_its_result(
    working: Running, clip: bytes
) -> None:
    job = await send(working, clip, format="webvtt")
    await ended(working, job["id"])

    result = await working.client.get(f"/jobs/{job['id']}/result")
    other = await working.client.get(f"/jobs/{job['id']}/result?format=srt")

    assert result.text.startswith("WEBVTT")
    assert other.headers["content-type"].startswith("application/x-subrip")


async def test_a_format_without_what_it_needs_is_refused_when_it_is_sent(
    working: Running, clip: bytes
) -> None:
    query = "/jobs?format=davis&mask_format=none"
    response = await working.client.post(query, content=clip)

    assert (response.status_code, response.json()["code"]) == (422, "option_invalid")


async def test_an_option_that_a_result_does_not_have_is_refused(
    working: Running, clip: bytes
) -> None:
    job = await ended(working, (await send(working, clip))["id"])

    response = await working.client.get(f"/jobs/{job['id']}/result", params={"formt": "coco"})

    assert (response.status_code, response.json()["code"]) == (422, "option_invalid")
    assert "formt" in response.json()["detail"]


async def test_a_job_tells_how_far_it_is(tmp_path: Path, long_clip: bytes) -> None:
    engine = StopsAt(3)  # windows of ten frames, of which eight are new
    async with jobs_of(tmp_path, engine) as running:
        job = await send(running, long_clip)
        assert job["state"] in ("waiting", "working")
        assert job["progress"]["seconds_done"] == 0.0
        await engine.stops()

        half = await look(running, job["id"])
        early = await running.client.get(f"/jobs/{job['id']}/result")
        engine.may_go_on.set()
        whole = await ended(running, job["id"])

    assert half["state"] == "working"
    assert half["progress"]["seconds_done"] == 26.0
    assert half["progress"]["seconds_in_all"] == pytest.approx(30.4, abs=0.1)
    assert (early.status_code, early.json()["code"]) == (409, "job_unfinished")
    assert whole["progress"]["seconds_done"] == whole["progress"]["seconds_in_all"]
    assert whole["expires"] > whole["finished"] > whole["started"] >= whole["created"]


async def test_the_events_of_a_job_end_with_its_end(working: Running, long_clip: bytes) -> None:
    job = await send(working, long_clip)

    events = await working.client.get(f"/jobs/{job['id']}/events")

    kinds = [line[7:] for line in events.text.splitlines() if line.startswith("event: ")]
    data = [json.loads(line[6:]) for line in events.text.splitlines() if line.startswith("data: ")]
    done = [one["progress"]["seconds_done"] for one in data]
    assert events.headers["content-type"].startswith("text/event-stream")
    assert kinds[-1] == "done"
    assert set(kinds[:-1]) <= {"progress"}
    assert done == sorted(done)


def test_events_come_over_a_connection_while_the_job_is_worked_on(
    tmp_path: Path, long_clip: bytes
) -> None:
    with (
        hosted(job_settings(tmp_path), SlowEngine(1.2)) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=30) as client,
    ):
        job = client.post("/jobs", content=long_clip).json()["id"]
        with client.stream("GET", f"/jobs/{job}/events") as events:
            came = [
                (line, time.monotonic())
                for line in events.iter_lines()
                if line.startswith("event: ")
            ]

    kinds = [line[7:] for line, _ in came]
    assert kinds[-1] == "done"
    assert kinds.count("progress") >= 3
    assert came[-1][1] - came[0][1] > 2.0


async def test_a_clip_that_cannot_be_read_fails_with_the_problem_of_understand(
    working: Running,
) -> None:
    job = await send(working, b"no clip " * 100)
    done = await ended(working, job["id"])

    result = await working.client.get(f"/jobs/{job['id']}/result")
    at_once = await working.understand(b"no clip " * 100)

    assert (done["state"], done["error"]["code"]) == ("failed", "clip_unreadable")
    assert (result.status_code, result.json()) == (at_once.status_code, at_once.json())


async def test_a_job_that_is_deleted_stops_and_leaves_nothing(
    tmp_path: Path, long_clip: bytes
) -> None:
    engine = StopsAt(2)
    async with jobs_of(tmp_path, engine) as running:
        job = await send(running, long_clip)
        await engine.stops()

        deleted = await running.client.delete(f"/jobs/{job['id']}")

        async def stopped() -> bool:
            return running.metric("ssu_in_work") == 0

        await until(stopped)
        found = await running.client.get(f"/jobs/{job['id']}")
        again = await running.client.delete(f"/jobs/{job['id']}")
        after = await send(running, long_clip)
        engine.may_go_on.set()
        await ended(running, after["id"])

    assert deleted.status_code == 204
    assert (found.status_code, found.json()["code"]) == (404, "job_not_found")
    assert again.status_code == 404
    assert [path.name for path in (tmp_path / "files").iterdir()] == [after["id"]]


async def test_a_job_is_forgotten_when_its_time_is_over(
    tmp_path: Path, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.jobs._SWEEP_SECONDS", 0.1)
    async with jobs_of(tmp_path, job_ttl_seconds=0.5) as running:
        job = await send(running, clip)

        async def gone() -> bool:
            return (await running.client.get(f"/jobs/{job['id']}")).status_code == 404

        await until(gone)

        async def emptied() -> bool:
            return running.metric("ssu_jobs_ended_total", result="expired") == 1

        await until(emptied)
        assert list((tmp_path / "files").iterdir()) == []


async def test_files_that_belong_to_no_job_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.jobs._SWEEP_SECONDS", 0.1)
    monkeypatch.setattr("service.jobs.jobs._ORPHAN_SECONDS", -1.0)
    left = tmp_path / "files" / "left"
    left.mkdir(parents=True)
    async with jobs_of(tmp_path):

        async def removed() -> bool:
            return not left.exists()

        await until(removed)


async def test_options_may_be_fields_of_the_form(working: Running, clip: bytes) -> None:
    response = await working.client.post(
        "/jobs", files={"file": ("clip.mp4", clip)}, data={"fps": "2", "captions": "false"}
    )

    assert response.status_code == 202
    assert response.json()["options"] == {
        "fps": 2.0, "file_name": "clip.mp4", "captions": False,
    }  # fmt: skip


async def test_a_clip_that_is_too_large_or_too_long_for_a_job_is_refused(
    tmp_path: Path, clip: bytes, long_clip: bytes
) -> None:
    limits = {"job_max_bytes": len(long_clip), "job_max_seconds": 20, "max_bytes": len(clip)}
    async with jobs_of(tmp_path, None, **limits) as running:
        larger = await running.client.post("/jobs", content=long_clip + b"x")
        job = await send(running, long_clip)
        longer = await ended(running, job["id"])
        part = await ended(running, (await send(running, long_clip, end=15))["id"])

    assert (larger.status_code, larger.json()["code"]) == (413, "clip_too_large")
    assert (longer["state"], longer["error"]["code"]) == ("failed", "clip_too_large")
    assert longer["error"]["limit"] == 20
    assert part["state"] == "done"


async def test_a_job_longer_than_a_request_may_be_is_done(tmp_path: Path, long_clip: bytes) -> None:
    async with jobs_of(tmp_path, max_seconds=10.0) as running:
        refused = await running.understand(long_clip)
        done = await ended(running, (await send(running, long_clip))["id"])

    assert refused.json()["code"] == "clip_too_large"
    assert done["state"] == "done"


async def test_a_full_store_takes_no_further_job(tmp_path: Path, clip: bytes) -> None:
    async with jobs_of(tmp_path, jobs_disk=len(clip) + 10) as running:
        await send(running, clip)

        response = await running.client.post("/jobs", content=clip)

    assert (response.status_code, response.json()["code"]) == (507, "storage_full")


async def test_a_job_that_misses_its_deadline_fails(tmp_path: Path, long_clip: bytes) -> None:
    engine = StopsAt(1)
    async with jobs_of(tmp_path, engine) as running:
        job = await send(running, long_clip, deadline=0.5)
        await asyncio.sleep(0.6)
        engine.may_go_on.set()
        done = await ended(running, job["id"])

    assert (done["state"], done["error"]["code"]) == ("failed", "deadline_exceeded")


async def test_a_job_that_waits_beyond_its_deadline_fails_while_others_are_in_work(
    tmp_path: Path, long_clip: bytes, clip: bytes
) -> None:
    engine = StopsAt(1)
    async with jobs_of(tmp_path, engine, job_workers=1) as running:
        busy = await send(running, long_clip)
        await engine.stops()
        late = await send(running, clip, deadline=0.1)
        patient = await send(running, clip, deadline=1000)

        done = await ended(running, late["id"])

        assert (done["state"], done["error"]["code"]) == ("failed", "deadline_exceeded")
        assert (await look(running, patient["id"]))["state"] == "waiting"
        engine.may_go_on.set()
        assert (await ended(running, busy["id"]))["state"] == "done"
        assert (await ended(running, patient["id"]))["state"] == "done"


async def test_without_a_store_there_are_no_jobs(running: Running, clip: bytes) -> None:
    assert (await running.client.post("/jobs", content=clip)).status_code == 404
    assert (await running.client.get("/limits")).json()["jobs"] is None


async def test_the_limits_on_jobs_are_told(working: Running) -> None:
    limits = (await working.client.get("/limits")).json()["jobs"]

    assert limits["job_max_seconds"] == 14_400
    assert (limits["fetches"], limits["webhooks"]) == (False, False)


async def test_requests_go_before_the_next_part_of_a_job(
    tmp_path: Path, long_clip: bytes, clip: bytes
) -> None:
    engine = StopsAt(1)
    async with jobs_of(tmp_path, engine) as running:
        job = await send(running, long_clip)
        await engine.stops()
        requests = [asyncio.create_task(running.understand(clip)) for _ in range(3)]

        async def all_wait() -> bool:
            return running.metric("ssu_queue_depth") == 3

        await until(all_wait)
        engine.may_go_on.set()
        answered = await asyncio.gather(*requests)
        behind = await look(running, job["id"])
        done = await ended(running, job["id"])

    assert [one.status_code for one in answered] == [200, 200, 200]
    assert behind["progress"]["seconds_done"] <= 18.0
    assert done["state"] == "done"


async def test_a_result_that_is_gone_from_the_disk_is_not_found(
    working: Running, tmp_path: Path, clip: bytes
) -> None:
    job = await send(working, clip)
    await ended(working, job["id"])
    shutil.rmtree(tmp_path / "files" / job["id"])

    result = await working.client.get(f"/jobs/{job['id']}/result")

    assert (result.status_code, result.json()["code"]) == (404, "job_not_found")


async def test_jobs_survive_a_restart(tmp_path: Path, clip: bytes) -> None:
    async with jobs_of(tmp_path) as running:
        job = await send(running, clip)
        await ended(running, job["id"])

    async with run(job_settings(tmp_path)) as running:
        result: httpx.Response = await running.client.get(f"/jobs/{job['id']}/result")

    assert result.json()["frames"]


async def test_how_a_job_was_parted_does_not_depend_on_who_works_on_it(
    tmp_path: Path, long_clip: bytes
) -> None:
    engine, other = StopsAt(2), StopsAt(1000)
    async with jobs_of(tmp_path, engine) as running:
        begun = await send(running, long_clip)
        await engine.stops()
    async with jobs_of(tmp_path, other) as running:
        whole = await ended(running, (await send(running, long_clip))["id"])
        parted = await ended(running, begun["id"])
        results = [(await running.client.get(one["result"])).json() for one in (parted, whole)]

    assert without_times(results[0]) == without_times(results[1])
